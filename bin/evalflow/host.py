"""The host: its platform, and scratch folders on it."""

import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalflow.errors import UserError, describe_os_error


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


_FULL = re.compile(r"No space left on device|Disk quota exceeded|\(os error (?:28|122)\)|failed to map segment")
"""What is said where a folder is full; or, of the last one, where no program in it may run (noexec)."""
_UNFIT = re.compile(r"Permission denied|Operation not permitted|Read-only file system|Input/output error|Stale file")
"""What is said where a folder does not do; it may be said of other files, too."""


def scratch_hint(text: str, *folders: Path) -> str:
    """Return what to add to an error text where the scratch folder is the cause, else nothing.

    Parameters
    ----------
    text : what was said
    folders : more folders that were written to
    """
    scratch = scratch_folder()
    used = [str(scratch), *(str(folder) for folder in folders if not folder.is_relative_to(scratch))]
    if not _FULL.search(text) and not (_UNFIT.search(text) and any(folder in text for folder in used)):
        return ""
    free = shutil.disk_usage(scratch).free / 1e9
    return (
        f"; this was done in {' and '.join(used)} (scratch has {free:.1f} GB free); make room, or set EVALFLOW_SCRATCH to "
        "another folder"
    )


@contextmanager
def temporary_scratch(purpose: str) -> Iterator[Path]:
    """Yield a new node-local folder.

    It is removed afterwards, at the latest by the next one for the same purpose.

    Raises
    ------
    UserError
        Where something in it could not be written, with the scratch folder and how to choose
        another.
    """
    base = scratch_folder()
    remove_stale(base, f"{purpose}-*")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=base))
    except OSError as error:
        raise UserError(f"{base}: {error.strerror}; set EVALFLOW_SCRATCH to a folder that can be written to") from None
    try:
        yield folder
    except OSError as error:
        names = [str(name) for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
        # A write that fails names no file: then it was here if nothing fits in here any more.
        here = any(name.startswith(str(folder)) for name in names) if names else shutil.disk_usage(folder).free < 2**20
        hint = scratch_hint(str(error)) if here else ""
        if not hint:
            raise
        raise UserError(f"{describe_os_error(error)}{hint}") from None
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
