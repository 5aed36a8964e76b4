"""The anemoi runner for real: an environment from PyPI (6 GB, built once here), anemoi-inference, and what it writes.

Needs the network, minutes, and 10 GB in the scratch folder and in pytest's; `make test-anemoi` runs this.
"""

import copy
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import eccodes
import numpy as np
import pytest
import yaml
from evalflow.checkpoints.metadata import read_metadata
from evalflow.environment.pythons import find_python
from evalflow.errors import UserError
from evalflow.inference.prepare import prepare_run
from evalflow.lookup import PROJECT
from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan
from evalflow.store.layout import ENVIRONMENT_SEAL, FORECAST_SEAL, LOCK, METADATA, UNFINISHED
from support.environments import lock
from support.launches import Workspace
from support.paths import BIN, DEMO
from support.specs import make_spec

TIMES = ["199601150000", "199601161200"]
BITS = 16


class Launched(NamedTuple):
    """A finished launch: the workspace, what the launch said, its plan, and the label → run of the plan."""

    workspace: Workspace
    result: object
    plan: dict
    runs: dict

    @property
    def image(self) -> Path:
        env_id = self.runs["tinycast (anemoi)"]["env_id"]
        return Path(os.path.realpath(self.workspace.store / "runs" / env_id / "venv.squashfs"))

    def folder(self, label: str, init_time: str) -> Path:
        return self.workspace.store / "runs" / self.runs[label]["run_id"] / init_time


def demo_config() -> dict:
    """Return config/demo-anemoi.yaml for two init times, with the ONNX model beside it."""
    config = yaml.safe_load((PROJECT / "config" / "demo-anemoi.yaml").read_text())
    try:
        find_python("3.11.7", nearest=True)  # what the checkpoints were made with
        python = {}
    except UserError:
        python = {"python": "{}.{}".format(*sys.version_info)}
    onnx = yaml.safe_load((PROJECT / "config" / "demo.yaml").read_text())["runs"][0]
    config["runs"].append(onnx)
    config = json.loads(json.dumps(config))  # no anchors: each entry is changed by itself
    for item in config["runs"]:
        for entry in item.values():
            for part in (entry, entry.get("forecaster")):
                if part:
                    part["config"] = str(PROJECT / "config" / part["config"])
                    if "extra_requirements" in part:
                        part.update(python)
    config["dates"] = ["1996-01-15T00:00", "1996-01-16T12:00"]
    return config


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    root = tmp_path_factory.mktemp("anemoi")
    workspace = Workspace(root)
    workspace.config_file.parent.mkdir()
    workspace.config_file.write_text(yaml.safe_dump(demo_config(), sort_keys=False))
    result = workspace.launch(timeout=1800)
    plan = workspace.plan()
    yield Launched(workspace, result, plan, {run["label"]: run for run in plan["runs"]})
    shutil.rmtree(root, ignore_errors=True)  # pytest keeps the folders of its last runs; these are big


def read_fields(folder: Path) -> dict[tuple[int, str], np.ndarray]:
    """Return (lead time, field) → values of all GRIB messages in a folder."""
    fields = {}
    for path in sorted(folder.rglob("*.grib")):
        with eccodes.FileReader(str(path)) as reader:
            for message in reader:
                field = (int(message["step"]), f"{message['shortName']} {message['level']}")
                assert field not in fields
                fields[field] = message.get_array("values")
    return fields


def precision(values: np.ndarray) -> float:
    """Return the largest error of packing with BITS bits: half a step, a step being rounded up to a power of two."""
    return 2.0 ** np.ceil(np.log2(np.ptp(values) / (2**BITS - 1))) / 2


def test_environments_are_built_once_and_share_an_image(launched):
    assert launched.result.status == 0, launched.result.text
    tasks = launched.result.tasks
    assert (tasks["LOCK_REQUIREMENTS"], tasks["BUILD_IMAGE"]) == (4, 2)  # three of anemoi, and the ONNX runner's
    assert launched.result.forecasts == 4 * len(TIMES)
    images = {env["image_id"] for env in launched.plan["envs"] if env["spec"]["runner"] == "anemoi"}
    assert len(images) == 1 and all(env["complete"] for env in launched.plan["envs"])
    print(f"\nimage: {launched.image.stat().st_size / 1e9:.2f} GB")


def test_the_lock_holds_what_the_checkpoint_was_trained_with(launched):
    known = read_metadata(DEMO / "tinycast.ckpt", "tinycast.ckpt")["provenance_training"]
    folder = launched.workspace.store / "runs" / launched.runs["tinycast (anemoi)"]["env_id"]
    text = (folder / LOCK).read_text()
    assert f"\ntorch=={known['module_versions']['torch']['version']} " in text
    assert "\nanemoi-inference==" in text and "\neccodes==" in text and "\ntinycast @ file:" in text
    sealed = json.loads((folder / ENVIRONMENT_SEAL).read_text())
    chosen = launched.workspace.config["runs"][0]["forecaster"].get("python")
    assert sealed["python"].rsplit(".", 1)[0] == known["python"].rsplit(".", 1)[0] or sealed["python"] == chosen
    assert bool(sealed["warnings"]) == (sealed["python"] != known["python"] and chosen is None)


