"""The anemoi runner: from a checkpoint's training provenance to requirements, Python and warnings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from evalflow.environment import lock
from evalflow.environment.pythons import find_python
from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError
from evalflow.requirements import merge_requirements
from evalflow.runners import anemoi
from evalflow.runners.base import Installed
from evalflow.store.layout import LOCK, METADATA
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from support.configs import valid
from support.specs import make_spec

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
CORE = "https://github.com/ecmwf/anemoi-core"
MODELS = f"anemoi-models @ git+{CORE}@{SHA}#subdirectory=models"
SHORT = f"anemoi-models @ git+{CORE}@0123456#subdirectory=models"
ADDED = {"anemoi-inference", "eccodes"}


def metadata(versions: dict | None = None, git: dict | None = None, **more) -> dict:
    provenance = {
        "python": "3.11.7",
        "module_versions": {"torch": "2.5.1", **(versions or {})},
        "git_versions": git or {},
    }
    return {"provenance_training": {**provenance, **more}}


def commit(sha1: str = SHA, **more) -> dict:
    return {"git": {"sha1": sha1, "modified_files": 0, "untracked_files": 0, **more}}


def pinned(*arguments, **more) -> list[str]:
    """Return the requirements but for torch and what is always added."""
    texts = anemoi.requirements(metadata(*arguments, **more), local_definitions=False)
    assert set(texts) >= ADDED
    return [text for text in texts if text not in ADDED and text != "torch==2.5.1"]


def source(url: str, **more) -> dict:
    return {"version": "0.6.1.dev4", "source": {"url": url, "vcs_info": {"vcs": "git", "commit_id": SHA}, **more}}


@pytest.mark.parametrize(
    ("versions", "git", "expected"),
    [
        # releases, as text (before anemoi-utils 0.4.27) and as a mapping
        ({"anemoi.models": "0.5.0"}, {}, ["anemoi-models==0.5.0"]),
        ({"anemoi.models": {"version": "0.5.0"}}, {}, ["anemoi-models==0.5.0"]),
        ({"torch_geometric": "2.6.1", "lightning": "2.5.0"}, {}, ["lightning==2.5.0", "torch-geometric==2.6.1"]),
        ({"pytorch_lightning": "2.5.0.post0"}, {}, ["pytorch-lightning==2.5.0.post0"]),
        ({"torch": "2.5.1+cu124"}, {}, []),
        ({"anemoi.graphs": "0.6.0+local"}, {}, ["anemoi-graphs==0.6.0"]),
        # what inference does not need
        ({"anemoi.training": "0.5.0", "numpy": "2.0", "anemoi.inference": "0.4", "flash_attn": "2.7.4"}, {}, []),
        # what anemoi-inference needs, in the versions of the training
        ({"anemoi.utils": "0.4.22", "anemoi.transform": "0.1.10"}, {}, ["anemoi-transform==0.1.10", "anemoi-utils==0.4.22"]),
        ({"anemoi.utils": "0.4.22.post3+g0123456"}, {}, ["anemoi-utils @ git+https://github.com/ecmwf/anemoi-utils@0123456"]),
        # development versions whose commit is not known
        ({"torch": "2.5.1a0+872d972e41.nv24.8"}, {}, []),
        ({"torch": "2.5.1.dev20241112+cu124"}, {}, []),
        ({"anemoi.models": "0.5.1.dev3"}, {}, ["anemoi-models==0.5.1"]),
        ({"anemoi.models": "0.5.1.post3"}, {}, ["anemoi-models==0.5.1"]),
        ({"anemoi.models": "/home/me/anemoi-core/models"}, {}, ["anemoi-models"]),
        ({"anemoi.models": {"version": None}}, {}, []),
        # commits: of a checkout, of an installation by pip, in the version
        ({"anemoi.models": "0.5.1.dev3"}, {"anemoi.models": commit()}, [MODELS]),
        ({"anemoi.models": "0.5.0"}, {"anemoi.models": commit()}, [MODELS]),
        ({}, {"anemoi.datasets": commit()}, [f"anemoi-datasets @ git+https://github.com/ecmwf/anemoi-datasets@{SHA}"]),
        ({"anemoi.models": source(CORE, subdirectory="models")}, {}, [MODELS]),
        ({"torch_geometric": source("https://example.org/pyg.git")}, {}, [f"torch-geometric @ git+https://example.org/pyg.git@{SHA}"]),
        ({"anemoi.models": source("file:///home/me/core")}, {}, [MODELS]),
        ({"torch_geometric": source("file:///home/me/pyg")}, {}, ["torch-geometric==0.6.1"]),
        ({"anemoi.models": "0.5.1.dev3+g0123456"}, {}, [SHORT]),
        ({"anemoi.models": "0.5.1.post3+g0123456.d20250101"}, {}, [SHORT]),
        # a repository around the virtual environment: its commit is recorded for everything
        ({"anemoi.models": "0.5.0", "anemoi.datasets": "0.6.0"},
         {"anemoi.models": commit(), "anemoi.datasets": commit()},
         ["anemoi-datasets==0.6.0", "anemoi-models==0.5.0"]),
        ({"anemoi.models": "0.5.0"}, {"anemoi.models": commit(), "numpy": commit()}, ["anemoi-models==0.5.0"]),
        ({}, {"anemoi.models": commit(), "anemoi.graphs": commit()},
         [f"anemoi-graphs @ git+{CORE}@{SHA}#subdirectory=graphs", MODELS]),
        # anemoi-training brings plugins of hydra, which are in the same repository
        ({"anemoi.models": "0.11.1.post74"}, {"anemoi.models": commit(), "hydra_plugins.anemoi_searchpath": commit()}, [MODELS]),
        ({"anemoi.models": "0.11.1.post74"},
         dict.fromkeys(("anemoi.models", "anemoi.training", "hydra_plugins.anemoi_searchpath"), commit()),
         [MODELS]),
        ({"anemoi.models": "0.11.1.post74"},
         {"anemoi.models": commit(), "hydra_plugins.mine": commit()}, ["anemoi-models==0.11.1"]),
        # what is recorded may be anything
        ({"anemoi.models": "0.5.0"}, {"anemoi.models": None}, ["anemoi-models==0.5.0"]),
        ({"anemoi.models": "0.5.0"}, {"anemoi.models": {"git": {"sha1": "; rm -rf /"}}}, ["anemoi-models==0.5.0"]),
        ({"anemoi.models": 5}, {}, []),
    ],
)  # fmt: skip
def test_requirements_follow_the_provenance(versions, git, expected):
    assert pinned(versions, git) == expected


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("git@github.com:me/anemoi-core.git", f"git+https://github.com/me/anemoi-core.git@{SHA}#subdirectory=models"),
        ("ssh://git@github.com/me/anemoi-core", f"git+https://github.com/me/anemoi-core@{SHA}#subdirectory=models"),
        ("https://user:secret@git.example.org:8443/anemoi-core.git",
         f"git+https://git.example.org:8443/anemoi-core.git@{SHA}#subdirectory=models"),
        ("git@git.example.org:team/anemoi-core.git", f"git+ssh://git@git.example.org/team/anemoi-core.git@{SHA}#subdirectory=models"),
        ("https://github.com/ecmwf/anemoi-models.git", f"git+https://github.com/ecmwf/anemoi-models.git@{SHA}"),
        ("https://github.com/me/another.git", f"git+{CORE}@{SHA}#subdirectory=models"),
    ],
)  # fmt: skip
def test_a_recorded_remote_says_where_the_commit_is(remote, expected):
    assert pinned({}, {"anemoi.models": commit(remotes=[remote])}) == [f"anemoi-models @ {expected}"]


def test_names_of_distributions_are_used():
    assert pinned({"pyg": "2.6.1"}, distribution_names={"pyg": "torch_geometric"}) == ["torch-geometric==2.6.1"]


def test_local_definitions_bring_the_ecCodes_that_fits():
    texts = anemoi.requirements(metadata(), local_definitions=True)
    assert [text for text in texts if text.startswith("eccodes")] == list(anemoi.LOCAL_ECCODES)


@pytest.mark.parametrize(
    ("versions", "git", "package", "text"),
    [
        (
            {"torch": "2.7.0a0+7c8ec84dab.nv25.03"},
            {},
            "torch",
            "2.7.0a0+7c8ec84dab.nv25.03 of the training is a development version",
        ),
        ({"anemoi.models": "unknown"}, {}, "anemoi-models", "has no version in the checkpoint's provenance (unknown)"),
        ({}, {"anemoi.models": commit(modified_files=2)}, "anemoi-models", "with changes that are not in its commit"),
        (
            {},
            {"anemoi.models": commit(modified_files=["a.py"])},
            "anemoi-models",
            "with changes that are not in its commit",
        ),
        (
            {"anemoi.models": "0.5.1.dev3+g0123456.d20250101"},
            {},
            "anemoi-models",
            "with changes that are not in its commit",
        ),
    ],
)
def test_what_cannot_be_made_again_is_said(versions, git, package, text):
    (warning,) = anemoi.warnings(metadata(versions, git), Installed({}))
    assert warning.startswith(package) and text in warning
    assert anemoi.warnings(metadata(versions, git), Installed({}, frozenset({package}))) == [], "the run chose another"


def test_what_is_made_again_is_not_warned_of():
    assert anemoi.warnings(metadata({"torch": "2.5.1+cu124"}, {"anemoi.models": commit()}), Installed({})) == []


CU124 = {"torch": "2.5.1", "nvidia-cuda-runtime-cu12": "12.4.127", "nvidia-cuda-nvrtc-cu12": "12.4.127"}
CU130 = {"torch": "2.9.0", "nvidia-cuda-runtime": "13.0.48"}


@pytest.mark.parametrize(
    ("recorded", "packages", "cure", "there"),
    [
        ("2.5.1+cu124", CU124, None, None),
        ("2.9.0+cu130", CU130, None, None),
        ("2.5.1+cu124", {"torch": "2.5.1+cu124"}, None, None),
        ("2.5.1+cu121", CU124, "cu121", "cu124"),
        ("2.5.1+cpu", CU124, "cpu", "cu124"),
        ("2.5.1+rocm6.2", CU124, "rocm6.2", "cu124"),
        ("2.6.0+xpu", CU124, "xpu", "cu124"),
        ("2.7.1+cu126", {"torch": "2.7.1"}, "cu126", "cpu"),  # aarch64: the index has a build without CUDA
        ("2.5.1+cu124.with.pypi.cudnn", {"torch": "2.5.1"}, "cu124", "cpu"),
        ("2.5.1+cpu.cxx11.abi", {"torch": "2.5.1+cpu"}, None, None),
        ("2.5.1", CU124, None, None),
        ("2.5.1+gitabc", CU124, None, None),
        ("2.5.1+cu124", {}, None, None),
    ],
)
def test_another_build_of_pytorch_is_a_warning_with_the_line_that_cures_it(recorded, packages, cure, there):
    lines = anemoi.warnings(metadata({"torch": recorded}), Installed(packages))
    expected = (
        f"torch {recorded} of the training is a build for {cure}, and one for {there} is installed; to have that of the "
        f"training: torch_backend: {cure}"
    )
    assert lines == ([expected] if cure else [])
    if cure:
        assert valid({"runs.0.forecaster.torch_backend": cure})
        for asked in (Installed(packages, frozenset({"torch"})), Installed(packages, torch_backend="cpu")):
            assert anemoi.warnings(metadata({"torch": recorded}), asked) == [], "the run asked for it"


@pytest.mark.parametrize(
    ("recorded", "pin"),
    [
        ({"flash_attn": "2.7.4.post1"}, "flash-attn==2.7.4.post1"),
        ({"flash_attn": {"version": "2.7.4+cu124"}}, "flash-attn==2.7.4"),
        ({"flash_attn": {"version": None}}, "flash-attn"),
        ({"torch_cluster": "1.6.3+pt25cu124"}, "torch-cluster==1.6.3"),
        ({"transformer_engine": "2.1"}, "transformer-engine==2.1"),
    ],
)
def test_what_a_model_may_use_and_is_not_installed_is_a_warning(recorded, pin):
    name = pin.split("==")[0]
    line = f"{name} of the training is not installed; if the model uses it: extra_requirements: [{pin}]"
    assert anemoi.warnings(metadata(recorded), Installed({"torch": "2.5.1"})) == [line]
    assert anemoi.warnings(metadata(recorded), Installed({"torch": "2.5.1", name: "9"})) == []
    assert anemoi.warnings(metadata({"numpy": "2.0", "pandas": "2.0"}), Installed({"torch": "2.5.1"})) == []


@pytest.mark.parametrize(
    ("recorded", "there", "line"),
    [
        ("0.4.22", "0.4.22", None),
        ("0.4.22", "0.5.1", "anemoi-utils==0.4.22 of the training does not go with the rest; anemoi-utils 0.5.1 is installed"),
        ("0.4.22+g0123456", "git+https://github.com/ecmwf/anemoi-utils@0123456", None),
        ("unknown", "0.5.1", "anemoi-utils has no version in the checkpoint's provenance (unknown); one that fits is installed"),
    ],
)  # fmt: skip
def test_what_gave_way_is_a_warning(recorded, there, line):
    known = metadata({"anemoi.utils": recorded})
    assert anemoi.warnings(known, Installed({"anemoi-utils": there})) == ([line] if line else [])
    assert anemoi.warnings(known, Installed({"anemoi-utils": there}, frozenset({"anemoi-utils"}))) == []


def test_what_is_imported_before_an_environment_is_sealed_is_what_a_forecast_imports():
    """`anemoi-inference run` reports a command that cannot be imported by a status, when a forecast is made."""
    assert {"anemoi.inference.commands.run", "anemoi.inference.runners.default"} <= set(anemoi.RUNNER.imports)


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ({"format": "ckpt"}, "not an anemoi checkpoint"),
        ({}, "not an anemoi checkpoint"),
        ({"config": {}}, "no provenance_training"),
        ({"provenance_training": None}, "no module_versions"),
        ({"provenance_training": {"module_versions": {}}}, "no module_versions"),
        ({"provenance_training": {"module_versions": {"numpy": "2.0"}}}, "records none of anemoi-datasets"),
        ({"provenance_training": {"module_versions": {"anemoi.utils": "0.4"}}}, "records none of anemoi-datasets"),
    ],
)
def test_a_checkpoint_that_says_too_little_is_refused(known, text, tmp_path):
    spec = make_spec(tmp_path, runner="anemoi")
    file = tmp_path / "anemoi.json"
    file.write_text(json.dumps(known))
    with pytest.raises(UserError) as caught:
        lock.lock_requirements(spec, file)
    assert str(caught.value).startswith("model.pt: ") and text in str(caught.value) and "\n" not in str(caught.value)
    cure = "name what it needs in extra_requirements (anemoi-models==…, torch==…)"
    assert (cure in str(caught.value)) == ("not an anemoi" not in text)


@pytest.mark.parametrize(
    "known",
    [{"config": {}}, {"provenance_training": None}, {"provenance_training": {"module_versions": {"numpy": "2.0"}}}],
)
def test_a_checkpoint_without_provenance_goes_on_where_the_run_says_what_it_needs(
    known, training_host, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("EVALFLOW_PYTHONS", "")
    spec = make_spec(tmp_path, runner="anemoi", extra_requirements=["anemoi-models==0.5.0", "torch==2.5.1"])
    assert lock_of(spec, known, monkeypatch).splitlines()[3:] == [
        "anemoi-inference", "anemoi-models==0.5.0", "eccodes-cosmo-resources-python==2.44.0.1",
        "eccodes<2.48.0,>=2.44.0", "torch==2.5.1",
    ]  # fmt: skip
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"evalflow: {spec.env_id}: warning: its ") and "what extra_requirements names" in line
    with pytest.raises(UserError, match="name what it needs in extra_requirements"):
        lock_of(spec.model_copy(update={"extra_requirements": ["numpy==2.0"]}), known, monkeypatch)


def test_what_goes_with_nothing_gives_way(training_host, tmp_path, monkeypatch, capsys):
    """An older anemoi-utils than anemoi-inference needs is no reason to build nothing; other pins stay."""
    training_host("3.8.6")
    asked = []

    def solve(_arguments, cwd, _what):
        asked.append((cwd / "requirements.in").read_text().splitlines())
        if "anemoi-utils==0.1" in asked[-1]:
            raise UserError("no solution")
        return "anemoi-models==0.5.0 \\\n    --hash=sha256:00\nanemoi-utils==0.4.30 \\\n"

    monkeypatch.setattr(lock, "run_uv", solve)
    spec = make_spec(tmp_path, runner="anemoi", disable_local_eccodes_definitions=True)
    known = metadata({"anemoi.utils": "0.1", "anemoi.models": "0.5.0"}, python="3.8.6")
    (spec.folder / METADATA).write_text(json.dumps(known))
    lock.lock_requirements(spec, spec.folder / METADATA)
    firm = ["anemoi-inference", "anemoi-models==0.5.0", "eccodes", "torch==2.5.1"]
    assert asked == [[*firm[:2], "anemoi-utils==0.1", *firm[2:]], firm]
    warning = "anemoi-utils==0.1 of the training does not go with the rest; anemoi-utils 0.4.30 is installed"
    assert capsys.readouterr().err == f"evalflow: {spec.env_id}: warning: {warning}\n"

    asked.clear()
    spec = make_spec(tmp_path / "chosen", runner="anemoi", extra_requirements=["anemoi-utils==0.1"])
    with pytest.raises(UserError, match="no solution"):
        lock.lock_requirements(spec, tmp_path / "runs" / spec.env_id / METADATA)
    assert len(asked) == 1, "what the run names does not give way"


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("3.11.7", "3.11.7"),
        ("3.11", "3.11"),
        ("3.10.4 (main, …)", "3.10.4"),
        ("2.7", None),
        (None, None),
        (["3.11"], None),
    ],
)
def test_the_version_of_python(recorded, expected):
    assert anemoi.python_version(metadata(python=recorded)) == expected
    assert anemoi.python_version({"format": "ckpt"}) is None


@given(
    release=st.lists(st.integers(0, 99), min_size=1, max_size=4),
    local=st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8})?", fullmatch=True),
)
def test_a_local_suffix_changes_nothing(release, local):
    version = ".".join(map(str, release))
    assert pinned({"torch_geometric": f"{version}+{local}"}) == pinned({"torch_geometric": version})


@given(st.text(max_size=40) | st.none() | st.integers() | st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_whatever_is_recorded_gives_requirements_that_can_be_read(recorded):
    for text in pinned({"anemoi.models": recorded}, {"anemoi.graphs": {"git": {"sha1": recorded}}}):
        Requirement(text)


NAMES = st.sampled_from(["anemoi-models", "Anemoi_Models", "torch", "torch.geometric", "numpy"])
TEXTS = st.builds("{}{}".format, NAMES, st.sampled_from(["", "==1.0", ">=1,<2", "~=2.1", "[extra]>=1"]))


@given(
    st.lists(TEXTS, unique_by=lambda text: Requirement(text).name.lower().replace("_", "-").replace(".", "-")),
    st.lists(TEXTS, max_size=3),
)
def test_extra_requirements_win_by_name_and_clauses_stay_together(base, extra):
    merged = [Requirement(text) for text in merge_requirements(base, extra)]
    wanted = [Requirement(text) for text in extra]
    assert {str(r.specifier) for r in wanted} <= {str(r.specifier) for r in merged}
    names = {r.name for r in merged}
    for requirement in merged:
        given_here = [r for r in wanted if r.name.lower().replace("_", "-").replace(".", "-") == requirement.name]
        assert not given_here or str(requirement.specifier) in {str(r.specifier) for r in given_here}
    assert len(names) == len(
        {Requirement(text).name.lower().replace("_", "-").replace(".", "-") for text in base + extra}
    )


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        (f"git+{CORE}@{SHA}#subdirectory=models", "anemoi-models"),
        (f"git+{CORE}.git@main#egg=x&subdirectory=graphs", "anemoi-graphs"),
        (f"git+{CORE}#subdirectory=models&egg=y", "anemoi-models"),
    ],
)
def test_a_package_of_the_monorepo_is_overridden_by_its_folder(extra, name):
    base = [f"{name}==0.5.0", "torch==2.5.1"]
    assert merge_requirements(base, [extra]) == sorted([extra, "torch==2.5.1"])


@pytest.fixture
def training_host(tmp_path, monkeypatch):
    """Return a function that puts Pythons on a host that has no others of their minor version."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)

    def install(*versions: str) -> None:
        folders = []
        for version in versions:
            path = tmp_path / version / f"python{version.rsplit('.', 1)[0]}"
            path.parent.mkdir()
            path.write_text(f"""#!/bin/sh\necho '["{version}", "{path}"]'\n""")
            path.chmod(0o755)
            folders.append(str(path.parent))
        monkeypatch.setenv("EVALFLOW_PYTHONS", ":".join(folders))

    return install


