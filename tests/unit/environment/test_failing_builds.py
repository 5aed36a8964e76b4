"""Builds that fail or are killed: one line, and nothing in the store that looks finished."""

import os
import random
import re
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest
from evalflow.environment.image import build_image
from evalflow.environment.spec import EnvironmentSpec
from evalflow.host import scratch_folder
from evalflow.store.layout import METADATA
from support.environments import (
    fill,
    lock,
    make_tool,
    make_wheel,
    needs_root,
    one_line,
    run,
    small_disk,
    start,
    tree,
    wait_for,
)
from support.specs import make_spec


@pytest.fixture
def failing(tmp_path):
    """Return a function that builds an environment that cannot be built, and returns the line that says why."""

    def fail(spec: EnvironmentSpec, **env: str) -> str:
        locked = lock(spec)
        before = tree(tmp_path / "store")
        result = run("build_image.py", "--lock", locked, spec=spec, env=env)
        assert tree(tmp_path / "store") == before
        assert not list(Path(env.get("EVALFLOW_SCRATCH", tmp_path / "scratch")).glob("*/build-*"))
        return one_line(result)

    return fail


def test_module_that_does_not_import(tmp_path, failing):
    spec = make_spec(tmp_path / "store", ["tiny"])
    lock(spec)
    message = failing(spec.model_copy(update={"runner": "onnx"}))
    assert "does not work: ModuleNotFoundError: No module named 'onnxruntime'" in message


def test_package_whose_content_is_another_than_locked(tmp_path, failing, monkeypatch):
    index = tmp_path / "index"
    make_wheel(index, "gamma")
    spec = make_spec(tmp_path / "store", ["gamma"])
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    lock(spec)
    make_wheel(index, "gamma", files={"gamma/more.py": "EVIL = True"})
    message = failing(spec, UV_CACHE_DIR=str(tmp_path / "another cache"))
    assert "the environment cannot be built: " in message and "Hash mismatch" in message


def test_no_mksquashfs(tmp_path, failing):
    message = failing(make_spec(tmp_path / "store", ["tiny"]), PATH=str(tmp_path))
    assert message == "evalflow: mksquashfs is not on this host; install squashfs-tools, or set squash_venv: false"


@needs_root
@pytest.mark.parametrize("squash", [True, False])
def test_full_store(tmp_path, failing, squash):
    wheel = make_wheel(tmp_path, "large", files={"large/data.bin": random.Random(1).randbytes(3_000_000)})
    with small_disk(tmp_path / "store", "1M"):
        message = failing(make_spec(tmp_path / "store", [wheel], squash_venv=squash))
        assert str(tmp_path / "store" / "images") in message and "No space left on device" in message


@needs_root
@pytest.mark.parametrize("part", ["packages", "bytecode"])
def test_full_scratch(tmp_path, failing, part):
    """Full while packages are installed, and full while they are compiled, which compileall takes for harmless."""
    numbers = ", ".join(str(number) for number in range(100_000, 180_000))
    size = "1M" if part == "packages" else "1500k"
    files = {f"large/part{number}.py": f"A = [{numbers}]\nB = A" for number in range(2)}
    wheel = make_wheel(tmp_path, "large", files=files)
    with small_disk(tmp_path / "small", size):
        spec = make_spec(tmp_path / "store", [wheel])
        message = failing(spec, EVALFLOW_SCRATCH=str(tmp_path / "small"), UV_CACHE_DIR=str(tmp_path / "cache"))
    assert "cannot be built: " in message and "No space left on device" in message
    assert ("cannot be compiled" in message) == (part == "bytecode")
    assert re.search(rf"; this was done in {tmp_path}/small/evalflow-\d+\b", message), message
    assert message.endswith("; make room, or set EVALFLOW_SCRATCH to another folder") and "GB free" in message


@needs_root
def test_full_cache_of_uv(tmp_path, failing):
    wheel = make_wheel(tmp_path, "large", files={"large/data.bin": random.Random(1).randbytes(3_000_000)})
    with small_disk(tmp_path / "small", "1M"):
        message = failing(make_spec(tmp_path / "store", [wheel]), UV_CACHE_DIR=str(tmp_path / "small"))
    assert "No space left on device" in message and f" and {tmp_path}/small (" in message
    assert "set EVALFLOW_SCRATCH" in message


