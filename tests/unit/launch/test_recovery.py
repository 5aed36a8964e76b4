"""What a launch that was killed has left is seen to, and nothing else is touched. Real processes; a Slurm of shell scripts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from evalflow.errors import UserError
from evalflow.launch import recovery
from evalflow.launch.recovery import LAUNCHES, alone, recover
from support.environments import is_running, make_tool
from support.paths import BIN

LONG_AGO = 1_000_000_000


@pytest.fixture
def work(tmp_path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def write_launch(work: Path, name: str = "killed", **changes) -> Path:
    """Write the file of a launch; by default of one on this host that ended long ago."""
    about = {
        "session": name,
        "host": socket.gethostname(),
        "pid": 1,
        "started": LONG_AGO,
        "job": None,
        "began": LONG_AGO,
    }
    file = work / LAUNCHES / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(about | changes))
    return file


def alive() -> dict:
    """Return what the file of a launch that still runs says: our own process."""
    process = psutil.Process()
    return {"pid": process.pid, "started": process.create_time()}


def make_task(work: Path, name: str = "ab/cdef", slurm: bool = False, age: float = 0) -> Path:
    folder = work / name
    folder.mkdir(parents=True)
    header = "#!/bin/bash\n#SBATCH -J nf\n" if slurm else "#!/bin/bash\n"
    for file, text in (
        (".command.run", header),
        (".exitcode", "0"),
        (".command.begin", ""),
        ("result.grib", "GRIB"),
        (".command.job", "7"),
    ):
        (folder / file).write_text(text)
    os.utime(folder / ".command.run", (time.time() - age, time.time() - age))
    return folder


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A Slurm whose jobs are the lines of a file: number and folder. scancel takes them out and writes down which."""
    jobs, cancelled = tmp_path / "jobs", tmp_path / "cancelled"
    jobs.write_text("")
    tools = tmp_path / "tools"
    # %A: of a task of a job array, the number that SLURM_JOB_ID has in it. (%i has another.)
    asked = f"--user={os.getuid()} --format=%A %Z"
    make_tool(tools, "squeue", f'[ "$2 $3" = "{asked}" ] || exit 3; cat "{jobs}"')
    script = f'for id in "$@"; do echo "$id" >> "{cancelled}"; sed -i "/^$id /d" "{jobs}"; done'
    monkeypatch.setenv("PATH", make_tool(tools, "scancel", script)["PATH"])
    return jobs, cancelled


def test_nothing_is_done_where_no_launch_was_killed(work, slurm):
    folder = make_task(work, slurm=True)
    slurm[0].write_text(f"7 {folder}\n")
    assert recover(work) == []
    file = write_launch(work, **alive())
    assert recover(work) == []
    assert file.exists() and (folder / ".exitcode").exists() and not slurm[1].exists()


def test_jobs_of_a_killed_launch_are_cancelled_and_no_others(work, slurm, tmp_path):
    folder = make_task(work, slurm=True)
    (tmp_path / "link").symlink_to(work)
    slurm[0].write_text(f"7 {folder}\n8 {work}-2/ab/cdef\n9 {tmp_path}\n10 {tmp_path}/link/ab/cdef\n")
    file = write_launch(work)
    (line,) = recover(work)
    assert "2 jobs cancelled, 0 processes ended, 1 task folders cleared" in line
    assert slurm[1].read_text().split() == ["7", "10"]
    assert not file.exists()
    assert recover(work) == []


def test_a_launch_that_was_submitted_from_the_work_folder_does_not_cancel_itself(work, slurm, monkeypatch):
    folder = make_task(work, slurm=True)
    slurm[0].write_text(f"7 {folder}\n8 {work}\n")
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    write_launch(work)
    assert "1 jobs cancelled" in recover(work)[0]
    assert slurm[0].read_text() == f"8 {work}\n"


def test_a_clock_that_is_corrected_makes_no_launch_dead(work):
    about = alive()
    file = write_launch(work, **about | {"started": about["started"] + 1.5})
    assert recover(work) == [] and file.exists()


def test_two_launches_do_not_recover_at_the_same_time(work):
    """The second waits for the first, and finds that it runs."""
    with alone(work):
        words = [sys.executable, BIN / "recover.py", "--work_dir", work, "--session", "second"]
        process = subprocess.Popen(words, env={**os.environ, "EVALFLOW_VENV": sys.prefix})
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        assert not (work / LAUNCHES / "second.json").exists()
    assert process.wait(timeout=20) == 0
    assert (work / LAUNCHES / "second.json").exists()


def test_what_makes_nextflow_believe_a_folder_is_removed_and_nothing_else(work):
    used, former = make_task(work), make_task(work, "12/3456", age=5000)
    write_launch(work, began=time.time() - 1000)
    recover(work)
    assert sorted(path.name for path in used.iterdir()) == [".command.run", "result.grib"]
    assert (former / ".exitcode").exists(), "of a launch before that one, which ended well"


def test_a_launch_without_jobs_needs_no_slurm(work, monkeypatch, tmp_path):
    make_task(work)
    monkeypatch.setenv("PATH", make_tool(tmp_path / "tools", "squeue", "echo no cluster >&2; exit 1")["PATH"])
    write_launch(work)
    assert len(recover(work)) == 1


