"""Launches that are killed at any moment, and launched again. On this machine, and on a Slurm (tests/slurm)."""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
import yaml

from support.launches import Result, Workspace
from support.shell_model import grib

# The model writes down when it begins and ends, where, and whether another makes the same forecast at the time. Then it does
# what $EVALFLOW_TEST_MODEL says, if anything. In a launch
# that is to be killed, all but the first forecast of a run take long: their jobs are still there when the next one begins.
MODEL = r"""
name="$(sed -n 's/^name: //p' "$2")-$3"
about="$$ $1 $name ${EVALFLOW_TEST_SLEEP:-0.7}"
before=$(grep "^begin .* $name " "$EVALFLOW_TEST_JOURNAL" 2> /dev/null | tail -1 | cut -d ' ' -f 2)
[ "$before" ] && kill -0 "$before" 2> /dev/null && echo "double $about" >> "$EVALFLOW_TEST_JOURNAL"
echo "begin $about" >> "$EVALFLOW_TEST_JOURNAL"
eval "$EVALFLOW_TEST_MODEL"
case "$3" in 2024-01-01*) sleep 0.7;; *) sleep "${EVALFLOW_TEST_SLEEP:-0.7}";; esac
cp "$(sed -n 's/^lead_0: //p' "$2").$3" "$1/000.grib"
cp "$(sed -n 's/^lead_6: //p' "$2").$3" "$1/006.grib"
echo "$3" > "$1/init.txt"
echo "end $about" >> "$EVALFLOW_TEST_JOURNAL"
"""
LONG = {"local": "9", "slurm": "40"}
"""Seconds by profile: on this machine, only a few run at a time."""
LOCAL_SEEDS = 6
"""Launches on this machine are killed at so many moments: `EVERY_DAY` by `make test`, the others by `make test-faults`."""
EVERY_DAY = (0, 3, 4)
INIT_TIMES = 3
ANOTHER_DATE = "2024-01-09T00:00"
"""One that the config does not name, and that the model can make a forecast of."""
TASKS = 16
"""Of a whole launch: PLAN, 3 + 3 for two environments and an image, 2 runs, 6 forecasts."""


def make_quick_workspace(workspace: Workspace) -> None:
    """Write a workspace of two runs whose environments need no packages: all of a launch takes seconds."""
    exp = workspace.root / "exp"
    exp.mkdir(parents=True)
    dates = [f"2024-01-0{day}T00:00" for day in range(1, INIT_TIMES + 1)]
    for lead in (0, 6):
        (exp / f"lead-{lead}.grib").write_text("a name, to which the model adds the init time")
        for date in (*dates, ANOTHER_DATE):
            (exp / f"lead-{lead}.grib.{date}").write_bytes(grib(lead, re.sub(r"\D", "", date)))
    runs = []
    for name in ("one", "two"):
        (exp / f"{name}.sh").write_text(f"{MODEL}# checkpoint {name}\n")
        (exp / f"{name}.yaml").write_text(f"lead_0: lead-0.grib\nlead_6: lead-6.grib\nname: {name}\n")
        command = ["sh", "{checkpoint}", "{output}", "{config}", "{init_time}"]
        about = {"label": name, "runner": "command", "command": command, "steps": "0/6/6"}
        runs.append({"forecaster": {**about, "checkpoint": f"{name}.sh", "config": f"{name}.yaml"}})
    config = {"description": "a test", "dates": dates, "runs": runs}
    workspace.config_file.write_text(yaml.safe_dump(config, sort_keys=False))


def variables(workspace: Workspace) -> dict[str, str]:
    return {
        "EVALFLOW_TEST_JOURNAL": str(workspace.root / "journal"),
        "EVALFLOW_SCRATCH": str(workspace.root / "scratch"),
    }


def launch(workspace: Workspace, *arguments: str, model: str = ""):
    """Launch; the models do what the shell script `model` says before they write."""
    return workspace.launch(*arguments, **variables(workspace), EVALFLOW_TEST_MODEL=model)


def nextflow(process: subprocess.Popen) -> psutil.Process:
    """Return the Java process of a launch, which the command may have started."""
    started = psutil.Process(process.pid)
    for one in [started, *started.children(recursive=True)]:
        with suppress(psutil.Error):  # a task that has ended meanwhile
            if "nextflow.cli.Launcher" in one.cmdline():
                return one
    raise AssertionError(f"no Nextflow in {process.args}")


def kill(process: subprocess.Popen) -> None:
    """Kill Nextflow alone, by SIGKILL: what it has started goes on."""
    nextflow(process).kill()


def hang_up(process: subprocess.Popen) -> None:
    """Do what the kernel does when a terminal is closed: all that was started from it gets SIGHUP."""
    os.killpg(process.pid, signal.SIGHUP)