@pytest.mark.parametrize(
    ("there", "wanted", "found"),
    [
        (("3.8.1", "3.8.7", "3.8.9"), "3.8.7", "3.8.7"),
        (("3.8.1", "3.8.6", "3.8.9"), "3.8.7", "3.8.6"),
        (("3.8.1", "3.8.10"), "3.8.9", "3.8.10"),
        (("3.8.1", "3.8.10"), "3.8", "3.8.1"),
    ],
)
def test_the_nearest_patch_level_is_taken(training_host, there, wanted, found):
    training_host(*there)
    assert find_python(wanted, nearest=True)[0] == found


def test_another_minor_version_is_never_taken(training_host):
    training_host("3.8.1")
    with pytest.raises(UserError, match=r"Python 3\.7\.4 is not on this host \(of 3\.7: none\)"):
        find_python("3.7.4", nearest=True)


def lock_of(spec: EnvironmentSpec, known: dict, monkeypatch) -> str:
    """Lock without a solver and return the first line of the lock."""
    monkeypatch.setattr(lock, "run_uv", lambda arguments, cwd, what: (cwd / "requirements.in").read_text())
    folder = spec.folder
    (folder / METADATA).write_text(json.dumps(known))
    lock.lock_requirements(spec, folder / METADATA)
    return (folder / LOCK).read_text()


