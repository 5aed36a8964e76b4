"""A launch on a Slurm that is killed and launched again, while its jobs go on."""

from itertools import pairwise

import pytest
from support import killed
from support.launches import Workspace
from support.slurm import SlurmWorkspace, on_slurm

SEEDS = 14


def check_jobs(cluster, slurm_workspace) -> None:
    """No job is left, and of one task there were never two at a time."""
    spans: dict = {}
    for job in cluster.jobs():
        if job.folder.is_relative_to(slurm_workspace.root):
            assert job.state not in {"PENDING", "RUNNING", "COMPLETING"}, job.record
            spans.setdefault(job.folder, []).append((job["StartTime"], job["EndTime"]))
    for folder, times in spans.items():
        times = sorted(time for time in times if time[0] != "Unknown")
        assert all(end <= start for (_, end), (start, _) in pairwise(times)), f"{folder}: {times}"


@pytest.fixture(scope="module")
def undisturbed_on_slurm(cluster, tmp_path_factory) -> SlurmWorkspace:
    """A quick workspace after a launch that nobody disturbed. Do not change it."""
    slurm_workspace = on_slurm(Workspace(tmp_path_factory.mktemp("undisturbed")))
    killed.make_quick_workspace(slurm_workspace)
    result = killed.launch(slurm_workspace)
    assert result.status == 0 and result.tasks.total() == killed.TASKS, result.text
    return slurm_workspace


@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_a_random_moment(cluster, undisturbed_on_slurm, quick, seed):
    slurm_workspace = on_slurm(quick)
    killed.check_killed(slurm_workspace, undisturbed_on_slurm.tree(), seed, SEEDS)
    check_jobs(cluster, slurm_workspace)
