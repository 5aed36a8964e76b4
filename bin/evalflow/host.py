"""The host: its platform, and scratch folders on it."""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalflow.errors import UserError


def scratch_folder() -> Path:
    """Return the user's node-local folder, below `$EVALFLOW_SCRATCH`, else `$TMPDIR`, else /tmp."""
    base = os.environ.get("EVALFLOW_SCRATCH") or os.environ.get("TMPDIR") or "/tmp"
    folder = Path(base) / f"evalflow-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: no scratch folder: {error.strerror}; set EVALFLOW_SCRATCH") from None
    if folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder}: belongs to somebody else; set EVALFLOW_SCRATCH to a folder of your own")
    return folder


@contextmanager
def temporary_scratch(purpose: str) -> Iterator[Path]:
    """Yield a new node-local folder.

    It is removed afterwards, at the latest by the next one for the same purpose.
    """
    base = scratch_folder()
    remove_stale(base, f"{purpose}-*")
    folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def this_platform() -> str:
    """Return the platform of this host, e.g. `linux-x86_64`."""
    return f"{sys.platform}-{platform.machine()}"


_STALE_SECONDS = 2 * 24 * 3600


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, where it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_stale(folder: Path, pattern: str) -> None:
    """Remove what matches `pattern` in a folder and is two days old: killed processes left it."""
    for stale in folder.glob(pattern):
        try:
            if time.time() - stale.lstat().st_mtime > _STALE_SECONDS:
                remove(stale)
        except OSError:  # its writer, or another process, was faster
            pass


def target_platform() -> str:
    """Return the platform of environments: `$EVALFLOW_PLATFORM`, else this host's."""
    return os.environ.get("EVALFLOW_PLATFORM") or this_platform()
