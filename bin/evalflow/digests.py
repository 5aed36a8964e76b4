"""SHA-256 of data and of files."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from evalflow.errors import UserError

_CHUNK = 1 << 22
_SETTLED_SECONDS = 2
"""Age from which a file's times show changes: clocks of file systems tick in up to a second."""


def canonical(data: Any) -> str:
    """Return `data` (JSON-like) as its canonical JSON text: sorted keys, no white space."""
    return json.dumps(_with_text_keys(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _with_text_keys(data: Any) -> Any:
    """Return `data` with keys as JSON writes them: keys of several types cannot be sorted."""
    if isinstance(data, dict):
        return {key if isinstance(key, str) else json.dumps(key): _with_text_keys(value) for key, value in data.items()}
    return [_with_text_keys(item) for item in data] if isinstance(data, list | tuple) else data


def digest(data: Any) -> str:
    """Return the SHA-256 (64 hex digits) of the canonical form of `data`."""
    return hashlib.sha256(canonical(data).encode("utf-8", "surrogatepass")).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 (64 hex digits) of the bytes of `path`, read now."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_CHUNK):
            sha256.update(block)
    return sha256.hexdigest()


def _cache_folder() -> Path:
    base = os.environ.get("EVALFLOW_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "evalflow"
    )
    return Path(base) / "digests"


def file_digest(path: Path) -> str:
    """Return the SHA-256 (64 hex digits) of `path`, cached while size, inode, mtime and ctime stay.

    The cache saves reading gigabytes at every launch. It is one small file per digest below
    `$EVALFLOW_CACHE` (default `~/.cache/evalflow`); a cache that cannot be read or written only
    costs time.

    Raises
    ------
    UserError
        Where the file is missing, empty, unreadable, or not a regular file.
    """
    path = Path(os.path.realpath(path))
    try:
        if not path.is_file():
            raise UserError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
        stat = path.stat()
        if stat.st_size == 0:
            raise UserError(f"{path}: the file is empty")
        key = digest([str(path), stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns])
        entry = _cache_folder() / key[:32]
        try:
            stored = entry.read_text().split()
            if len(stored) == 2 and stored[0] == key:
                return stored[1]
        except (OSError, UnicodeDecodeError):
            pass
        value = hash_file(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if time.time() - stat.st_ctime < _SETTLED_SECONDS:
        return value  # it may still change without its times showing it
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary = entry.with_name(f"{entry.name}.{os.getpid()}")
        temporary.write_text(f"{key} {value}\n")
        temporary.replace(entry)
    except OSError:
        pass
    return value
