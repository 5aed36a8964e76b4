"""A launch on this machine that is killed and launched again, at some moments; tests/faults has more."""

import pytest
from support import killed


@pytest.mark.parametrize("seed", killed.EVERY_DAY)
def test_killed_at_a_random_moment(undisturbed, quick, seed):
    killed.check_killed(quick, undisturbed.tree(), seed, killed.LOCAL_SEEDS)
