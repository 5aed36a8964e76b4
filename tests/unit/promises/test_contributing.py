"""The promises that CONTRIBUTING.md lists have the tests that it names."""

import re

import pytest
from support.paths import PROJECT

NAMED = sorted(
    set(re.findall(r"`(tests/[\w./]+?(?:\.py|\.nf\.test))(?:::(\w+))?`", (PROJECT / "CONTRIBUTING.md").read_text()))
)


def test_promises_are_listed():
    assert len(NAMED) > 40


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_promise_has_its_test(file, test):
    text = (PROJECT / file).read_text()
    assert f"def {test}(" in text if test else "test" in text
