"""A launch on this machine that is killed, or whose terminal is closed, and that is launched again."""

import pytest
from support import killed


@pytest.mark.parametrize("seed", sorted({*range(killed.LOCAL_SEEDS)} - {*killed.EVERY_DAY}))
def test_killed_at_a_random_moment(undisturbed, quick, seed):
    killed.check_killed(quick, undisturbed.tree(), seed, killed.LOCAL_SEEDS)


def test_its_terminal_is_closed(undisturbed, quick):
    """Nextflow ends its tasks; these are hung up with it, and must not leave the status of a success."""
    assert killed.launch_and_end(quick, killed.TASKS - 2 * killed.INIT_TIMES + 3, 4, killed.hang_up)
    assert killed.left_processes(quick) == []
    unfinished = list((quick.root / "launch" / "work").glob("*/*/unfinished/*"))
    statuses = [folder.parents[1] / ".exitcode" for folder in unfinished]
    assert unfinished and {file.read_text() for file in statuses if file.exists()} <= {"129"}
    before = killed.whole(quick)
    result = killed.launch(quick, "-resume")
    assert " ended early: 0 jobs cancelled, 0 processes ended" in result.text, result.text
    killed.check_made_good(quick, undisturbed.tree(), result, before)
