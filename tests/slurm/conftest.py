"""Launches on a real Slurm: see cluster.py for how it is started."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.conftest import COMMAND, PROJECT, Experiment, copy_experiment, make_experiment

from .cluster import Cluster, Job, why_not

FAST = Path(__file__).with_name("fast.config")
DEMO = PROJECT / "config" / "demo.yaml"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Slurm for all tests; the client's variables are set for as long as it is there."""
    reason = why_not()
    if reason:
        pytest.skip(f"no Slurm can be started: {reason}")
    root = Path(tempfile.mkdtemp(prefix="evalflow-slurm-", dir="/tmp"))  # a socket's path must be short
    slurm = Cluster(root)
    before = {name: os.environ.get(name) for name in slurm.variables}
    try:
        slurm.start()
        os.environ.update(slurm.variables)
        yield slurm
    finally:
        slurm.stop()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(root, ignore_errors=True)


class Launched(Experiment):
    """An experiment that is launched on the cluster."""

    def jobs(self, cluster: Cluster, process: str = "") -> list[Job]:
        """Return the jobs of the last launch, or those of one process."""
        ids = {row["native_id"] for row in self.trace() if process in row["process"]}
        work = self.root / "launch" / "work"  # a process number in the trace may be a job's as well
        return [job for job in cluster.jobs() if str(job.id) in ids and job.folder.is_relative_to(work)]


def on_slurm(experiment: Experiment) -> Launched:
    return Launched(experiment.root, profile="slurm", options=("-c", str(FAST)))


@pytest.fixture(scope="session")
def demo(cluster, tmp_path_factory):
    """The demo, launched on the cluster: its environment is built in a job."""
    experiment = on_slurm(Experiment(tmp_path_factory.mktemp("demo")))
    result = experiment.launch(config=DEMO)
    assert result.status == 0, result.text
    return experiment, result


@pytest.fixture(scope="session")
def built(cluster, demo, tmp_path_factory) -> Launched:
    """An experiment of two runs whose environments are there. Do not change it: take `experiment`, a copy."""
    experiment = on_slurm(make_experiment(tmp_path_factory.mktemp("built")))
    shutil.copytree(demo[0].store / "images", experiment.store / "images", copy_function=os.link)
    result = experiment.launch("--target", "environments")
    assert result.status == 0, result.text
    assert result.ran("BUILD_IMAGE") == 0, "the same packages as the demo's: the same image"
    return experiment


@pytest.fixture
def experiment(built, tmp_path) -> Launched:
    """An experiment of two runs with two init times each, of which no forecast is there."""
    return on_slurm(copy_experiment(built, tmp_path))


def make_by_hand(built: Launched, folder: Path, init_time: str) -> dict[str, bytes]:
    """Return file name → content of a forecast of the experiment's, made without evalflow in `folder`."""
    (image,) = built.store.glob("images/*.squashfs")
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(f"analyses: {built.root / 'exp' / 'analyses.grib'}\n")
    command = [sys.executable, PROJECT / "bin" / "run_in_image.py", image, "--", "python"]
    command += [built.root / "exp" / "models" / "one.py", folder / "config.yaml", folder, init_time, "0", "6", "6"]
    subprocess.run(command, check=True, env={**os.environ, "EVALFLOW_VENV": sys.prefix})
    return {path.name: path.read_bytes() for path in folder.glob("*.grib")}


@pytest.fixture(scope="session")
def expected(built, tmp_path_factory) -> dict[str, bytes]:
    """File name → content of a forecast from 1996-01-15T00:00, made by hand."""
    return make_by_hand(built, tmp_path_factory.mktemp("expected"), "1996-01-15T00:00")


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
