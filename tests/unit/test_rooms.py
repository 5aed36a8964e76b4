"""The rooms of the package stand on floors: a module imports from lower floors, and circles do not exist.

The check reads syntax trees and imports nothing, so `make lint` runs it too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import BIN

SHARED = ["errors", "texts", "digests", "yamlio", "lookup", "requirements", "processes", "host", "documents"]
STAGES = ["environment", "inference", "sandbox", "verification", "report", "showcase"]
FLOORS = [
    [*SHARED, "cli"],
    ["store", "config", "checkpoints", "runners", "fields", "scores", "drawing"],
    ["identity", "sources"],
    STAGES,
    ["plan", "launch"],
]
"""From the ground up. A room imports from its own floor and from those below; a stage imports no other stage."""
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
EXCEPTIONS = {("evalflow.inference", "evalflow.environment.mount")}
"""(importing room, imported module) of two stages: a task of inference makes its environment visible."""


def module_name(path: Path) -> str:
    """Return the name by which a file below `bin/` is imported; of a script, its file name."""
    if path.parent == BIN:
        return path.name
    parts = path.relative_to(BIN).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """Yield the modules of the package that a tree imports; `names` are those that exist."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            # What is imported from a package may be a module of it.
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found = sorted(members & names) + ([node.module] if members - names else [])
        else:
            continue
        yield from (name for name in found if name.split(".")[0] == "evalflow")


def inner_imports(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """Yield the modules of the package that are imported inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imported(node, names)


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the circles of a graph: sorted groups of modules, each of which reaches all others of its group."""
    reached: dict[str, set[str]] = {}
    for start in imports:
        found: set[str] = set()
        todo = [start]
        while todo:
            new = imports.get(todo.pop(), set()) - found
            found |= new
            todo += new
        reached[start] = found
    groups = {tuple(sorted(b for b in reached[a] if a in reached.get(b, ()))) for a in imports if a in reached[a]}
    return [list(group) for group in sorted(groups)]


def room_of(module: str) -> str:
    return module.split(".")[1]


def reason_against(module: str, target: str) -> str | None:
    """Return why `module` must not import `target`, or None."""
    if room_of(target) not in FLOOR_OF:
        return "the room has no floor: give it one in FLOORS"
    if module.endswith(".py"):
        return None
    if target == "evalflow.cli":
        return "only scripts import cli"
    room, other = room_of(module), room_of(target)
    if room == other or (f"evalflow.{room}", target) in EXCEPTIONS:
        return None
    if FLOOR_OF[other] > FLOOR_OF[room]:
        return f"{other} is above {room}"
    if room in STAGES and other in STAGES:
        return "a stage imports no other stage"
    return None


def violations(sources: dict[str, str]) -> list[str]:
    """Return what breaks the rules in modules, given as name → source; scripts are named `NAME.py`."""
    trees = {name: ast.parse(source) for name, source in sources.items()}
    names = set(trees)
    found = [f"{name}: has no floor" for name in names if name.count(".") and not name.endswith(".py")
             and room_of(name) not in FLOOR_OF]  # fmt: skip
    graph = {}
    for name, tree in trees.items():
        graph[name] = set(imported(tree, names)) - {"evalflow"}
        found += [f"{name}: imports {target} inside a function" for target in inner_imports(tree, names)]
        if name == "evalflow" or (not name.endswith(".py") and room_of(name) not in FLOOR_OF):
            continue
        reasons = {target: reason_against(name, target) for target in graph[name]}
        found += [f"{name}: imports {target}: {reason}" for target, reason in reasons.items() if reason]
    found += [f"a circle: {' → '.join(group)}" for group in circles(graph)]
    return sorted(found)


def test_rooms_import_from_their_own_floor_and_from_those_below():
    sources = {module_name(path): path.read_text() for path in BIN.rglob("*.py")}
    assert len(sources) > 50
    assert violations(sources) == []


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"evalflow.store.a": "from evalflow.plan import b", "evalflow.plan.b": ""}, "plan is above store"),
        ({"evalflow.errors": "import evalflow.identity", "evalflow.identity": ""}, "identity is above errors"),
        ({"evalflow.report.a": "from evalflow.inference.b import c", "evalflow.inference.b": ""}, "no other stage"),
        ({"evalflow.report.a": "from evalflow.environment import mount", "evalflow.environment.mount": ""}, "no other"),
        ({"evalflow.inference.a": "import evalflow.environment.b", "evalflow.environment.b": ""}, "no other stage"),
        ({"evalflow.plan.a": "from evalflow.cli import command", "evalflow.cli": ""}, "only scripts import cli"),
        ({"evalflow.plan.a": "def f():\n    from evalflow import texts", "evalflow.texts": ""}, "inside a function"),
        ({"a.py": "def f():\n    import evalflow.texts", "evalflow.texts": ""}, "a.py: imports evalflow.texts inside"),
        ({"evalflow.new": ""}, "evalflow.new: has no floor"),
        ({"a.py": "from evalflow.gone import x"}, "the room has no floor"),
        (
            {"evalflow.texts": "import evalflow.errors", "evalflow.errors": "from evalflow.texts import show"},
            "a circle: evalflow.errors → evalflow.texts",
        ),
    ],
)
def test_what_breaks_a_rule_is_said(sources, said):
    assert said in "\n".join(violations(sources))


def test_what_is_allowed():
    sources = {
        "a.py": "import evalflow\nfrom evalflow.cli import command\nfrom evalflow.plan.plan import make",
        "evalflow": "",
        "evalflow.cli": "from evalflow.errors import UserError",
        "evalflow.errors": "",
        "evalflow.config.model": "from evalflow.scores import table",
        "evalflow.scores.table": "",
        "evalflow.environment.mount": "",
        "evalflow.inference.task": "from evalflow.environment.mount import visible\nfrom evalflow.inference import proof",
        "evalflow.inference.proof": "def f():\n    import json",
        "evalflow.plan.plan": "from evalflow.inference import proof",
    }
    assert violations(sources) == []
