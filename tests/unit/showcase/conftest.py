"""A showcase with a run, forecasts made elsewhere and analyses."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import CHROMIUM, Browser
from support.showcases import Show, temperatures


@pytest.fixture
def showing(tmp_path) -> Show:
    """A run, forecasts that are 1 K warmer, and analyses that are 2 K colder than the run."""
    show = Show(tmp_path)
    show.add_run()
    show.add_forecasts({"T_2M": temperatures(1)})
    show.add_truth()
    return show


@pytest.fixture(scope="session")
def player_browser() -> Iterator[Browser]:
    """One browser for all tests of the player."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: tools/setup.sh --dev installs it where it can")
    # The browser may still write into its folder when it is gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder)) as found:
        yield found
