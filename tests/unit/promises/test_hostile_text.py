"""Text in any place of a config is data, or is refused in one line with its key."""

import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile

import pytest
import yaml
from evalflow.config import inference
from evalflow.config import model as config
from evalflow.config.model import ConfigModel
from evalflow.errors import UserError
from evalflow.inference.prepare import prepare_run
from evalflow.inference.sandbox import create_sandbox
from evalflow.inference.spec import RunSpec
from evalflow.texts import render
from evalflow.yamlio import dump_yaml, read_yaml
from support.hostile import (
    _CONTROL,
    FILE,
    FULL,
    INFERENCE,
    PLACES,
    SEEN,
    Place,
    check_place,
    free_places,
    full_with,
    is_data,
    put,
    texts_of_every_day,
)
from support.hostile_texts import HOSTILE, short
from support.paths import BIN


def test_the_config_without_hostile_text_is_planned(trial, given):
    """Else all would be refused."""
    lacking = {f"#/$defs/{name}" for name in config.config_schema()["$defs"]} - SEEN
    assert not lacking, "add what is lacking to FULL"
    assert FULL.keys() == ConfigModel.model_fields.keys() and len(HOSTILE) >= 200
    given(experiment=FULL)
    plan = trial.plan()
    assert (len(plan["runs"]), len(plan["verification"]["sources"])) == (3, 5)
    for key, value in FULL.items():
        given(experiment=full_with(Place((key,)), value))
        trial.plan()


@pytest.mark.parametrize("place", PLACES, ids=Place.describe)
def test_hostile_text_is_data_or_refused(trial, given, place):
    """Each place gets some of the texts, and each text goes to many places; tests/faults has the others."""
    check_place(trial, given, place, texts_of_every_day(place))


@pytest.mark.parametrize("place", list(free_places(FILE, ())), ids=Place.describe)
def test_hostile_text_in_an_inference_config_is_data_or_refused(trial, given, monkeypatch, place):
    given(experiment=full_with(Place(INFERENCE), "inference.yaml"))
    for text in HOSTILE:
        data = put(FILE, place, text)
        monkeypatch.setattr(inference, "read_yaml", lambda path, data=data: data)
        is_data(trial, [render(INFERENCE)], text)


VALID = [text for text in HOSTILE if not re.search(r"[\ud800-\udfff]|hu/?sh", text)]


@pytest.mark.parametrize("number", range(0, len(HOSTILE), 50))
def test_a_file_means_what_was_given(trial, given, monkeypatch, number):
    """What the tests above leave out: text goes to a YAML file and comes back, and the outcome is the same."""
    readers = (config.read_yaml, read_yaml)
    for index, text in enumerate(HOSTILE[number : number + 50], number):
        data = full_with(PLACES[7 * index % len(PLACES)], text)
        given(experiment=data)
        trial.path.write_text(dump_yaml(data), encoding="utf-8")
        outcomes = []
        for reader in readers:
            monkeypatch.setattr(config, "read_yaml", reader)
            try:
                outcomes.append(trial.plan())
            except UserError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1], short(text)


def test_hostile_text_in_all_places_is_refused_in_lines(trial):
    data = FULL
    for place in PLACES:
        if not place.is_key and place.keys[:4] != INFERENCE:
            data = put(data, place, "x\n$(touch pwned)\x1b[31m")
    trial.path.write_text(dump_yaml(data), encoding="utf-8")
    words = [BIN / "plan.py", "--config", trial.path, "--outdir", trial.root / "out"]
    variables = {**os.environ, "EVALFLOW_VENV": sys.prefix}
    done = subprocess.run([sys.executable, *words], cwd=trial.launch, env=variables, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "") and len(lines) > 50
    assert all(line.startswith(f"evalflow: {trial.path}: ") and "; allowed: " in line for line in lines), done.stderr
    assert not _CONTROL.search("".join(lines)) and trial.tree() == trial.before


def test_hostile_text_of_an_inference_config_reaches_the_model_as_it_is(trial, given, tmp_path):
    texts = [text for text in VALID if not text.startswith("/proc")]
    given(experiment=full_with(Place(INFERENCE), {"values": texts, "keys": {text: 1 for text in texts}}))
    spec = trial.plan()["runs"][0]["spec"] | {"folder": str(tmp_path / "store")}
    prepare_run(RunSpec(**spec), tmp_path)
    read = yaml.safe_load((tmp_path / "inference.yaml").read_text(encoding="utf-8"))
    assert read["keys"] == {text: 1 for text in texts}
    for text, value in zip(texts, read["values"], strict=True):
        is_file = os.path.isabs(value) and os.path.isfile(value) and os.path.basename(text) == os.path.basename(value)
        assert value == text or is_file or is_located(text, value), short(text)


def is_located(text: str, value: str) -> bool:
    """Return whether a value is the place where the wildcard `text` finds files."""
    return glob.has_magic(text) and os.path.isabs(value) and value.endswith(f"/{text}") and glob.glob(value) != []


def test_hostile_words_of_a_command_reach_the_program_as_they_are(trial, given, tmp_path):
    """By the one shell script that is made of a config's text: that of a sandbox."""
    words = [text for text in VALID if "{" not in text and "\0" not in text and not os.path.isfile(text)]
    beside = trial.path.parent  # what means files there is located; see tests/unit/identity/test_inputs_that_count.py
    words = [text for text in words if not glob.has_magic(text) or not glob.glob(text, root_dir=beside, recursive=True)]
    program = "import json, sys; json.dump(sys.argv[1:], open('words.json', 'w'))"
    given(experiment=full_with(Place((*INFERENCE[:3], "command")), ["{python}", "-c", program, *words, "{output}"]))
    head = "# Locked by evalflow for Python 3.11.0 on linux-x86_64.\n# image_id: 00000000\n"
    (tmp_path / "lock").write_text(f"{head}# sha256: {hashlib.sha256(head.encode()).hexdigest()}\n")
    (tmp_path / "checkpoint").write_text("weights")
    zipped = tmp_path / "sandbox.zip"
    (spec, *_) = [run["spec"] for run in trial.plan()["runs"]]
    create_sandbox(RunSpec(**spec), tmp_path / "checkpoint", tmp_path / "lock", "202401010000", zipped, link=False)
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path)
    (folder,) = {path.parent for path in tmp_path.glob("*/run_forecast.sh")}
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    subprocess.run(["bash", folder / "run_forecast.sh"], check=True)
    read = json.loads((folder / "output" / "words.json").read_text())
    assert len(read) == len(words) + 1 and read[-1] == "."
    for text, value in zip(words, read, strict=False):
        assert value == text or is_located(text, value), short(text)
    assert not list(tmp_path.rglob("pwned"))
