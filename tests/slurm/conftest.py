"""Launches on a real Slurm: see tests/support/cluster.py for how it is started."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster import Cluster, why_not
from support.launches import Workspace, copy_workspace, make_workspace
from support.slurm import DEMO_CONFIG, SlurmWorkspace, make_by_hand, on_slurm


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


@pytest.fixture(scope="session")
def demo(cluster, tmp_path_factory):
    """The demo, launched on the cluster: its environment is built in a job."""
    slurm_workspace = on_slurm(Workspace(tmp_path_factory.mktemp("demo")))
    result = slurm_workspace.launch("--target", "experiment", config=DEMO_CONFIG)
    assert result.status == 0, result.text
    return slurm_workspace, result


@pytest.fixture(scope="session")
def built(cluster, demo, tmp_path_factory) -> SlurmWorkspace:
    """A workspace of two runs whose environments are there. Do not change it: take `workspace`, a copy."""
    slurm_workspace = on_slurm(make_workspace(tmp_path_factory.mktemp("built")))
    shutil.copytree(demo[0].store / "images", slurm_workspace.store / "images", copy_function=os.link)
    result = slurm_workspace.launch("--target", "environments")
    assert result.status == 0, result.text
    assert result.ran("BUILD_IMAGE") == 0, "the same packages as the demo's: the same image"
    return slurm_workspace


@pytest.fixture
def slurm_workspace(built, tmp_path) -> SlurmWorkspace:
    """A workspace of two runs with two init times each, of which no forecast is there."""
    return on_slurm(copy_workspace(built, tmp_path))


@pytest.fixture(scope="session")
def expected(built, tmp_path_factory) -> dict[str, bytes]:
    """File name → content of a forecast from 1996-01-15T00:00, made by hand."""
    return make_by_hand(built, tmp_path_factory.mktemp("expected"), "1996-01-15T00:00")
