"""Fixtures of the tests of verification."""

import pytest
from support.verified import World, make_world


@pytest.fixture
def world(tmp_path) -> World:
    """One model against analyses: 6 init times of 3 days, 5 lead times, 12 points."""
    return make_world(tmp_path)