def test_the_same_launch_again_makes_nothing(launched):
    again = launched.workspace.launch()
    assert again.status == 0 and again.environments == again.forecasts == 0, again.text


@pytest.mark.parametrize("init_time", TIMES)
def test_fields_are_those_of_the_onnx_model(launched, init_time):
    here, there = (read_fields(launched.folder(label, init_time)) for label in ("tinycast (anemoi)", "tinycast"))
    assert here.keys() == there.keys() and {lead for lead, _ in here} == {0, 6, 12, 18, 24}
    worst = {}
    for field, values in here.items():
        both = precision(values) + precision(there[field])
        difference = np.abs(values - there[field]).max()
        # The models compute in 32 bits, and not in the same order.
        assert difference <= both + 8 * np.finfo("f4").eps * np.abs(values).max(), field
        worst[field[1]] = max(worst.get(field[1], 0), difference / both)
    print(
        "\nlargest difference in units of the packing error:", {name: round(float(x), 2) for name, x in worst.items()}
    )


def test_persistence_persists_and_interpolation_interpolates(launched):
    for init_time in TIMES:
        fields = read_fields(launched.folder("persistence (anemoi)", init_time))
        for (_, name), values in fields.items():
            np.testing.assert_allclose(values, fields[0, name], atol=2.1 * precision(values))
        given = read_fields(launched.folder("tinycast (anemoi)", init_time))
        refined = read_fields(launched.folder("interpolation of tinycast (anemoi)", init_time))
        assert refined.keys() == given.keys()
        for (lead, name), values in refined.items():
            expected = given[lead, name] if lead % 12 == 0 else (given[lead - 6, name] + given[lead + 6, name]) / 2
            np.testing.assert_allclose(values, expected, atol=2.1 * precision(values))


# --- single forecasts in the environment that the launch has built ----------------------------------------------------


class Forecast(NamedTuple):
    status: int
    line: str
    """The last line of what was said."""
    folder: Path

    @property
    def complete(self) -> bool:
        return (self.folder / FORECAST_SEAL).exists()


@pytest.fixture
def forecast(launched, tmp_path):
    """Return a function that makes one forecast of a run entry of the demo, changed; `limit` is in bytes per file."""

    def make(entry: dict, *words: str, limit: int | None = None, **variables: str) -> Forecast:
        run = copy.deepcopy(launched.workspace.config["runs"][0])
        run["forecaster"].update(entry)
        config = {"description": "one", "dates": ["1996-01-15"], "runs": [run]}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        plan = make_plan(tmp_path / "config.yaml", Options(outdir=tmp_path / "out", launch=tmp_path))
        spec = plan.runs[0].spec
        prepare_run(spec, tmp_path / "prepared")
        command = [
            BIN / "run_forecast.py",
            "--inference",
            tmp_path / "prepared" / "inference.yaml",
            "--image",
            launched.image,
        ]
        command += ["--checkpoint", plan.envs[0].spec.checkpoint.location, "--init_times", TIMES[0], *words]
        done = subprocess.run(
            [*map(str, command), "--output", str(tmp_path / "made")],
            input=spec.to_json(),
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "EVALFLOW_VENV": sys.prefix, **variables},
            preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
        )
        return Forecast(done.returncode, (done.stderr.splitlines() or [""])[-1], tmp_path / "made" / TIMES[0])

    return make


def test_several_processes_make_the_same_forecast(launched, forecast):
    made = forecast({}, "--gpus", "2")
    assert made.status == 0, made.line
    assert (
        yaml.safe_load((made.folder / "config.yaml").read_text())["runner"]["parallel"]["cluster"]["manual"][
            "world_size"
        ]
        == 2
    )
    alone, split = read_fields(launched.folder("tinycast (anemoi)", TIMES[0])), read_fields(made.folder)
    assert alone.keys() == split.keys()
    for field, values in alone.items():
        np.testing.assert_allclose(split[field], values, atol=2.1 * precision(values))


