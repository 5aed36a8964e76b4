"""Small environments of wheels that the tests write themselves: no network is needed."""

import shutil

import pytest
from evalflow.store.layout import CHECKPOINT, LOCK, proof_of
from support.environments import (
    build,
    make_wheel,
)
from support.specs import make_spec

TINY = {"tiny/other.py": "def fail():\n    raise RuntimeError('on purpose')\n", "tiny/data.bin": bytes(range(256))}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder of wheels in the place of a package index."""
    folder = tmp_path_factory.mktemp("index")
    make_wheel(folder, "alpha", needs=["beta<2"])
    make_wheel(folder, "beta", "1.5")
    make_wheel(folder, "beta", "2.0")
    make_wheel(folder, "tiny", files=TINY)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path, wheels):
    """No network; scratch and the caches of uv are folders of the test."""
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)


@pytest.fixture(scope="module")
def tiny_environment(tmp_path_factory, wheels):
    """A built environment: spec, lock file, image. Tests do not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_NO_INDEX", "1")
        patch.setenv("UV_FIND_LINKS", str(wheels))
        patch.setenv("EVALFLOW_SCRATCH", str(tmp_path_factory.mktemp("scratch")))
        spec = make_spec(tmp_path_factory.mktemp("store"), ["tiny", "alpha"])
        image = build(spec)
    return spec, spec.folder / LOCK, image


@pytest.fixture
def copy(tiny_environment, tmp_path):
    """A copy of the built environment that tests may damage, with a checkpoint, ready to be sealed: spec and image."""
    _, locked, image = tiny_environment
    copied = make_spec(tmp_path / "store", ["tiny", "alpha"])
    shutil.copy(locked, copied.folder)
    (copied.folder / CHECKPOINT).write_bytes(b"weights")
    (tmp_path / "store" / "images").mkdir()
    for path in (image, proof_of(image)):
        shutil.copy(path, tmp_path / "store" / "images")
    return copied, tmp_path / "store" / "images" / image.name
