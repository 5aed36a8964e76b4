"""A launch on this machine that is killed and launched again."""

import pytest
from support import killed
from support.launches import Workspace

SEEDS = 6


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The tree of a launch that nobody disturbed."""
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
    killed.make_quick_workspace(workspace)
    result = killed.launch(workspace)
    assert result.status == 0 and result.tasks.total() == killed.TASKS, result.text
    return workspace.tree()


@pytest.mark.parametrize("moment", killed.moments(SEEDS, killed.TASKS), ids=range(SEEDS))
def test_killed_at_a_random_moment(undisturbed, tmp_path, moment, request):
    workspace = Workspace(tmp_path)
    killed.make_quick_workspace(workspace)
    resume = ["-resume"] if request.node.callspec.indices["moment"] % 2 else []
    print("killed", killed.check_killed(workspace, undisturbed, moment, *resume))


def test_its_terminal_is_closed(undisturbed, tmp_path):
    """Nextflow ends its tasks; these are hung up with it, and must not leave the status of a success."""
    workspace = Workspace(tmp_path)
    killed.make_quick_workspace(workspace)
    assert killed.launch_and_end(workspace, killed.TASKS - 2 * killed.INIT_TIMES + 2, 1.5, killed.hang_up)
    assert killed.left_processes(workspace) == []
    unfinished = list((tmp_path / "launch" / "work").glob("*/*/unfinished/*"))
    statuses = [folder.parents[1] / ".exitcode" for folder in unfinished]
    assert unfinished and {file.read_text() for file in statuses if file.exists()} <= {"129"}
    before = killed.whole(workspace)
    result = killed.launch(workspace, "-resume")
    assert " ended early: 0 jobs cancelled, 0 processes ended" in result.text, result.text
    killed.check_made_good(workspace, undisturbed, result, before)
