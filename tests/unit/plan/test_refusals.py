"""What a plan refuses before anything is built: outputs, steps, tasks, commands."""

import json
import zipfile
from pathlib import Path

import pytest
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError
from support.ids import downscaler, forecaster
from support.stored import store_forecast

GRIB = {"output": {"grib": "x.grib"}}


def write_checkpoint(path: Path, **metadata) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/anemoi-metadata/ai-models.json", json.dumps(metadata))
    return path.name


@pytest.fixture
def anemoi(experiment):
    """Return a function that plans a run of an anemoi checkpoint with a time step of 6 h."""
    name = write_checkpoint(experiment.folder / "m.ckpt", task="forecaster", config={"data": {"timestep": "6h"}})

    def plan(kind: str = "forecaster", **fields) -> dict:
        entry = {"runner": "anemoi", "checkpoint": name, "steps": "0/24/6", "config": GRIB, **fields}
        experiment.data["runs"] = [{kind: entry}]
        return experiment.plan()

    plan.experiment = experiment
    return plan


def line_of_refusal(plan, **fields) -> str:
    with pytest.raises(UserError) as caught:
        plan(**fields)
    (line,) = str(caught.value).splitlines()
    assert "; allowed: " in line
    return line


def test_what_can_be_made_is_planned(anemoi):
    assert anemoi()["warnings"] == []


