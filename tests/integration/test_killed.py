"""A launch on this machine that is killed and launched again."""

import pytest

from . import killed
from .conftest import Experiment

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