def test_another_python_than_in_training_is_warned_of_and_recorded(training_host, tmp_path, monkeypatch, capsys):
    training_host("3.8.6")
    spec = make_spec(tmp_path, runner="anemoi")
    assert lock_of(spec, metadata(python="3.8.7"), monkeypatch).startswith("# Locked by evalflow for Python 3.8.6 ")
    warning = "Python 3.8.7 of the training is not on this host; Python 3.8.6 is used"
    assert capsys.readouterr().err == f"evalflow: {spec.env_id}: warning: {warning}\n"
    assert lock.training_warnings(spec, metadata(python="3.8.7"), "3.8.6", "") == [warning]


def test_the_python_of_the_run_wins(training_host, tmp_path, monkeypatch, capsys):
    training_host("3.8.6", "3.9.1")
    spec = make_spec(tmp_path, runner="anemoi", python="3.9")
    assert "Python 3.9.1 " in lock_of(spec, metadata(python="3.8.6"), monkeypatch)
    assert capsys.readouterr().err == ""


def test_a_chosen_python_is_exact(training_host, tmp_path, monkeypatch):
    training_host("3.8.6")
    with pytest.raises(UserError, match=r"Python 3\.8\.7 is not on this host"):
        lock_of(make_spec(tmp_path, runner="anemoi", python="3.8.7"), metadata(), monkeypatch)


