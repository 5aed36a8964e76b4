"""A showcase with a run, forecasts made elsewhere and analyses."""

import pytest
from support.showcases import Show, temperatures


@pytest.fixture
def showing(tmp_path) -> Show:
    """A run, forecasts that are 1 K warmer, and analyses that are 2 K colder than the run."""
    show = Show(tmp_path)
    show.add_run()
    show.add_forecasts({"T_2M": temperatures(1)})
    show.add_truth()
    return show
