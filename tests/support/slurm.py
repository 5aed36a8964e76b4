"""Launches on a real Slurm: see cluster.py for how it is started."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.cluster import Cluster, Job
from support.launches import COMMAND, Workspace
from support.paths import PROJECT

FAST = PROJECT / "tests" / "slurm" / "fast.config"
DEMO_CONFIG = PROJECT / "config" / "demo.yaml"


class SlurmWorkspace(Workspace):
    """A workspace that is launched on the cluster."""

    def jobs(self, cluster: Cluster, process: str = "") -> list[Job]:
        """Return the jobs of the last launch, or those of one process."""
        ids = {row["native_id"] for row in self.trace() if process in row["process"]}
        work = self.root / "launch" / "work"  # a process number in the trace may be a job's as well
        return [job for job in cluster.jobs() if str(job.id) in ids and job.folder.is_relative_to(work)]


def on_slurm(workspace: Workspace) -> SlurmWorkspace:
    return SlurmWorkspace(workspace.root, profile="slurm", options=("-c", str(FAST)))


def make_by_hand(built: SlurmWorkspace, folder: Path, init_time: str) -> dict[str, bytes]:
    """Return file name → content of a forecast of the workspace's, made without evalflow in `folder`."""
    (image,) = built.store.glob("images/*.squashfs")
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(f"analyses: {built.root / 'exp' / 'analyses.grib'}\n")
    command = [sys.executable, PROJECT / "bin" / "run_in_image.py", image, "--", "python"]
    command += [built.root / "exp" / "models" / "one.py", folder / "config.yaml", folder, init_time, "0", "6", "6"]
    subprocess.run(command, check=True, env={**os.environ, "EVALFLOW_VENV": sys.prefix})
    return {path.name: path.read_bytes() for path in folder.glob("*.grib")}


def shell_first(script: str) -> list[str]:
    """Return the model's command with a shell script before it, whose output goes to the forecast's log."""
    return ["sh", "-c", f'{script}\nexec "$@"', "sh", *COMMAND.split()]


@contextmanager
def sampled(cluster: Cluster, seconds: float = 0.3) -> Iterator[list[dict[str, int]]]:
    """Watch squeue meanwhile: a list of samples, each job id → GPUs of the jobs that ran then."""
    samples: list[dict[str, int]] = []
    done = threading.Event()

    def watch():
        while not done.wait(seconds):
            lines = cluster.run("squeue", "-h", "-t", "running", "-o", "%i %b").splitlines()
            pairs = [line.split() for line in lines]
            samples.append({job: int(gres.rsplit(":", 1)[1]) if "gpu" in gres else 0 for job, gres in pairs})

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
