"""A browser to look at pages."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import CHROMIUM, Browser


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    """One browser for all tests of pages."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: tools/setup.sh --dev installs it where it can")
    # The browser may still write into its folder when it is gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder)) as found:
        yield found


@pytest.fixture
def browser(one_browser) -> Browser:
    """The browser, 1280 pixels wide, light, with an empty page."""
    one_browser.look()
    one_browser.fresh("about:blank")
    return one_browser
