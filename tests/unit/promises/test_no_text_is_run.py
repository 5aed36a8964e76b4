"""Checkpoints are programs and configs are text: planning and building run neither."""

import ast
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from evalflow.checkpoints.metadata import read_task
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.environment.spec import EnvironmentSpec
from evalflow.yamlio import _Loader
from support.paths import BIN


class Bomb:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["like PyTorch's", "like anemoi's", "bare"])
def test_a_checkpoint_is_never_loaded(experiment, tmp_path, kind):
    exploded = tmp_path / "exploded"
    bomb = pickle.dumps(Bomb(exploded))
    checkpoint = experiment.folder / "bomb.ckpt"
    if kind == "bare":
        checkpoint.write_bytes(bomb)
    else:
        with zipfile.ZipFile(checkpoint, "w") as archive:
            archive.writestr("archive/data.pkl", bomb)
            archive.writestr("archive/version", "3")
            if kind == "like anemoi's":
                archive.writestr("archive/anemoi-metadata/ai-models.json", '{"provenance_training": {}}')
                archive.writestr("archive/anemoi-metadata/x.pkl", bomb)
    plan = experiment.plan(experiment.changed({"runs.0.forecaster.checkpoint": "bomb.ckpt"}))
    (env,) = plan["envs"]
    get_checkpoint(EnvironmentSpec(**env["spec"]))
    assert read_task(checkpoint) is None
    folder = Path(env["spec"]["folder"])
    assert (folder / "inference-last.ckpt").read_bytes() == checkpoint.read_bytes() and (
        folder / "anemoi.json"
    ).exists()
    assert not exploded.exists()
    pickle.loads(bomb)
    assert exploded.exists(), "the bomb is none"


_LOADERS = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch", "code", "codeop",
}  # fmt: skip
_CALLS = {
    "eval", "exec", "compile", "__import__", "input", "breakpoint",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.unsafe_load", "yaml.full_load",
    "yaml.load_all", "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader", "numpy.load", "np.load",
    "ssl._create_unverified_context",
}  # fmt: skip


def _loads_numbers(call: ast.Call) -> bool:
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    return ast.unparse(call.func) == "np.load" and given.get("allow_pickle") == "False"


def dangers(tree: ast.AST) -> Iterator[str]:
    """Yield what in a program could run text or data, or send it to whoever answers."""
    # NumPy's own format without objects holds numbers only.
    safe = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _loads_numbers(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"import {name}" for name in names if name.split(".")[0] in _LOADERS)
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in _CALLS and id(node) not in safe:
            yield ast.unparse(node)
        if isinstance(node, ast.Call):
            called, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            if given.get("shell", "False") != "False" or (called.startswith("requests.") and "verify" in given):
                yield f"{called} with {given}"
            if called == "yaml.load" and [ast.unparse(word) for word in node.args[1:]] != ["_Loader"]:
                yield called
        if isinstance(node, ast.List | ast.Tuple):
            texts = [ast.unparse(item) for item in node.elts]
            shells = [index for index, text in enumerate(texts[:-2]) if text in ("'sh'", "'bash'")]
            for index in shells:
                program = node.elts[index + 2]
                if (
                    texts[index + 1] == "'-c'"
                    and not isinstance(program, ast.Constant)
                    and texts[index + 2] not in _PROGRAMS
                ):
                    yield f"sh -c {texts[index + 2]}"


_PROGRAMS = {"_GUARD", "program"}
"""Names in bin/evalflow/mount.py of shell programs that are constants."""


@pytest.mark.parametrize("path", sorted(BIN.rglob("*.py")), ids=lambda path: str(path.relative_to(BIN)))
def test_no_helper_runs_text_or_loads_objects(path):
    assert list(dangers(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_yaml_is_loaded_safely():
    assert issubclass(_Loader, yaml.SafeLoader)
    constructors = {tag for tag in _Loader.yaml_constructors if tag} | set(_Loader.yaml_multi_constructors)
    assert all(tag.startswith("tag:yaml.org,2002:") and "python" not in tag for tag in constructors)


@pytest.mark.parametrize(
    "program",
    [
        "eval(x)", "import pickle", "from torch import load", "yaml.load(x, yaml.Loader)", "yaml.load(x)", "os.system(x)",
        "np.load(x)", "np.load(x, allow_pickle=True)", "subprocess.run(x, shell=True)", "subprocess.run(['sh', '-c', x])",
        "requests.get(x, verify=False)",
    ],
)  # fmt: skip
def test_what_is_dangerous_is_found(program):
    assert list(dangers(ast.parse(program)))
