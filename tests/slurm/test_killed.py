"""A launch on a Slurm that is killed and launched again, while its jobs go on."""

import pytest
from support import killed
from support.launches import Experiment
from support.slurm import on_slurm

SEEDS = 14


def check_jobs(cluster, experiment) -> None:
    """No job is left, and of one task there were never two at a time."""
    spans: dict = {}
    for job in cluster.jobs():
        if job.folder.is_relative_to(experiment.root):
            assert job.state not in {"PENDING", "RUNNING", "COMPLETING"}, job.record
            spans.setdefault(job.folder, []).append((job["StartTime"], job["EndTime"]))
    for folder, times in spans.items():
        times = sorted(time for time in times if time[0] != "Unknown")
        assert all(end <= start for (_, end), (start, _) in zip(times, times[1:], strict=False)), f"{folder}: {times}"


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    """The tree of a launch that nobody disturbed."""
    experiment = on_slurm(Experiment(tmp_path_factory.mktemp("undisturbed")))
    killed.make_quick_experiment(experiment)
    result = killed.launch(experiment)
    assert result.status == 0 and result.tasks.total() == killed.TASKS, result.text
    return experiment.tree()


@pytest.mark.parametrize("moment", killed.moments(SEEDS, killed.TASKS), ids=range(SEEDS))
def test_killed_at_a_random_moment(cluster, undisturbed, tmp_path, moment, request):
    experiment = on_slurm(Experiment(tmp_path))
    killed.make_quick_experiment(experiment)
    resume = ["-resume"] if request.node.callspec.indices["moment"] % 2 else []
    print("killed", killed.check_killed(experiment, undisturbed, moment, *resume))
    check_jobs(cluster, experiment)
