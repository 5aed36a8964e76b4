"""A launch on this machine that is killed and launched again."""

import pytest
from support import killed
from support.launches import Experiment

SEEDS = 6


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The tree of a launch that nobody disturbed."""
    experiment = Experiment(tmp_path_factory.mktemp("undisturbed"))
    killed.make_quick_experiment(experiment)
    result = killed.launch(experiment)
    assert result.status == 0 and result.tasks.total() == killed.TASKS, result.text
    return experiment.tree()


@pytest.mark.parametrize("moment", killed.moments(SEEDS, killed.TASKS), ids=range(SEEDS))
def test_killed_at_a_random_moment(undisturbed, tmp_path, moment, request):
    experiment = Experiment(tmp_path)
    killed.make_quick_experiment(experiment)
    resume = ["-resume"] if request.node.callspec.indices["moment"] % 2 else []
    print("killed", killed.check_killed(experiment, undisturbed, moment, *resume))


def test_its_terminal_is_closed(undisturbed, tmp_path):
    """Nextflow ends its tasks; these are hung up with it, and must not leave the status of a success."""
    experiment = Experiment(tmp_path)
    killed.make_quick_experiment(experiment)
    assert killed.launch_and_end(experiment, killed.TASKS - 2 * killed.INIT_TIMES + 2, 1.5, killed.hang_up)
    assert killed.left_processes(experiment) == []
    unfinished = list((tmp_path / "launch" / "work").glob("*/*/unfinished/*"))
    statuses = [folder.parents[1] / ".exitcode" for folder in unfinished]
    assert unfinished and {file.read_text() for file in statuses if file.exists()} <= {"129"}
    before = killed.whole(experiment)
    result = killed.launch(experiment, "-resume")
    assert " ended early: 0 jobs cancelled, 0 processes ended" in result.text, result.text
    killed.check_made_good(experiment, undisturbed, result, before)
