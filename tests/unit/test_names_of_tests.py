"""Fixtures and classes of the tests have names of their own: of two with one name, a reader takes one for the other."""

import ast
from collections import defaultdict

from support.paths import PROJECT


def names_of(source: str) -> list[str]:
    """Return the names of the fixtures and classes in a file of tests."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            names.append(f"class {node.name}")
        if isinstance(node, ast.FunctionDef) and any(
            "pytest.fixture" in ast.unparse(one) for one in node.decorator_list
        ):
            names.append(f"fixture {node.name}")
    return names


def test_no_two_fixtures_or_classes_have_one_name():
    places = defaultdict(list)
    for path in sorted((PROJECT / "tests").rglob("*.py")):
        for name in names_of(path.read_text(encoding="utf-8")):
            places[name].append(str(path.relative_to(PROJECT)))
    assert len(places) > 100
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_fixtures_and_classes_are_found():
    source = "@pytest.fixture(scope='module')\ndef a(): ...\n@pytest.fixture\ndef b(): ...\nclass C:\n def d(self): ..."
    assert sorted(names_of(source)) == ["class C", "fixture a", "fixture b"]
