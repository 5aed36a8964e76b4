"""The rooms of the package stand on floors: a module imports from lower floors, and circles do not exist.

Files and functions have a longest length, and the fields of a plan or a spec have types that say what they hold.
The checks read syntax trees and import nothing, so `make lint` runs them too.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from support.paths import BIN, PROJECT

SHARED = ["errors", "texts", "digests", "yamlio", "lookup", "requirements", "processes", "host", "documents"]
STAGES = ["environment", "inference", "sandbox", "verification", "report", "showcase"]
FLOORS = [
    [*SHARED, "cli"],
    ["store", "config", "checkpoints", "runners", "fields", "scores", "drawing"],
    ["identity", "runs", "sources", "reading"],
    STAGES,
    ["plan", "launch"],
]
"""From the ground up. A room imports from its own floor and from those below; a stage imports no other stage."""
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
EXCEPTIONS = {("evalflow.inference", "evalflow.environment.mount")}
"""(importing room, imported module) of two stages: a task of inference makes its environment visible."""

MAX_FILE = 400
MAX_FUNCTION = 50
"""Lines, with everything between the first and the last of them."""
ANYTHING = {"identity"}
"""Fields of documents that may hold anything: exactly what an id was hashed from."""


def module_name(path: Path) -> str:
    """Return the name by which a file below `bin/` is imported; of a script, its file name."""
    if path.parent == BIN:
        return path.name
    parts = path.relative_to(BIN).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources_of_the_package() -> dict[str, str]:
    """Return name → source of every module and script."""
    return {module_name(path): path.read_text() for path in BIN.rglob("*.py")}


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
    sources = sources_of_the_package()
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


def too_long(sources: dict[str, str]) -> list[str]:
    """Return the files and functions that are longer than their ceilings."""
    found = []
    for name, source in sources.items():
        size = len(source.splitlines())
        if size > MAX_FILE:
            found.append(f"{name}: {size} lines; a file has at most {MAX_FILE}")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = node.end_lineno - node.lineno + 1
                if size > MAX_FUNCTION:
                    found.append(f"{name}: {node.name} has {size} lines; a function has at most {MAX_FUNCTION}")
    return sorted(found)


def says_nothing(annotation: ast.expr) -> bool:
    """Return whether a type leaves open what is in it: it names Any, or a dict or a list without what it holds."""
    described = {id(node.value) for node in ast.walk(annotation) if isinstance(node, ast.Subscript)}
    names = [node for node in ast.walk(annotation) if isinstance(node, ast.Name) and id(node) not in described]
    return any(node.id in {"Any", "object", "dict", "list", "Mapping"} for node in names)


def documents(trees: Iterable[ast.AST]) -> list[ast.ClassDef]:
    """Return the classes that are a Document, or derived from one."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: list[ast.ClassDef] = []
    while True:
        known = {"Document"} | {one.name for one in found}
        more = [one for one in classes if one not in found and {getattr(base, "id", "") for base in one.bases} & known]
        if not more:
            return found
        found += more


def vague_fields(sources: dict[str, str]) -> list[str]:
    """Return the fields of documents whose type leaves open what they hold."""
    return [
        f"{one.name}.{node.target.id}"
        for one in documents(map(ast.parse, sources.values()))
        for node in one.body
        if isinstance(node, ast.AnnAssign) and node.target.id not in ANYTHING and says_nothing(node.annotation)
    ]


def test_the_manual_of_the_architecture_names_every_room():
    text = (PROJECT / "docs" / "architecture.md").read_text()
    rooms = {path.stem for path in (BIN / "evalflow").iterdir() if not path.name.startswith("_")}
    assert {room for room in rooms if f"`{room}`" not in text} == set()


def test_files_and_functions_are_short():
    assert too_long(sources_of_the_package()) == []


def test_a_line_too_many_is_said():
    body = "    pass\n" * (MAX_FUNCTION - 1)
    assert too_long({"a": f"def f():\n{body}"}) == []
    assert too_long({"a": f"def f():\n{body}    pass\n"}) == ["a: f has 51 lines; a function has at most 50"]
    assert too_long({"a": "\n" * MAX_FILE}) == []
    assert too_long({"a": "\n" * (MAX_FILE + 1)}) == ["a: 401 lines; a file has at most 400"]


def test_fields_of_plan_and_specs_say_what_they_hold():
    sources = sources_of_the_package()
    names = {one.name for one in documents(map(ast.parse, sources.values()))}
    assert {"Plan", "Task", "EnvironmentSpec", "RunSpec", "VerificationSpec"} <= names
    assert vague_fields(sources) == []


@pytest.mark.parametrize("kind", ["Any", "dict", "dict[str, Any]", "list[dict]", "dict | None", "Mapping", "list"])
def test_a_field_that_may_hold_anything_is_said(kind):
    source = f"class A(Document):\n    x: {kind} = Field({{}})\nclass B(A):\n    y: {kind}\nclass C:\n    z: {kind}"
    assert vague_fields({"a": source}) == ["A.x", "B.y"]


def test_fields_that_say_what_they_hold():
    source = "class A(Document):\n    identity: dict[str, Any]\n    x: dict[str, list[int]] | None\n    y: list[B] = []"
    assert vague_fields({"a": source}) == []
