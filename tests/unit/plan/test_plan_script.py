"""bin/plan.py: what it prints, what it writes, and how it says what is wrong."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from evalflow.plan.describe import describe_plan
from evalflow.plan.model import Plan
from support.paths import BIN
from support.stored import SEAL, folder_of


def plan_script(*words, **options) -> subprocess.CompletedProcess:
    environment_variables = {**os.environ, "EVALFLOW_VENV": sys.prefix}
    command = [BIN / "plan.py", *map(str, words)]
    return subprocess.run(command, env=environment_variables, capture_output=True, text=True, **options)


def test_help_says_what_every_option_does():
    result = plan_script("--help")
    assert result.returncode == 0 and result.stderr == ""
    for option in (
        "config",
        "outdir",
        "output",
        "target",
        "inits_per_task",
        "launch_dir",
        "verify_store",
        "repair",
        "stub",
    ):
        assert re.search(rf"^  --{option} .*[A-Z]", result.stdout, re.MULTILINE) or f"--{option} " in result.stdout, (
            option
        )
    assert "Nothing is built or downloaded." in result.stdout


def test_the_plan_goes_to_the_output_and_nothing_is_printed(experiment):
    config = experiment.write("experiment.yaml", experiment.data)
    result = plan_script("--config", config, "--output", "plan.json", cwd=experiment.launch)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert sorted(os.listdir(experiment.launch)) == ["plan.json", "report.json"]
    plan = json.loads((experiment.launch / "plan.json").read_text())
    assert plan == json.loads(json.dumps(experiment.plan()))


def test_without_an_output_the_table_is_printed(stored):
    plan = stored.plan()
    result = plan_script("--config", stored.folder / "experiment.yaml", cwd=stored.launch)
    assert result.returncode == 0
    assert result.stdout == describe_plan(Plan(**plan)) + "\n"
    assert plan["experiment_id"] in result.stdout and "3 of 3" in result.stdout
    assert re.search(rf"{plan['envs'][0]['env_id']} +stored", result.stdout)


def test_on_a_terminal_the_table_is_printed_too(experiment):
    config = experiment.write("experiment.yaml", experiment.data)
    ours, theirs = pty.openpty()
    command = [BIN / "plan.py", "--config", config, "--output", "plan.json"]
    options = {"cwd": experiment.launch, "env": {**os.environ, "EVALFLOW_VENV": sys.prefix}}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, **options) as process:
        os.close(theirs)
        text = b""
        try:
            while block := os.read(ours, 4096):
                text += block
        except OSError:  # how a terminal says that its other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0 and (experiment.launch / "plan.json").exists()
    assert text.decode().replace("\r\n", "\n") == describe_plan(Plan(**experiment.plan())) + "\n"


def test_warnings_go_to_the_error_stream_once(stored):
    plan = stored.plan()
    (folder_of(plan) / SEAL).write_text("")
    result = plan_script("--config", stored.folder / "experiment.yaml", "--output", stored.launch / "plan.json")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 0 and result.stdout == ""
    assert line.startswith(f"evalflow: warning: {folder_of(plan)}: env.json is not whole; a launch moves it aside")


def test_the_table_says_what_is_stored_to_build_and_not_needed(stored):
    plan = stored.plan()
    (folder_of(plan) / SEAL).unlink()
    text = describe_plan(Plan(**stored.plan()))
    assert re.search(rf"{plan['envs'][0]['env_id']} +not needed", text)
    stored.data["dates"]["end"] = "2024-01-03T00:00"
    text = describe_plan(Plan(**stored.plan()))
    assert re.search(rf"{plan['envs'][0]['env_id']} +to build", text) and "3 of 5" in text


RUN = "runs.0.forecaster."
MISTAKES = {
    # changes of the config → what is said
    "unknown key": ({"daets": 1}, [r"/experiment.yaml: daets: unknown key, did you mean dates\?"]),
    "impossible day": ({"dates": ["2024-02-30"]}, [r"/experiment.yaml: dates\[0\]: got \"2024-02-30\"; allowed: "]),
    "end before start": ({"dates.end": "2023-01-01"}, ["/experiment.yaml: dates.end: is before the start"]),
    "two mistakes": ({"daets": 1, RUN + "steps": "6/0/6"}, ["daets: unknown key", "steps: got"]),
    "missing checkpoint": (
        {RUN + "checkpoint": "no.ckpt"},
        [r"^runs\[0\].forecaster.checkpoint: no such file: no.ckpt"],
    ),
    "empty checkpoint": (
        {RUN + "checkpoint": "empty"},
        [r"runs\[0\].forecaster.checkpoint: .*/empty: the file is empty"],
    ),
    "a folder as checkpoint": (
        {RUN + "checkpoint": "."},
        [r"runs\[0\].forecaster.checkpoint: .*: is a folder; allowed: a file in it"],
    ),
    "an unknown source": ({RUN + "checkpoint": "gopher://a"}, ["unknown kind of checkpoint: gopher://a"]),
    "missing inference config": ({RUN + "config": "no.yaml"}, [r"^runs\[0\].forecaster.config: no such file: no.yaml"]),
    "inference config of no mapping": (
        {RUN + "config": "table.csv"},
        ["/table.csv: the inference config must be a mapping"],
    ),
    "empty inference config": ({RUN + "config": "empty"}, ["/empty: the inference config is empty"]),
    "missing wheel": (
        {RUN + "requirements": ["no.whl"]},
        [r"^runs\[0\].forecaster.requirements\[0\]: no such file: no.whl"],
    ),
    "unreadable checkpoint": ({RUN + "checkpoint": "secret"}, [r"/secret: cannot be read: Permission denied"]),
}


@pytest.mark.parametrize(("changes", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_on_the_error_stream(experiment, changes, said):
    experiment.write("empty", "")
    experiment.write("secret", "secret").chmod(0)
    if "secret" in changes.values() and os.geteuid() == 0:
        pytest.skip("root reads everything")
    config = experiment.write("experiment.yaml", experiment.changed(changes))
    result = plan_script("--config", config, "--output", "plan.json", "--repair", cwd=experiment.launch)
    lines = result.stderr.splitlines()
    assert (result.returncode, result.stdout, len(lines)) == (1, "", len(said))
    assert all(line.startswith("evalflow: ") for line in lines)
    for text in said:
        assert any(re.search(text, line.removeprefix("evalflow: ")) for line in lines), lines
    assert os.listdir(experiment.launch) == []
    assert not Path(experiment.data["locations"]["output_root"]).exists()


@pytest.mark.parametrize("text", ["a: [", "- a\n", "", "runs: 1\nruns: 2\n"])
def test_what_is_no_config_is_said_in_lines_without_a_traceback(experiment, text):
    config = experiment.write("experiment.yaml", text)
    result = plan_script("--config", config, "--output", experiment.launch / "plan.json")
    assert result.returncode == 1 and result.stderr
    assert all(line.startswith(f"evalflow: {config}") for line in result.stderr.splitlines())
    assert os.listdir(experiment.launch) == []


def test_a_missing_config_is_one_line(experiment):
    result = plan_script("--config", "no.yaml", cwd=experiment.launch)
    assert (result.returncode, result.stderr) == (1, f"evalflow: {experiment.launch}/no.yaml: no such file\n")
