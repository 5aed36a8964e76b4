"""A launch on a Slurm that is killed and launched again, while its jobs go on."""

from itertools import pairwise

import pytest
from support import killed
from support.launches import Workspace
from support.slurm import on_slurm

SEEDS = 14


def check_jobs(cluster, workspace) -> None:
    """No job is left, and of one task there were never two at a time."""
    spans: dict = {}
    for job in cluster.jobs():
        if job.folder.is_relative_to(workspace.root):
            assert job.state not in {"PENDING", "RUNNING", "COMPLETING"}, job.record
            spans.setdefault(job.folder, []).append((job["StartTime"], job["EndTime"]))
    for folder, times in spans.items():
        times = sorted(time for time in times if time[0] != "Unknown")
        assert all(end <= start for (_, end), (start, _) in pairwise(times)), f"{folder}: {times}"


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    """The tree of a launch that nobody disturbed."""
    workspace = on_slurm(Workspace(tmp_path_factory.mktemp("undisturbed")))
    killed.make_quick_workspace(workspace)
    result = killed.launch(workspace)
    assert result.status == 0 and result.tasks.total() == killed.TASKS, result.text
    return workspace.tree()


@pytest.mark.parametrize("moment", killed.moments(SEEDS, killed.TASKS), ids=range(SEEDS))
def test_killed_at_a_random_moment(cluster, undisturbed, tmp_path, moment, request):
    workspace = on_slurm(Workspace(tmp_path))
    killed.make_quick_workspace(workspace)
    resume = ["-resume"] if request.node.callspec.indices["moment"] % 2 else []
    print("killed", killed.check_killed(workspace, undisturbed, moment, *resume))
    check_jobs(cluster, workspace)
