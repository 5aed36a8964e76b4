"""The table of promises in CONTRIBUTING.md names tests that are there."""

import re

import pytest
from support.paths import PROJECT

TABLE = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Promises\n")[1].split("\n## ")[0]
NAMED = sorted(set(re.findall(r"`((?:tests|tools)/[^`]+)`", TABLE)))


def lacking(name: str) -> str | None:
    """Return what is lacking of a test that is named as FILE or FILE::FUNCTION, or None."""
    file, _, function = name.partition("::")
    path = PROJECT / file
    if not path.is_file():
        return f"no file {file}"
    if function and not re.search(rf"^def {function}\(", path.read_text(encoding="utf-8"), re.MULTILINE):
        return f"no function {function} in {file}"
    return None


@pytest.mark.parametrize("name", NAMED)
def test_a_promise_has_its_test(name):
    assert lacking(name) is None


def test_every_promise_has_one():
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and "**" not in line][1:]
    assert len(rows) > 40 and all("`t" in row.split(" | ")[1] for row in rows)


@pytest.mark.parametrize("name", ["tests/unit/test_none.py", "tests/unit/promises/test_promises.py::test_none"])
def test_a_test_that_is_not_there_is_found(name):
    assert lacking(name)