def test_templates_and_patches_of_evalml_s_arrangement(forecast, tmp_path):
    """A config that names `resources/…` works with the files in templates/ and metadata/ beside configs/."""
    for name in ("configs", "templates", "metadata"):
        (tmp_path / "inference" / name).mkdir(parents=True)
    with eccodes.FileReader(str(DEMO / "blizzard-1996-01.grib")) as reader:
        for message in reader:
            if message["dataDate"] == 19960115 and message["dataTime"] == 0:
                message.set({"backgroundProcess": 77})  # to be seen in what is made from it
                with open(tmp_path / "inference" / "templates" / f"{message['shortName']}.grib", "wb") as file:
                    message.write_to(file)
    index = "".join(
        f"- - {{param: {name}}}\n  - resources/{name}.grib\n" for name in ("msl", "2t", "10u", "10v", "u", "v")
    )
    (tmp_path / "inference" / "templates" / "index.yaml").write_text(index)
    (tmp_path / "inference" / "metadata" / "patch.yaml").write_text("config: {description: patched}\n")
    config = yaml.safe_load((PROJECT / "config" / "inference" / "tinycast-anemoi.yaml").read_text())
    config["input"]["grib"] = str(DEMO / "blizzard-1996-01.grib")
    config["output"]["grib"]["templates"] = {"samples": "resources/index.yaml"}
    config["patch_metadata"] = "resources/patch.yaml"
    text = f"{yaml.safe_dump(config)}date: 2020-01-01\n"  # unquoted; evalflow sets it
    (tmp_path / "inference" / "configs" / "model.yaml").write_text(text)
    made = forecast({"config": "inference/configs/model.yaml"})
    assert made.status == 0 and made.complete, made.line
    assert "Patching metadata with" in (made.folder / "forecast.log").read_text()
    assert not (made.folder / "resources").exists()
    path = next(path for path in made.folder.rglob("*.grib") if "_6." in path.name or "_006." in path.name)
    with eccodes.FileReader(str(path)) as reader:
        assert {message["backgroundProcess"] for message in reader} == {77}


def rename_class(source: Path, target: Path) -> None:
    """Write a checkpoint whose model is of a class that its package does not have."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"TinyCast", b"TinyGone") if name.endswith("data.pkl") else content)


@pytest.mark.parametrize("words", [[], ["--gpus", "2"]], ids=["alone", "split"])
def test_a_model_that_cannot_be_loaded(forecast, tmp_path, words):
    rename_class(DEMO / "tinycast.ckpt", tmp_path / "gone.ckpt")
    made = forecast({"checkpoint": "gone.ckpt"}, *words)
    assert made.status == 1 and not made.complete
    assert made.line.startswith("evalflow: forecaster-") and "log: " in made.line
    assert "AttributeError" in made.line and "TinyGone" in made.line
    # Split, anemoi-inference ends with status 0 where its own processes fail: what they left shows it.
    assert ("the model ended with status 1" if not words else "no ") in made.line


def test_a_model_that_fails_half_way(forecast, tmp_path):
    config = yaml.safe_load((PROJECT / "config" / "inference" / "tinycast-anemoi.yaml").read_text())
    config["input"]["grib"] = str(DEMO / "blizzard-1996-01.grib")
    config["output"]["grib"].update(path="all.grib", split_output=False)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(config))
    made = forecast({"config": "model.yaml", "steps": "0/240/6"}, limit=150_000)
    assert made.status == 1 and not made.complete
    assert (made.folder.parent / UNFINISHED / TIMES[0] / "all.grib").stat().st_size > 50_000
    assert "the model ended with status 1 (OSError: [Errno 27] File too large" in made.line


# --- locks: the network is needed, the environment is not -------------------------------------------------------------


def refused(tmp_path: Path, checkpoint: Path = DEMO / "tinycast.ckpt", **changes) -> str:
    """Return the one line with which the lock of a checkpoint is refused."""
    spec = make_spec(tmp_path, runner="anemoi", **changes)
    metadata = read_metadata(checkpoint, checkpoint.name)
    (spec.folder / METADATA).write_text(json.dumps(metadata))
    with pytest.raises(UserError) as caught:
        lock(spec)
    assert "\n" not in str(caught.value) and not (spec.folder / LOCK).exists()
    return str(caught.value)


def test_a_package_that_does_not_exist(tmp_path):
    line = refused(tmp_path, extra_requirements=["evalflow-no-such-package"])
    assert "evalflow-no-such-package was not found" in line


def test_a_lock_that_conflicts(tmp_path):
    line = refused(tmp_path, extra_requirements=["anemoi-inference==0.9.0", "anemoi-utils==0.4.0"])
    assert "anemoi-inference==0.9.0 depends on" in line and "unsatisfiable" in line


def test_a_python_that_is_not_there(tmp_path):
    assert "Python 3.11.99 is not on this host" in refused(tmp_path, python="3.11.99")


def test_a_build_of_pytorch_comes_from_its_own_index(tmp_path):
    """With the index in reach the lock has that build; without, one line says where uv looked."""
    spec = make_spec(tmp_path, runner="anemoi", torch_backend="cpu")
    metadata = read_metadata(DEMO / "tinycast.ckpt", "tinycast.ckpt")
    (spec.folder / METADATA).write_text(json.dumps(metadata))
    try:
        text = lock(spec).read_text()
    except UserError as error:
        text = str(error)
    assert "+cpu" in text or ("torch" in text and "\n" not in text)