REFUSED = {
    "an output that nobody can read": ({"config": {"output": "printer"}}, "config: output: printer writes no forecast"),
    "an absolute path": ({"config": {"output": {"grib": "/x/y.grib"}}}, 'config: output.grib: "/x/y.grib" is outside of'),
    "no step 0": ({"config": {**GRIB, "write_initial_state": False}}, "config: write_initial_state: is false"),
    "a rare output": ({"config": {**GRIB, "output_frequency": "12h"}}, "config: output_frequency: writes nothing at 6, 18 h"),
    "a time step that does not fit": ({"steps": "0/24/1"}, "checkpoint: m.ckpt: makes a field every 6 h, and steps ask for 1"),
    "the other kind": ({"kind": "temporal_downscaler"}, "checkpoint: m.ckpt: was trained as a forecaster, and stands in"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_made_is_refused_with_its_key(anemoi, fields, said):
    kind = fields.get("kind", "forecaster")
    assert line_of_refusal(anemoi, **fields).startswith(f"runs[0].{kind}.{said}")


def test_a_file_that_is_there_is_no_place_to_write_to(anemoi):
    anemoi.experiment.write("x.grib", "GRIB")
    assert f'output.grib: "{anemoi.experiment.folder}/x.grib" is outside of' in line_of_refusal(anemoi)


def test_all_mistakes_are_said_at_once(anemoi):
    with pytest.raises(UserError) as caught:
        anemoi(config={"output": "none"}, steps="0/24/1")
    assert len(str(caught.value).splitlines()) == 2


def test_no_output_is_a_warning(anemoi):
    (line,) = anemoi(config={})["warnings"]
    assert line.startswith("runs[0].forecaster.config: output: missing: anemoi-inference then prints fields")


def test_a_run_whose_forecasts_are_stored_is_not_judged(experiment):
    experiment.data["runs"] = [forecaster(config={"timestep": "6h"})]
    plan = experiment.plan()
    for init_time in plan["init_times"]:
        store_forecast(plan["runs"][0], init_time)
    experiment.data["runs"][0]["forecaster"]["config"] = {"timestep": "5h"}
    with pytest.raises(UserError, match="timestep: is 5h, and steps ask for 6, 12, 18, 24 h; allowed: "):
        experiment.plan()
    plan = experiment.plan(target="report")
    for init_time in plan["init_times"]:
        store_forecast(plan["runs"][0], init_time)
    assert experiment.plan()["tasks"] == []


def test_a_checkpoint_on_a_server_is_judged_as_soon_as_it_is_there(anemoi):
    """The plan has not seen it, but GET_CHECKPOINT has: nothing is built for it."""
    spec = anemoi()["envs"][0]["spec"]
    assert [(asked["key"], asked["lead_times"]) for asked in spec["asked"]] == [
        ("runs[0].forecaster", [0, 6, 12, 18, 24])
    ]
    spec["asked"][0]["lead_times"] = [0, 3]
    with pytest.raises(UserError) as caught:
        get_checkpoint(EnvironmentSpec.model_validate(spec))
    said = "runs[0].forecaster.checkpoint: m.ckpt: makes a field every 6 h, and steps ask for 3 h; allowed: multiples of 6 h"
    assert str(caught.value) == said and not list(Path(spec["folder"]).glob("*"))


def test_a_stored_checkpoint_is_judged_by_its_metadata(anemoi, monkeypatch):
    folder = Path(anemoi()["envs"][0]["spec"]["folder"])
    folder.mkdir(parents=True)
    (folder / "anemoi.json").write_text('{"config": {"data": {"timestep": "12h"}}}')
    assert "makes a field every 12 h" in line_of_refusal(anemoi)


# --- onnx ---------------------------------------------------------------------------------------------------------

ONNX = {
    "above": ({"output": {"path": "../{step}.grib"}}, 'config: output.path: "../{step}.grib" is outside of'),
    "absolute": ({"output": {"path": "/x/{step}.grib"}}, 'config: output.path: "/x/{step}.grib" is outside of'),
    "time step": ({"timestep": "12h"}, "config: timestep: is 12h, and steps ask for 6, 18 h; allowed: "),
    "time step as a number": ({"timestep": 12}, "config: timestep: is 12, and steps ask for 6, 18 h; allowed: "),
}


@pytest.mark.parametrize(("config", "said"), ONNX.values(), ids=ONNX)
def test_onnx_models_that_cannot_make_it_are_refused(experiment, config, said):
    experiment.data["runs"] = [forecaster(config=config)]
    assert line_of_refusal(experiment.plan).startswith(f"runs[0].forecaster.{said}")


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(experiment):
    """Return a function that plans a run of a command."""

    def plan(words, **fields) -> dict:
        experiment.data["runs"] = [forecaster(runner="command", command=words, **fields)]
        return experiment.plan()

    experiment.write("model.py", "print(1)")
    experiment.write("run/model.sh", "#!/bin/sh\n").chmod(0o755)
    return plan


COMMANDS = [
    "{python} model.py --to {output}", "{python} -m model {output}", "{python} -u ./model.py {output}",
    "{python} {checkpoint} {output}", "./run/model.sh {output}", "sh -c 'cat x.sh | sh > {output}/log'",
    "bash run/model.sh {output}", "{checkpoint} {output}", "/bin/sh -c 'a && $b' {output}", "bash -lc 'x; y' {output}",
    "{python} -c 'import os; os.system(\"$HOME/x > y\")' {output}", "sh run/model.sh --ge >=1 '{output}'",
    ["awk", "{ print $NF | \"sort\" }", "{output}"], "sh model.py --url http://e.org/?a=1&b=2 {output}",
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=str)
def test_commands_that_are_there_are_planned(command, words):
    warnings = [line for line in command(words)["warnings"] if "count by name" not in line]
    assert warnings == []


MISSING = {
    "a program": ("./run/other.sh {output}", "no such program: ./run/other.sh (looked for "),
    "a program elsewhere": ("/opt/model/run {output}", "no such program: /opt/model/run (looked for /opt/model/run)"),
    "a script": ("{python} other.py {output}", "no such script: other.py (looked for "),
    "a script of a shell": ("bash -eu run/other.sh {output}", "no such script: run/other.sh (looked for "),
    "a script of a Python of the host": ("/usr/bin/python3 -u a/b.py {output}", "no such script: a/b.py (looked for "),
    "a file that is no program": ("./model.py {output}", "model.py: is no program that may be executed; allowed: "),
}


@pytest.mark.parametrize(("words", "said"), MISSING.values(), ids=MISSING)
def test_programs_and_scripts_that_are_missing_are_refused(command, words, said):
    with pytest.raises(UserError) as caught:
        command(words)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("runs[0].forecaster.command: ") and said in line


def test_a_program_that_is_not_on_path_is_a_warning_where_nothing_could_install_it(command):
    (line,) = command("no-such-model-here {output}")["warnings"]
    assert line.startswith("runs[0].forecaster.command: no-such-model-here: no such program on PATH here, and no ")
    assert command("no-such-model-here {output}", requirements=["model"])["warnings"] == []


SHELL = ["| tee log", "> log", ">log", "2>&1", "&& b", "|| b", "; b", "& b", "< in", "`date`"]
SHELL += ["$HOME/x", "--x=$HOME/x", "${HOME}"]


@pytest.mark.parametrize("words", SHELL)
def test_what_only_a_shell_reads_is_refused(command, words):
    with pytest.raises(UserError) as caught:
        command(f"model {words} {{output}}")
    (line,) = str(caught.value).splitlines()
    shown = words.split()[0]
    assert (
        f'runs[0].forecaster.command: holds "{shown}", which no shell reads here; allowed: words without it, ' in line
    )


# --- downscalers --------------------------------------------------------------------------------------------------

LEAVING = {"0/48/1": "0 to 24", "0/25/1": "0 to 24", "0/24.5/0.5": "0 to 24"}


@pytest.mark.parametrize(("steps", "allowed"), LEAVING.items())
def test_a_downscaler_that_leaves_its_forecaster_is_refused(experiment, steps, allowed):
    experiment.data["runs"] = [downscaler(forecaster(), steps=steps)]
    with pytest.raises(UserError) as caught:
        experiment.plan()
    (line,) = str(caught.value).splitlines()
    assert (
        f"runs[0].temporal_downscaler.steps: {steps if '.' not in steps else '0/1470m/30m'} leaves the steps 0/24/6 "
        in line
    )
    assert line.endswith(f"allowed: lead times from {allowed} h")


def test_a_downscaler_that_begins_before_its_forecaster_is_refused(experiment):
    experiment.data["runs"] = [downscaler(forecaster(steps="6/24/6"), steps="0/24/1")]
    with pytest.raises(UserError, match="allowed: lead times from 6 to 24 h"):
        experiment.plan()
    experiment.data["runs"] = [downscaler(forecaster(steps="6/29/6"), steps="6/24/1")]
    assert experiment.plan()["runs"]