def test_what_a_run_chooses_is_locked_and_not_warned_of(training_host, tmp_path, monkeypatch, capsys):
    training_host("3.8.6")
    known = metadata({"torch": "2.7.0a0+nv25.3", "anemoi.models": "0.5.0"}, python="3.8.6")
    spec = make_spec(
        tmp_path, runner="anemoi", extra_requirements=["torch>=2.7,<3"], disable_local_eccodes_definitions=True
    )
    assert lock_of(spec, known, monkeypatch).splitlines()[3:] == [
        "anemoi-inference",
        "anemoi-models==0.5.0",
        "eccodes",
        "torch<3,>=2.7",
    ]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("backend", "options"),
    [("auto", []), *((name, ["--torch-backend", name]) for name in ("cpu", "cu126", "rocm6.2.4", "xpu"))],
)
def test_a_build_of_pytorch_is_asked_for_only_where_the_run_does(
    backend, options, training_host, tmp_path, monkeypatch
):
    training_host("3.8.6")
    asked = []
    monkeypatch.setattr(lock, "run_uv", lambda arguments, cwd, what: asked.append(arguments) or "")
    spec = make_spec(tmp_path, runner="anemoi", torch_backend=backend)
    (tmp_path / "known.json").write_text(json.dumps(metadata(python="3.8.6")))
    lock.lock_requirements(spec, tmp_path / "known.json")
    ((*_, last_but_one, last),) = asked
    assert ([last_but_one, last] if options else []) == options and ("--torch-backend" in asked[0]) == bool(options)


