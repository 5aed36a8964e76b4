"""The store: `{outdir}/data`. What has its final name there is whole, and proves it.

Scripts write everything under a temporary name on the store's own file system, flush it, and rename
it. The first writer wins: of two launches that make the same thing at once, the second one finds it
and uses it.
"""

import errno
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from evalflow.digests import hash_file
from evalflow.errors import UserError
from evalflow.host import remove, remove_stale

_MANY_FILES = 1000


def _flush_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot flush folders
            raise
    finally:
        os.close(descriptor)


def _flush(path: Path) -> None:
    """Flush files and folders to the disk: a full or failing disk must show before the rename."""
    if path.is_symlink():
        return
    below = [one for one in path.rglob("*") if not one.is_symlink()] if path.is_dir() else []
    if len(below) > _MANY_FILES:
        os.sync()  # of all that is written on this host, and yet faster
        return
    for one in [*below, path]:
        _flush_one(one)


def _settle(temporary: Path, final: Path) -> None:
    """Give `temporary` its final name, unless `final` exists already."""
    try:
        if temporary.is_dir() and not temporary.is_symlink():
            temporary.rename(final)  # fails where a folder with content is there
        elif temporary.is_symlink():
            os.symlink(os.readlink(temporary), final)
        else:
            os.link(temporary, final)
    except FileExistsError:
        pass
    except OSError:
        if not os.path.lexists(final):
            if temporary.is_dir():
                raise
            temporary.rename(final)  # a file system without hard links


@contextmanager
def new_in_store(final: Path) -> Iterator[Path]:
    """Yield a temporary path beside `final` to write to; afterwards it gets its final name.

    It may become a file, a link or a folder. Where `final` exists already, it stays, and what was
    written is dropped. A failure leaves nothing.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(final.parent, ".*.tmp")
    temporary = final.with_name(f".{final.name}.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        _flush(temporary)
        _settle(temporary, final)
        _flush_one(final.parent)
    except OSError as error:
        if error.filename is None:  # a failed write does not say of which file
            error.filename = str(final)
        raise
    finally:
        remove(temporary)


def _link_or_copy(source: str, target: str) -> None:
    # A linked file keeps its group. So copy where the store's folders give their group to what is
    # made in them.
    if os.stat(source).st_gid == os.stat(os.path.dirname(target)).st_gid:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without hard links
            pass
    shutil.copy2(source, target)


def store_folder(source: Path, final: Path) -> None:
    """Make `final` equal to the folder `source`, whole or not at all; hard links if possible."""
    problems = []

    def link_or_copy(one: str, other: str) -> None:
        try:
            _link_or_copy(one, other)
        except OSError as error:
            problems.append(error)
            raise

    with new_in_store(final) as temporary:
        try:
            shutil.copytree(source, temporary, symlinks=True, copy_function=link_or_copy)
        except shutil.Error as error:  # which lists texts, without the number of the error
            raise (problems or [error])[0] from None
        os.utime(temporary)  # it has its source's time, by which it might be stale


def write_new(final: Path, text: str) -> None:
    """Write `text` to `final`, whole or not at all; an existing file stays."""
    with new_in_store(final) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def new_in_place_of(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` for a file or link, which then replaces it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is None:  # a failed write does not say of which file
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_over(path: Path, text: str) -> None:
    """Make `path` hold `text`, whole or not at all, whatever was there before."""
    with new_in_place_of(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def replace_file(source: Path, path: Path) -> None:
    """Make `path` equal to the file `source`, whole or not at all, whatever was there before."""
    with new_in_place_of(path) as temporary:
        _link_or_copy(str(source), str(temporary))
        _flush(temporary)


def replace_link(link: Path, target: str) -> None:
    """Point the symbolic link `link` at `target`, in one step."""
    with new_in_place_of(link) as temporary:
        temporary.symlink_to(target)


def remove_dangling(link: Path) -> None:
    """Remove a link that leads nowhere, unless another process has changed it meanwhile."""
    taken = link.with_name(f".{link.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        link.rename(taken)
    except FileNotFoundError:
        return
    try:
        if taken.exists():
            os.symlink(os.readlink(taken), link)
    except FileExistsError:
        pass
    finally:
        remove(taken)


def to_json(data: object) -> str:
    """Return `data` as indented JSON text for people."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def read_json(path: Path) -> dict | None:
    """Return the JSON mapping in `path`, or None where there is none or it is not whole."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def describe_file(path: Path) -> dict:
    """Return size (bytes) and SHA-256 of a file."""
    return {"size": path.stat().st_size, "sha256": hash_file(path)}


def compare_file(path: Path, proof: dict, verify: bool) -> str | None:
    """Return what is wrong with `path` against its proof, or None.

    Parameters
    ----------
    proof : mapping with `size` in bytes and `sha256`
    verify : also read the file and compare its digest
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})"
    if size != proof.get("size"):
        return f"{path.name} has {size} bytes instead of {proof.get('size')}"
    if verify:
        try:
            same = hash_file(path) == proof.get("sha256")
        except OSError as error:
            return f"{path.name} cannot be read ({error.strerror})"
        if not same:
            return f"{path.name} has another content than when it was made (its digest differs)"
    return None


def bad_name(path: Path) -> Path:
    """Return a name beside `path` to move something damaged to."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    candidate = path.with_name(f"{path.name}.bad-{stamp}")
    number = 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}.bad-{stamp}-{number}")
    return candidate


def set_aside(path: Path, name: Path | None = None) -> Path:
    """Move something damaged out of the way, never deleting it, and return where it is now.

    Parameters
    ----------
    path : what is damaged
    name : where it is looked for, and hence moved beside, where that is not `path`

    Raises
    ------
    UserError
        Where the store may not be changed.
    """
    target = bad_name(name or path)
    try:
        path.rename(target)
    except FileNotFoundError:
        pass  # another launch has moved it
    except OSError as error:
        raise UserError(
            f"{path}: damaged, and it cannot be moved aside: {error.strerror}; repair or remove it"
        ) from None
    return target
