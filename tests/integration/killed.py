"""Launches that are killed by SIGKILL at any moment, and launched again. On this machine, and on a Slurm (tests/slurm)."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import yaml
from shell_model import grib

from .conftest import PROJECT, Experiment

# The model writes down when it begins and ends, and in which folder: two of them must never be in one.
MODEL = """
echo "begin $$ $1" >> "$EVALFLOW_TEST_JOURNAL"
sleep 0.7
cp "$(sed -n 's/^lead_0: //p' "$2")" "$1/000.grib"
cp "$(sed -n 's/^lead_6: //p' "$2")" "$1/006.grib"
echo "$3" > "$1/init.txt"
echo "end $$ $1" >> "$EVALFLOW_TEST_JOURNAL"
"""
INIT_TIMES = 3
TASKS = 16
"""Of a whole launch: PLAN, 3 + 3 for two environments and an image, 2 runs, 6 forecasts."""


def make_quick_experiment(experiment: Experiment) -> None:
    """Write an experiment of two runs whose environments need no packages: all of a launch takes seconds."""
    exp = experiment.root / "exp"
    exp.mkdir(parents=True)
    for lead in (0, 6):
        (exp / f"lead-{lead}.grib").write_bytes(grib(lead))
    runs = []
    for name in ("one", "two"):
        (exp / f"{name}.sh").write_text(f"{MODEL}# checkpoint {name}\n")
        (exp / f"{name}.yaml").write_text(f"lead_0: lead-0.grib\nlead_6: lead-6.grib\nname: {name}\n")
        command = ["sh", "{checkpoint}", "{output}", "{config}", "{init_time}"]
        about = {"label": name, "runner": "command", "command": command, "steps": "0/6/6"}
        runs.append({"forecaster": {**about, "checkpoint": f"{name}.sh", "config": f"{name}.yaml"}})
    dates = [f"2024-01-0{day}T00:00" for day in range(1, INIT_TIMES + 1)]
    config = {"description": "a test", "dates": dates, "runs": runs}
    experiment.config_file.write_text(yaml.safe_dump(config, sort_keys=False))


def variables(experiment: Experiment) -> dict[str, str]:
    return {
        "EVALFLOW_TEST_JOURNAL": str(experiment.root / "journal"),
        "EVALFLOW_SCRATCH": str(experiment.root / "scratch"),
    }


def launch(experiment: Experiment, *arguments: str):
    return experiment.launch(*arguments, **variables(experiment))


def nextflow(process: subprocess.Popen) -> psutil.Process:
    """Return the Java process of a launch, which the command may have started."""
    started = psutil.Process(process.pid)
    for one in [started, *started.children(recursive=True)]:
        with suppress(psutil.Error):  # a task that has ended meanwhile
            if "nextflow.cli.Launcher" in one.cmdline():
                return one
    raise AssertionError(f"no Nextflow in {process.args}")


def launch_and_kill(experiment: Experiment, tasks: int, seconds: float = 0) -> str:
    """Launch, kill the launch by SIGKILL some seconds after it has begun so many tasks, and return what it said.

    Return nothing where it ended before.
    """
    folder = experiment.root / "launch"
    folder.mkdir(exist_ok=True)
    command = ["nextflow", "run", str(PROJECT), "-profile", experiment.profile, *experiment.options]
    command += ["--config", str(experiment.config_file), "--outdir", str(experiment.root / "out")]
    environment = {**os.environ, "NXF_ANSI_LOG": "false", "EVALFLOW_VENV": sys.prefix, **variables(experiment)}
    environment["EVALFLOW_CACHE"] = str(experiment.root / "cache")
    output = experiment.root / "killed.txt"
    with open(output, "w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    while len(submitted(output.read_text())) < tasks and process.poll() is None:
        time.sleep(0.02)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
        return ""
    nextflow(process).kill()  # Nextflow alone: what it has started goes on
    process.wait()
    return output.read_text()


def submitted(text: str) -> list[str]:
    """Return the processes of the tasks that a launch says it has begun."""
    return [line.split("> ")[1].split(" (")[0] for line in text.splitlines() if "Submitted process > " in line]


def whole(experiment: Experiment) -> set[str]:
    """Return `run_id/init_time` of all forecasts that are whole in the store, each byte compared."""
    output = experiment.root / "plan.json"
    script = [
        sys.executable,
        PROJECT / "bin" / "plan.py",
        "--config",
        experiment.config_file,
        "--verify_store",
        "--quiet",
    ]
    script += ["--outdir", experiment.root / "out", "--output", output]
    subprocess.run(script, check=True, env={**os.environ, "EVALFLOW_VENV": sys.prefix}, stderr=subprocess.DEVNULL)
    plan = json.loads(output.read_text())
    return {f"{one['run_id']}/{one['init_time']}" for one in plan["forecasts"] if one["complete"]}


def journal(experiment: Experiment) -> list[list[str]]:
    file = experiment.root / "journal"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def check_journal(experiment: Experiment) -> None:
    """Two models never worked in one folder at the same time, or after each other where the first had not ended."""
    busy: dict[str, str] = {}
    for what, process, folder in journal(experiment):
        if what == "begin":
            before = busy.get(folder)
            assert before is None or not psutil.pid_exists(int(before)), f"{folder}: two models"
            busy[folder] = process
        else:
            assert busy.get(folder) == process, f"{folder}: the end of another model"
            del busy[folder]


def left_processes(experiment: Experiment) -> list[str]:
    """Return the command lines of processes that tasks have left."""
    left = []
    for process in psutil.process_iter():
        try:
            place = process.environ().get("NXF_TASK_WORKDIR", "")
            if place.startswith(str(experiment.root)) and process.status() != psutil.STATUS_ZOMBIE:
                left.append(" ".join(process.cmdline()))
        except psutil.Error:
            pass
    return left


def moments(seeds: int, tasks: int) -> list[tuple[int, float]]:
    """Return when to kill: after how many tasks and seconds; at random, and spread over the whole launch."""
    chance = random.Random(seeds)
    return [(1 + int((seed + chance.random()) / seeds * tasks), chance.random() * 1.5) for seed in range(seeds)]


def check_killed(experiment: Experiment, expected: dict[str, bytes], moment: tuple[int, float], *arguments: str) -> str:
    """Kill a launch at a moment, launch again, and check all that a user may rely on. Return when it was killed."""
    said = launch_and_kill(experiment, *moment)
    before, begun = whole(experiment), len(journal(experiment))
    result = launch(experiment, *arguments)
    assert result.status == 0, result.text
    if said:
        assert " was killed: " in result.text, result.text
    assert experiment.tree() == expected, "the results of an undisturbed launch"
    assert len(whole(experiment)) == 2 * INIT_TIMES
    again = Counter(Path(folder).name for what, _, folder in journal(experiment)[begun:] if what == "begin")
    kept = Counter(name.split("/")[-1] for name in before)
    for init_time, count in again.items():
        assert count <= 2 - kept[init_time], f"{init_time}: what was whole is made again"
    check_journal(experiment)
    assert left_processes(experiment) == []
    assert not list((experiment.root / "launch" / "work" / "launches").glob("*"))
    names = submitted(said)
    when = f"after {len(names)} tasks, the last {names[-1]}" if said else "not: it had ended"
    return f"{when}; {len(before)} of {2 * INIT_TIMES} forecasts were whole"