def test_every_build_of_pytorch_that_uv_knows_may_be_asked_for():
    shown = subprocess.run(
        [Path(sys.executable).parent / "uv", "pip", "compile", "--help"], capture_output=True, text=True
    )
    about = " ".join(shown.stdout.split()).split("--torch-backend <")[1].split("[possible values: ")[1].split("]")[0]
    known = about.replace(",", " ").split()
    assert {"auto", "cpu", "xpu", "cu126", "rocm6.2.4"} <= set(known)
    for backend in known:
        valid({"runs.0.forecaster.torch_backend": backend})
    for other in ("cuda", "cu", "rocm", "rocm6", "gpu", "cpu ", "cu126,cpu"):
        with pytest.raises(ValueError, match="torch_backend"):
            valid({"runs.0.forecaster.torch_backend": other})


@pytest.mark.parametrize(
    ("runner", "task", "expected"),
    [
        (None, None, {"base_runner": "default"}),
        (None, "forecaster", {"base_runner": "default"}),
        ("auto", "temporal_downscaler", {"base_runner": "temporal_downscaler"}),
        ("temporal_downscaler", "forecaster", {"base_runner": "temporal_downscaler"}),
        ({"external_graph": {"graph": "g.pt"}}, None, {"base_runner": "external_graph", "graph": "g.pt"}),
        ("parallel", None, {}),
        ({"parallel": "simple"}, None, {"base_runner": "simple"}),
    ],
)
def test_several_gpus_put_the_parallel_runner_before_the_model_s(runner, task, expected):
    config = {"input": "test"} | ({"runner": runner} if runner else {})
    parallel = anemoi.parallel(config, task, 4, "/work/199601150000")
    options = dict(parallel["runner"]["parallel"])
    cluster = options.pop("cluster")["manual"]
    assert options == expected and parallel["input"] == "test" and cluster["world_size"] == 4
    assert cluster != anemoi.parallel(config, task, 4, "/work/199601151200")["runner"]["parallel"]["cluster"]["manual"]


def test_a_cluster_of_the_config_stays():
    config = {"runner": {"parallel": {"cluster": "mpi", "base_runner": "simple"}}}
    assert anemoi.parallel(config, None, 2, "/work") == config


@pytest.mark.parametrize(
    ("output", "same"),
    [
        (None, True),
        ("printer", True),
        ({"grib": {"path": "x"}}, True),
        ({"tee": [{"grib": "a"}, {"grib": {"path": "b", "output_frequency": "6h"}}]}, False),
    ],
)
def test_outputs_with_frequencies_of_their_own_may_have_other_fields(output, same):
    assert anemoi.same_fields({"output": output, "output_frequency": "6h"}) is same