@pytest.mark.parametrize("there", [True, False])
def test_a_slurm_that_does_not_answer_stops_the_launch(work, monkeypatch, tmp_path, there):
    """Its jobs may still run: neither their folders nor the launch's file may go."""
    folder = make_task(work, slurm=True)
    tools = make_tool(tmp_path / "tools", "squeue", "echo Unable to contact slurm controller >&2; exit 1")["PATH"]
    monkeypatch.setenv("PATH", tools if there else str(tmp_path))
    file = write_launch(work)
    with pytest.raises(
        UserError, match=r"^squeue: (Unable to contact slurm controller|not found); a former launch ended early"
    ):
        recover(work)
    assert file.exists() and (folder / ".exitcode").exists()


def test_jobs_that_do_not_end_stop_the_launch(work, slurm, monkeypatch, tmp_path):
    monkeypatch.setattr(recovery, "_JOB_SECONDS", 1)
    folder = make_task(work, slurm=True)
    slurm[0].write_text(f"7 {folder}\n")
    make_tool(tmp_path / "tools", "scancel", "exit 0")
    file = write_launch(work)
    with pytest.raises(UserError, match="do not end: 7; try again later"):
        recover(work)
    assert file.exists() and (folder / ".exitcode").exists()


@pytest.fixture
def processes(work, tmp_path):
    """A task as Nextflow starts it, and processes that only look like one. All are ended with the test."""
    folder, outside = make_task(work), tmp_path / "outside"
    outside.mkdir()
    (folder / ".command.run").write_text("trap '' TERM\ncd /tmp\nfor i in $(seq 600); do sleep 0.1; done\n")
    (outside / ".command.run").write_text("sleep 60; true\n")
    (tmp_path / "work-2").mkdir()

    def begin(*words: str, cwd: Path = folder, **variables: str) -> subprocess.Popen:
        with open(cwd / ".command.log", "w") as log:
            return subprocess.Popen(
                words, cwd=cwd, env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
            )

    started = {
        "wrapper": begin("bash", ".command.run"),
        "script": begin("sleep", "60", cwd=tmp_path, NXF_TASK_WORKDIR=str(folder)),
        "shell of a user who looks around": begin("sleep", "60"),
        "task elsewhere": begin("bash", ".command.run", cwd=outside),
        "script elsewhere": begin("sleep", "60", NXF_TASK_WORKDIR=str(tmp_path / "work-2" / "ab")),
    }
    time.sleep(0.2)
    yield started
    for process in started.values():
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def test_processes_of_tasks_are_ended_and_no_others(work, processes, monkeypatch):
    """Even those that do not listen to SIGTERM, or that work on node-local scratch."""
    monkeypatch.setattr(recovery, "_PROCESS_SECONDS", 1)
    write_launch(work)
    (line,) = recover(work)
    ended = {name for name, process in processes.items() if not is_running(process.pid)}
    assert ended == {"wrapper", "script"}, line


def test_a_number_that_another_process_has_now_is_no_launch(work):
    file = write_launch(work, pid=os.getpid(), started=LONG_AGO)
    assert len(recover(work)) == 1 and not file.exists()


def test_a_launch_on_another_host_stops_ours_until_somebody_says_that_it_is_dead(work):
    file = write_launch(work, host="login2")
    with pytest.raises(UserError, match=r"used by the launch of .* on login2 .*: bin/recover.py --dead --work_dir "):
        recover(work)
    assert file.exists()
    assert len(recover(work, dead=True)) == 1 and not file.exists()


def test_a_launch_in_a_job_on_another_host_lives_as_long_as_the_job(work, slurm):
    file = write_launch(work, host="node7", job="55")
    slurm[0].write_text("55 /home\n")
    assert recover(work) == [] and file.exists()
    slurm[0].write_text("56 /home\n")
    assert len(recover(work)) == 1 and not file.exists()


def test_beside_a_launch_that_runs_nothing_can_be_told_apart(work, slurm):
    folder = make_task(work, slurm=True)
    slurm[0].write_text(f"7 {folder}\n")
    write_launch(work)
    write_launch(work, "other", **alive())
    with pytest.raises(UserError, match=r"a launch ended early here, and that of .* still runs"):
        recover(work)
    assert not slurm[1].exists() and (folder / ".exitcode").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"session": 1}', "\x00"])
def test_a_file_that_is_no_launch_is_passed_over(work, text):
    write_launch(work).write_text(text)
    assert recover(work) == []


def test_the_script_registers_who_calls_it(work):
    """And a launch after it, once that is gone, finds it dead."""
    script = [sys.executable, BIN / "recover.py", "--work_dir", work, "--session", "abc"]
    caller = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", caller, *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "EVALFLOW_VENV": sys.prefix},
    )  # fmt: skip
    process.stdout.readline()
    file = work / LAUNCHES / "abc.json"
    about = json.loads(file.read_text())
    assert (about["session"], about["pid"], about["host"]) == ("abc", process.pid, socket.gethostname())
    assert recover(work) == []
    process.kill()
    process.wait()
    assert not is_running(process.pid)
    (line,) = recover(work)
    assert f"(process {process.pid}) ended early" in line
    process.stdin.close()
    process.stdout.close()
