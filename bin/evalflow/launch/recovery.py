"""What a launch that ended early has left: running jobs and processes, and exit codes.

Every launch writes who it is to `{work}/launches/{session}.json`, and removes this file when it and
all its tasks have ended. The folder `{work}/launches/{session}/` is for what its tasks tell each
other (`inference.giving_up`), and goes with it. The file stays after SIGKILL and when the host goes
down. It also stays after any other signal, because Nextflow then cancels jobs once, last of all,
and does not check whether they end. Nextflow itself does not notice: with `-resume` it gives unfinished tasks the
folders that they had, in which jobs of the former launch may still write, and believes the exit
codes in them.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import psutil

from evalflow.errors import UserError
from evalflow.host import remove
from evalflow.store.files import read_json, to_json, write_over

LAUNCHES = "launches"
_WORK_FOLDER = "NXF_TASK_WORKDIR"
"""Variable by which Nextflow tells a task its folder."""
_WRAPPER = ".command.run"
_EVIDENCE = (".exitcode", ".command.begin", ".command.job")
"""Files by which Nextflow sees that a task has begun or ended, and one job sees another."""
_JOB_SECONDS = 180
_PROCESS_SECONDS = 15
_CLOCK_SECONDS = 60
"""How far the start of a process may seem to move.

It counts from the start of the host, which clocks correct.
"""


@dataclass(frozen=True)
class Launch:
    """A launch that uses a work folder.

    Attributes
    ----------
    session : Nextflow's session
    host, pid, started : its process, and when that was started (seconds since 1970)
    job : the Slurm job that it runs in, or None
    began : when it began to use the work folder (seconds since 1970)
    """

    session: str
    host: str
    pid: int
    started: float
    job: str | None
    began: float

    def runs(self) -> bool | None:
        """Return whether it still runs, or None where that cannot be seen from this host."""
        if self.host == socket.gethostname():
            try:
                return abs(psutil.Process(self.pid).create_time() - self.started) < _CLOCK_SECONDS
            except psutil.NoSuchProcess:
                return False
        if self.job and shutil.which("squeue"):
            return any(job == self.job for job, _ in _jobs())
        return None

    def __str__(self) -> str:
        return f"{datetime.fromtimestamp(self.began):%Y-%m-%d %H:%M} on {self.host} (process {self.pid})"


def _read_launch(file: Path) -> Launch | None:
    data = read_json(file)
    try:
        return Launch(**data) if data else None
    except TypeError:
        return None


def register(work: Path, session: str, pid: int) -> None:
    """Write down that a launch uses a work folder; `pid` is its process on this host.

    With -resume, a former launch had the same session: what its tasks told each other is forgotten.
    """
    remove(work / LAUNCHES / session)
    started = psutil.Process(pid).create_time()
    launch = Launch(session, socket.gethostname(), pid, started, os.environ.get("SLURM_JOB_ID"), time.time())
    write_over(work / LAUNCHES / f"{session}.json", to_json(asdict(launch)))


def _slurm(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        why = " ".join(done.stderr.split()) or f"status {done.returncode}"
    except FileNotFoundError:
        done, why = None, "not found"
    if done is None or done.returncode != 0:
        raise UserError(
            f"{words[0]}: {why}; a former launch ended early, and its jobs cannot be cancelled now; try again later"
        )
    return done.stdout


def _jobs() -> list[tuple[str, Path]]:
    """Return number and working folder of the user's jobs.

    The tasks of array jobs have numbers of their own, as the jobs themselves see them.
    """
    lines = _slurm("squeue", "--noheader", f"--user={os.getuid()}", "--format=%A %Z").splitlines()
    pairs = (line.strip().partition(" ") for line in lines)
    return [(number, Path(os.path.realpath(folder))) for number, _, folder in pairs]


def _orphaned_jobs(work: Path) -> list[str]:
    ours = os.environ.get("SLURM_JOB_ID")  # of a launch that was submitted from there
    return [number for number, folder in _jobs() if folder.is_relative_to(work) and number != ours]


def _cancel_jobs(work: Path) -> int:
    """Cancel all jobs that work below a folder, wait for their end, and return their number."""
    jobs = _orphaned_jobs(work)
    if jobs:
        _slurm("scancel", *jobs)
    deadline = time.monotonic() + _JOB_SECONDS
    while left := _orphaned_jobs(work):
        if time.monotonic() > deadline:
            raise UserError(f"{work}: jobs of a launch that ended early do not end: {', '.join(left)}; try again later")
        time.sleep(1)
    return len(jobs)


def _is_task(process: psutil.Process, work: Path) -> bool:
    """Return whether a process belongs to a task with a folder below `work`."""
    try:
        if any(word.endswith(_WRAPPER) for word in process.cmdline()):
            # With `scratch`, the wrapper works elsewhere; its log is in the task's folder.
            places = [process.cwd(), *(file.path for file in process.open_files())]
            return any(Path(place).is_relative_to(work) for place in places)
        return Path(os.path.realpath(process.environ().get(_WORK_FOLDER, "/"))).is_relative_to(work)
    except psutil.Error:  # ended meanwhile, or somebody else's
        return False


def _end_processes(work: Path) -> int:
    """End all processes of tasks below a folder. Return how many there were."""
    processes = [process for process in psutil.process_iter() if _is_task(process, work)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, left = psutil.wait_procs(processes, timeout=_PROCESS_SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=_PROCESS_SECONDS)
    return len(processes)


def _used_folders(work: Path, since: float) -> tuple[list[Path], bool]:
    """Return the task folders used since a time, and whether some tasks were Slurm jobs."""
    used, slurm = [], False
    for folder in work.glob("[0-9a-f][0-9a-f]/*"):
        try:
            if (folder / _WRAPPER).stat().st_mtime >= since:
                used.append(folder)
                slurm = slurm or b"\n#SBATCH " in (folder / _WRAPPER).read_bytes()
        except FileNotFoundError:
            pass
    return used, slurm


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Let no two launches `recover` and `register` at the same time.

    One would take the other's jobs for those of a dead launch.
    """
    (work / LAUNCHES).mkdir(parents=True, exist_ok=True)
    with open(work / LAUNCHES / ".lock", "w") as lock:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def recover(work: Path, dead: bool = False) -> list[str]:
    """End what launches that ended early have left below a work folder.

    This cancels their jobs, ends their processes, and removes the exit codes in their task folders,
    and nothing else. What they had finished is in the store.

    Parameters
    ----------
    work : Nextflow's work folder
    dead : take launches for dead if this host cannot tell whether they are

    Returns
    -------
    What was done, a line for each launch that ended early.

    Raises
    ------
    UserError
        Where it cannot be told whether a launch is dead, where another launch still uses the
        folder, or where jobs cannot be ended.
    """
    work = Path(os.path.realpath(work))
    launches = {file: launch for file in (work / LAUNCHES).glob("*.json") if (launch := _read_launch(file))}
    states = {file: launch.runs() for file, launch in launches.items()}
    unknown = [launches[file] for file, runs in states.items() if runs is None and not dead]
    if unknown:
        raise UserError(
            f"{work}: used by the launch of {unknown[0]}; this host cannot tell whether that launch still runs; end it, "
            f"or, if it is dead: bin/recover.py --dead --work_dir {work}"
        )
    early = [file for file, runs in states.items() if not runs]
    if not early:
        return []
    alive = [launches[file] for file, runs in states.items() if runs]
    if alive:
        raise UserError(
            f"{work}: a launch ended early here, and that of {alive[0]} still runs: their jobs cannot be told apart; wait "
            "for its end, or use another work folder (-w)"
        )
    folders, slurm = _used_folders(work, min(launches[file].began for file in early))
    jobs = _cancel_jobs(work) if slurm else 0
    processes = _end_processes(work)
    for folder in folders:
        for name in _EVIDENCE:
            (folder / name).unlink(missing_ok=True)
    for file in early:
        remove(file.with_suffix(""))
        file.unlink(missing_ok=True)
    counts = f"{jobs} jobs cancelled, {processes} processes ended, {len(folders)} task folders cleared"
    return [f"the launch of {launches[file]} ended early: {counts}" for file in early]
