"""Small environments for tests, made of wheels that the tests write themselves: no network is needed."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from evalflow.documents import Document
from evalflow.environment.image import build_image
from evalflow.environment.lock import lock_requirements
from evalflow.environment.spec import EnvironmentSpec
from evalflow.requirements import read_lock
from evalflow.store.layout import LOCK, METADATA, image_name

from support.paths import BIN

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting in a private namespace needs root")
needs_mksquashfs = pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="squashfs-tools is not installed")
needs_squashfuse = pytest.mark.skipif(
    shutil.which("squashfuse") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK),
    reason="squashfuse is not installed, or /dev/fuse cannot be used",
)


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: dict[str, str | bytes] | None = None,
    needs: Iterable[str] = (),
) -> Path:
    """Write a wheel with the module `name` and more `files`; it needs the requirements `needs`."""
    about = f"{name}-{version}.dist-info"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        *(f"Requires-Dist: {text}\n" for text in needs),
    ]
    members = {
        f"{name}/__init__.py": f"VERSION = {version!r}\nKNOWN = 1 in {{1, 2, 'one', 'two', 'three'}}\n",
        **(files or {}),
        f"{about}/METADATA": "".join(metadata),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            content = content.encode() if isinstance(content, str) else content
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            record += f"{member},sha256={digest},{len(content)}\n"
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), content)
        archive.writestr(zipfile.ZipInfo(f"{about}/RECORD", (2020, 1, 1, 0, 0, 0)), f"{record}{about}/RECORD,,\n")
    return path


def lock(spec: EnvironmentSpec) -> Path:
    """Lock an environment and return the lock file."""
    lock_requirements(spec, spec.folder / METADATA)
    return spec.folder / LOCK


def build(spec: EnvironmentSpec) -> Path:
    """Lock and build an environment and return the image."""
    locked = lock(spec)
    build_image(spec, locked)
    return spec.images / image_name(read_lock(locked)["image_id"], spec.squash_venv)


def tree(root: Path) -> dict[str, int]:
    """Return path → size of all files and links below `root`."""
    return {
        str(path.relative_to(root)): path.lstat().st_size
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def start(script: str, *words: str | Path, spec: Document | None = None, **options) -> subprocess.Popen:
    """Start a script of `bin/` with a spec on its standard input, as a task does."""
    options["env"] = {**os.environ, "EVALFLOW_VENV": sys.prefix, **options.get("env", {})}
    process = subprocess.Popen(
        [sys.executable, BIN / script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    process.stdin.write(spec.to_json() if spec else "")
    process.stdin.close()
    process.stdin = None
    return process


def run(script: str, *words: str | Path, spec: Document | None = None, **options) -> subprocess.CompletedProcess:
    """Run a script of `bin/` to its end."""
    process = start(script, *words, spec=spec, **options)
    stdout, stderr = process.communicate(timeout=100)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def one_line(result: subprocess.CompletedProcess) -> str:
    """Return the one line by which a script fails, after a check that it is no traceback and no more."""
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and len(lines) == 1 and lines[0].startswith("evalflow: "), result.stderr
    return lines[0]


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(pid: int) -> None:
    """Kill a process that a failing test may have left."""
    if is_running(pid):
        os.kill(pid, signal.SIGKILL)


def make_tool(folder: Path, name: str, script: str) -> dict[str, str]:
    """Write a shell script to `folder` and return the variables by which it comes first on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of `size` bytes (as `mount` writes it) on `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    """Leave two blocks of a small disk, in the file `filler`."""
    with open(disk / "filler", "wb") as file:
        file.write(bytes(os.statvfs(disk).f_bavail * 4096 - 8192))
