"""The demo's files are whole, small, and say what assets/demo/README.md says of them."""

import ast
import datetime as dt
import zipfile
from collections import Counter
from pathlib import Path

import eccodes
import numpy as np
import pytest
import yaml
from evalflow.checkpoints.metadata import read_metadata
from evalflow.runners import onnx_program
from evalflow.runners.anemoi import python_version, requirements, warnings
from evalflow.runners.base import Installed
from support.paths import DEMO, PROJECT

FIELDS = {("msl", 0), ("2t", 2), ("10u", 10), ("10v", 10), ("u", 500), ("v", 500)}


@pytest.fixture(scope="module")
def messages():
    with eccodes.FileReader(DEMO / "blizzard-1996-01.grib") as reader:
        return list(reader)


def test_grib_has_25_regular_times_of_6_fields(messages):
    times = Counter()
    for message in messages:
        assert (message["edition"], message["step"]) == (2, 0)
        stamp = f"{message['dataDate']}{message['dataTime']:04}"
        times[dt.datetime.strptime(stamp, "%Y%m%d%H%M"), message["shortName"], message["level"]] += 1
    expected_times = [dt.datetime(1996, 1, 14, 12) + dt.timedelta(hours=6) * index for index in range(25)]
    assert times == Counter((time, *field) for time in expected_times for field in FIELDS)


def test_grib_has_one_grid_from_the_north_west(messages):
    assert len({message["md5GridSection"] for message in messages}) == 1
    message = messages[0]
    assert (message["Ni"], message["Nj"], message["numberOfMissing"]) == (22, 33, 0)
    corners = ("latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees")
    corners += ("latitudeOfLastGridPointInDegrees", "longitudeOfLastGridPointInDegrees")
    assert [message[key] for key in corners] == [60, 237.5, 20, 290]


@pytest.mark.parametrize(
    ("name", "low", "high"), [("msl", 94_000, 107_000), ("2t", 220, 320), ("u", -60, 100), ("10v", -40, 40)]
)
def test_grib_values_are_in_the_units_of_their_names(messages, name, low, high):
    values = np.concatenate([message["values"] for message in messages if message["shortName"] == name])
    assert low < values.min() < values.max() < high


def test_onnx_models_are_small_and_differ():
    first, second = ((DEMO / name).read_bytes() for name in ("tinycast.onnx", "tinycast-early.onnx"))
    assert first != second
    assert 50_000 < len(first) < 100_000 and 50_000 < len(second) < 100_000


def test_the_wheel_is_of_the_module_beside_it():
    with zipfile.ZipFile(DEMO / "tinycast-1.0-py3-none-any.whl") as wheel:
        assert wheel.read("tinycast.py") == (DEMO / "tinycast.py").read_bytes()


@pytest.mark.parametrize("name", ["tinycast", "persistence", "interpolation"])
def test_anemoi_checkpoints_say_what_they_need(name):
    path = DEMO / f"{name}.ckpt"
    metadata = read_metadata(path, path.name)
    assert path.stat().st_size < 100_000
    assert metadata["dataset"]["variables"] == ["msl", "2t", "10u", "10v", "u_500", "v_500"]
    needs = requirements(metadata, local_definitions=False)
    assert any(text.startswith("torch==") for text in needs)
    installed = Installed(dict(text.split("==") for text in needs if "==" in text))
    assert warnings(metadata, installed) == [] and python_version(metadata).startswith("3.")


def test_notice_is_kept():
    text = (DEMO / "COPYRIGHT").read_text()
    assert "University Corporation for Atmospheric Research" in text and 'PROVIDED "AS IS"' in text


def test_readme_names_every_file():
    readme = (DEMO / "README.md").read_text()
    unnamed = [path.name for path in DEMO.iterdir() if path.is_file() and f"`{path.name}`" not in readme]
    assert unnamed in ([], ["README.md"])


@pytest.mark.parametrize("name", ["tinycast", "tinycast-damped"])
def test_inference_config_and_analyses_fit_together(name):
    path = PROJECT / "config" / "inference" / f"{name}.yaml"
    written = yaml.safe_load(path.read_text())
    assert not {"date", "lead_time", "steps", "checkpoint"} & set(written)
    config = onnx_program.parse_config({**written, "date": "1996-01-14T18:00", "lead_time": 24}, path.parent)
    times = [config["date"] - dt.timedelta(hours=6), config["date"]]
    states, _ = onnx_program.read_states(config["files"], times, config["variables"])
    assert states.shape == (1, config["multistep_input"], 726, 6)


def test_inference_configs_differ_in_the_increments_only():
    folder = PROJECT / "config" / "inference"
    plain, damped = (yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("tinycast", "tinycast-damped"))
    assert (plain.pop("increment_scale"), damped.pop("increment_scale")) == (1.0, 0.8)
    assert plain == damped


def test_runner_imports_nothing_of_evalflow():
    """The model's own environment runs it, which has neither evalflow nor what evalflow needs."""
    imported = set()
    for node in ast.walk(ast.parse(Path(onnx_program.__file__).read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    assert not imported & {"evalflow", "click", "pydantic"}