def launch_and_end(workspace: Workspace, tasks: int, seconds: float = 0, end: Callable = kill) -> str:
    """Launch, end the launch some seconds after it has begun so many tasks, and return what it said.

    Return nothing where it ended before.
    """
    folder = workspace.root / "launch"
    folder.mkdir(exist_ok=True)
    environment = workspace.environment | variables(workspace) | {"EVALFLOW_TEST_SLEEP": LONG[workspace.profile]}
    output = workspace.root / "killed.txt"
    with open(output, "w") as file:
        process = subprocess.Popen(
            workspace.command(), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    while len(submitted(output.read_text())) < tasks and process.poll() is None:
        time.sleep(0.02)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
        return ""
    end(process)
    process.wait()
    return output.read_text()


def submitted(text: str) -> list[str]:
    """Return the processes of the tasks that a launch says it has begun."""
    return [line.split("> ")[1].split(" (")[0] for line in text.splitlines() if "Submitted process > " in line]


def whole(workspace: Workspace) -> set[str]:
    """Return `run_id/init_time` of all forecasts that are whole in the store, each byte compared."""
    plan = workspace.plan("--verify_store")
    return {f"{one['run_id']}/{one['init_time']}" for one in plan["forecasts"] if one["complete"]}


def journal(workspace: Workspace) -> list[list[str]]:
    file = workspace.root / "journal"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def begun(workspace: Workspace) -> int:
    """Return how many forecasts the models have begun."""
    return sum(line[0] == "begin" for line in journal(workspace))


def check_journal(workspace: Workspace) -> None:
    """Two models never worked in one folder, nor on the same forecast, at the same time."""
    busy: dict[str, str] = {}
    for what, process, folder, name, _ in journal(workspace):
        assert what != "double", f"{name} was made twice at the same time, in {folder} and elsewhere"
        if what == "begin":
            busy[folder] = process
        else:
            assert busy.pop(folder, None) == process, f"{folder}: the end of another model"


def left_processes(workspace: Workspace) -> list[str]:
    """Return the command lines of processes that tasks have left."""
    left = []
    for process in psutil.process_iter():
        try:
            place = process.environ().get("NXF_TASK_WORKDIR", "")
            if place.startswith(str(workspace.root)) and process.status() != psutil.STATUS_ZOMBIE:
                left.append(" ".join(process.cmdline()))
        except psutil.Error:
            pass
    return left


def moments(seeds: int, tasks: int) -> list[tuple[int, float]]:
    """Return when to kill: after how many tasks and seconds; at random, and spread over the whole launch."""
    chance = random.Random(seeds)
    counts = [1 + int((seed + chance.random()) / seeds * tasks) for seed in range(seeds)]
    # All forecasts begin at once, and are made and published in the seconds after that.
    return [(count, chance.random() * (1.5 if count <= TASKS - 2 * INIT_TIMES else 6)) for count in counts]


def check_killed(workspace: Workspace, expected: dict[str, bytes], seed: int, seeds: int) -> None:
    """Kill a launch at one of several moments, launch again, and check all that a user may rely on.

    Every other launch after it is one with -resume.
    """
    said = launch_and_end(workspace, *moments(seeds, TASKS)[seed])
    before = whole(workspace)
    result = launch(workspace, *(["-resume"] if seed % 2 else []))
    if said:
        assert " ended early: " in result.text, result.text
    check_made_good(workspace, expected, result, before)
    names = submitted(said)
    when = f"after {len(names)} tasks, the last {names[-1]}" if said else "not: it had ended"
    print(f"killed {when}; {len(before)} of {2 * INIT_TIMES} forecasts were whole")


def check_made_good(workspace: Workspace, expected: dict[str, bytes], result: Result, before: set[str]) -> None:
    """Check a launch after one that was ended: all is there, and what was whole `before` it was not made again."""
    assert result.status == 0, result.text
    assert workspace.tree() == expected, "the results of an undisturbed launch"
    assert len(whole(workspace)) == 2 * INIT_TIMES
    failed = [row for row in workspace.trace() if row["status"] != "COMPLETED" and row["status"] != "CACHED"]
    assert failed == [], "an exit code was believed that was not this launch's"
    again = [line for line in journal(workspace) if line[0] == "begin" and line[4] != LONG[workspace.profile]]
    made = Counter(name for _, _, _, name, _ in again)
    # Less where an orphan has published one before it was ended.
    assert made.total() <= 2 * INIT_TIMES - len(before) and set(made.values()) <= {1}, "what was whole is made again"
    check_journal(workspace)
    assert left_processes(workspace) == []
    assert not list((workspace.root / "launch" / "work" / "launches").glob("*.json"))