@needs_root
@pytest.mark.parametrize(("option", "reason"), [("ro", "Read-only file system"), ("full", "No space left on device")])
def test_scratch_that_takes_nothing_more(tmp_path, option, reason):
    """For the lock, which is resolved there; the folder of this user is there already."""
    spec = make_spec(tmp_path / "store", ["tiny"])
    with small_disk(tmp_path / "small", "1M") as scratch:
        (scratch / f"evalflow-{os.getuid()}").mkdir(mode=0o700)
        if option != "ro":
            fill(scratch)
            (scratch / "rest").write_bytes(bytes(8192))
        else:
            subprocess.run(["mount", "-o", "remount,ro", scratch], check=True)
        env = {"EVALFLOW_SCRATCH": str(scratch), "UV_CACHE_DIR": str(tmp_path / "cache")}
        message = one_line(run("lock_requirements.py", "--metadata", spec.folder / METADATA, spec=spec, env=env))
    assert reason in message and f"{scratch}/evalflow-{os.getuid()}" in message
    assert "set EVALFLOW_SCRATCH to " in message


@needs_root
def test_scratch_from_which_nothing_may_run(tmp_path, failing):
    """Mounted with noexec: compiled modules cannot be loaded from it."""
    library = min(Path(sysconfig.get_path("stdlib")).glob("lib-dynload/*.so"), key=os.path.getsize)
    loads = "import ctypes, pathlib\nctypes.CDLL(pathlib.Path(__file__).with_name('native.so'))\n"
    files = {"onnxruntime/__init__.py": loads, "onnxruntime/native.so": library.read_bytes()}
    spec = make_spec(tmp_path / "store", [make_wheel(tmp_path, "onnxruntime", files=files)])
    lock(spec)
    with small_disk(tmp_path / "small", "50M") as scratch:
        subprocess.run(["mount", "-o", "remount,noexec", scratch], check=True)
        message = failing(spec.model_copy(update={"runner": "onnx"}), EVALFLOW_SCRATCH=str(scratch))
    assert "is built but does not work: OSError: " in message and "failed to map segment" in message
    assert f"{scratch}/evalflow-{os.getuid()}" in message and "set EVALFLOW_SCRATCH to another folder" in message


def test_scratch_that_cannot_be_used(tmp_path, failing):
    (tmp_path / "file").write_text("")
    message = failing(make_spec(tmp_path / "store", ["tiny"]), EVALFLOW_SCRATCH=str(tmp_path / "file"))
    assert "no scratch folder" in message and "set EVALFLOW_SCRATCH" in message


@pytest.mark.parametrize(
    ("phase", "number"),
    [("compile", signal.SIGTERM), ("compile", signal.SIGKILL), ("squash", signal.SIGINT), ("squash", signal.SIGKILL)],
)
def test_killed_build_leaves_nothing_that_looks_finished(tmp_path, phase, number):
    modules = {
        f"large/part{number}.py": "".join(f"A{line} = {line}\n" for line in range(4_000)) for number in range(20)
    }
    wheel = make_wheel(
        tmp_path, "large", files=modules if phase == "compile" else {"large/data.bin": os.urandom(1_000_000)}
    )
    spec = make_spec(tmp_path / "store", [wheel])
    locked = lock(spec)
    before = tree(tmp_path / "store")
    slow = f'"{shutil.which("mksquashfs")}" "$@"; touch "{tmp_path}/squashed"; exec sleep 5'
    env = make_tool(tmp_path / "tools", "mksquashfs", slow)
    process = start("build_image.py", "--lock", locked, spec=spec, env=env)
    try:
        if phase == "compile":
            wait_for(
                lambda: list(
                    (tmp_path / "scratch").glob("*/build-*/venv/lib/python*/site-packages/large/__pycache__/*")
                )
            )
        else:
            wait_for(lambda: (tmp_path / "squashed").exists())
    finally:
        process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), stderr
    after = {name for name in tree(tmp_path / "store") if not name.endswith(".tmp")}
    assert after == set(before)
    if number != signal.SIGKILL:
        assert tree(tmp_path / "store") == before
        assert not list((tmp_path / "scratch").glob("*/build-*"))
    elif phase == "squash":
        build_image(spec, locked)
        assert len(list((tmp_path / "store" / "images").glob("*.squashfs"))) == 1


def test_scratch_of_killed_builds_is_removed_after_some_days(tmp_path):
    stale, recent = scratch_folder() / "build-stale", scratch_folder() / "build-recent"
    for folder in (stale, recent):
        (folder / "venv").mkdir(parents=True)
    os.utime(stale, (1e9, 1e9))
    lock(make_spec(tmp_path / "store", ["tiny"]))
    assert recent.exists() and not stale.exists()
