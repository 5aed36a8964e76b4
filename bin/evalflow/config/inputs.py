"""What a text of a config names: a file, a folder, a wildcard, a Zarr store; and what counts of it.

Content counts, names do not: a changed file makes another run, a moved one does not. What evalflow
cannot count by content (a URL, a name with `{date}` in it, a folder of terabytes) counts by name.
"""

import glob
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from evalflow.config.zarr_stores import identify_store, is_store
from evalflow.digests import digest, file_digest
from evalflow.errors import UserError
from evalflow.lookup import Lookup, without_variable
from evalflow.yamlio import parse_yaml, read_text

YAML = {".yaml", ".yml", ".json"}
_MOST_FILES = 1000
_MOST_BYTES = 10 << 30
"""Of a folder or a wildcard, files and bytes that are read to count it by content."""
_LONGEST = 4096
_MAY_BE_A_FILE = re.compile(r"[^\n{}*]*(?:/|\.[A-Za-z][A-Za-z0-9]*$)[^\n{}*]*")
_MAY_BE_SEVERAL = re.compile(r"(?=.*[A-Za-z0-9])[^\n]*(?:/|\.[A-Za-z][A-Za-z0-9]*$)[^\n]*")
_DOTS = re.compile(r"[./]*")
_ESCAPED = re.compile(r"\[([*?[])\]")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_WRITTEN = re.compile(
    r"(?i)(?:^|[_-])(?:out(?:put)?s?|caches?|te?mp|scratch|logs?|traces?|work(?:ing)?)(?:[_-]|$|dir|path|folder)"
)
"""Keys and options of what a model writes: a folder there is no input, and changes by itself."""

Kind = Literal["file", "zarr", "folder", "wildcard", "template", "url"]
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """What a text names.

    Attributes
    ----------
    kind : one file, a Zarr store, a folder, a wildcard, a name with `{…}` in it, or a URL
    path : absolute; of a URL as it is written
    located : what to write in place of the text, so that it means the same from everywhere
    """

    kind: Kind
    path: str
    located: str


@dataclass(frozen=True)
class Content:
    """What counts of what a text names.

    Attributes
    ----------
    identity : JSON-like, or None where the content does not count and the name stands for it
    files : those whose bytes count
    why : why the content does not count, or only in part
    """

    identity: Any
    files: tuple[str, ...] = ()
    why: str | None = None


def is_written(keys: Keys) -> bool:
    """Return whether a text at these keys is a place that a model writes to."""
    return any(_WRITTEN.search(key) for key in keys)


def find_named(text: str, lookup: Lookup, keys: Keys = (), working: frozenset[str] = frozenset()) -> Named | None:
    """Return what a text names, or None where it names nothing that is there.

    Parameters
    ----------
    keys : where the text stands, for places that a model writes to
    working : folders of the model's own working folder, below which wildcards and folders are its
        own
    """
    if len(text) > _LONGEST or "\n" in text or "\0" in text:
        return None
    if "://" in text:
        return _find_url(text)
    shape = without_variable(text)
    if _MAY_BE_A_FILE.fullmatch(shape) and (path := lookup.find(text)):
        kind = _kind_of(path)
        if kind:
            return Named(kind, os.path.abspath(path), os.path.abspath(path))
    if is_written(keys) or os.path.normpath(text).split("/")[0] in working or not _MAY_BE_SEVERAL.fullmatch(shape):
        return None
    path = lookup.find(text) if "/" in text and not _DOTS.fullmatch(text) else None
    if path is not None and path.is_dir():
        return Named("folder", os.path.abspath(path), os.path.abspath(path))
    return _find_several(text, lookup)


def _kind_of(path: Path) -> Kind | None:
    return "file" if path.is_file() else "zarr" if is_store(path) else None


def _find_url(text: str) -> Named | None:
    if re.search(r"\s", text):
        return None
    if not text.startswith("file://"):
        return Named("url", text, text)
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute() or "\0" in str(path):
        return None
    kind = _kind_of(path) or ("folder" if path.is_dir() and path != path.parent else None)
    return Named(kind, os.path.abspath(path), text) if kind else None


def _find_several(text: str, lookup: Lookup) -> Named | None:
    """Return the first place where a wildcard, or a name with `{…}`, means something."""
    shape = without_variable(text)
    kind: Kind = "template" if _PLACEHOLDER.search(shape) else "wildcard"
    if kind == "wildcard" and not glob.has_magic(shape):
        return None
    for place in lookup.patterns(text):
        # Of `…/**` Python finds the folder before it, also where there is none.
        if any(map(os.path.lexists, glob.iglob(_PLACEHOLDER.sub("*", place), recursive=True))):
            return Named(kind, place, place)
    return None


def content_of(
    named: Named, lookup: Lookup, parents: tuple[Path, ...] = (), working: frozenset[str] = frozenset()
) -> Content:
    """Return what counts of what was found.

    YAML and JSON count as parsed data, with the files that they name in turn; a Zarr store counts
    as a thing, not by how far it reaches; any other file by its bytes; a folder and a wildcard by
    all files, each with its place.

    Parameters
    ----------
    lookup : where names in a YAML file are looked up beside it
    parents : YAML files that name this one
    working : see `find_named`

    Raises
    ------
    UserError
        Where a file is empty or cannot be read.
    """
    if named.kind == "url":
        return Content(None, why="a URL")
    if named.kind == "template":
        return Content(None, why="a name with {…}")
    path = Path(named.path)
    if named.kind == "zarr":
        store = identify_store(path)
        return Content({"zarr": store}, why=None if "uuid" in store else "a Zarr store without a uuid")
    if named.kind in ("folder", "wildcard"):
        return _content_of_several(named, lookup)
    if path in parents:
        return Content({"cycle": len(parents) - parents.index(path)})
    if path.suffix in YAML:
        try:
            data = parse_yaml(read_text(path), str(path))
        except UserError:
            return Content({"sha256": file_digest(path)}, (str(path),))
        found = Identified(lookup.next_to(path), (*parents, path), working)
        return Content({"data": found.replace(data)}, (str(path), *found.files), found.reason())
    return Content({"sha256": file_digest(path)}, (str(path),))


def _content_of_several(named: Named, lookup: Lookup) -> Content:
    """Return the content of a folder or a wildcard: place → digest, while that takes seconds."""
    if named.kind == "folder":
        root = Path(named.path)
        if root == Path(tempfile.gettempdir()) or lookup.launch.is_relative_to(root):
            return Content(None, why="a folder in which other things are written, too")
        paths = files_below(root)
    else:
        root = Path(_fixed_part(named.path))
        paths = (file for path in glob.iglob(named.path, recursive=True) for file in files_below(Path(path)))
    found: dict[str, Any] = {}
    files: list[str] = []
    total, why = 0, None
    try:
        for path in islice(paths, _MOST_FILES + 1):
            name = os.path.relpath(path, root)
            if path.is_dir():
                found[name] = store = identify_store(path)
                why = why if "uuid" in store else "a Zarr store without a uuid in it"
                continue
            size = path.stat().st_size
            total += size
            if len(found) >= _MOST_FILES or total > _MOST_BYTES:
                return Content(None, why=f"more than {_MOST_FILES} files or {_MOST_BYTES >> 30} GB")
            found[name] = file_digest(path) if size else "empty"
            files += [str(path)] if size else []
    except (OSError, UserError):
        return Content(None, why="not all of it can be read")
    return Content({named.kind: found}, tuple(files), why)


def _fixed_part(pattern: str) -> str:
    """Return the folder above the first wildcard of a pattern."""
    parts = [_ESCAPED.sub(r"\1", part) for part in pattern.split("/")]
    magic = [glob.has_magic(_ESCAPED.sub("", part)) for part in pattern.split("/")]
    return "/".join(parts[: magic.index(True)]) or "/"


def files_below(path: Path) -> Iterator[Path]:
    """Yield a file itself, or all files below a folder; a Zarr store counts as one.

    Hidden ones below a folder are left out, and so is what is no regular file.
    """
    seen: set[str] = set()
    waiting = [path]
    while waiting:
        here = waiting.pop()
        if here.is_file() or is_store(here):
            yield here
        elif here.is_dir() and (real := os.path.realpath(here)) not in seen:
            seen.add(real)
            waiting += sorted((one for one in here.iterdir() if not one.name.startswith(".")), reverse=True)


def replace_texts(data: Any, change: Callable[[str, Keys], Any], keys: Keys = ()) -> Any:
    """Return a copy of `data` in which every text value is what `change` makes of it at its keys."""
    if isinstance(data, dict):
        return {key: replace_texts(value, change, (*keys, str(key))) for key, value in data.items()}
    if isinstance(data, list):
        return [replace_texts(value, change, keys) for value in data]
    return change(data, keys) if isinstance(data, str) else data


class Identified:
    """Replaces what texts name by what counts of it, and collects what was read and what was not.

    Attributes
    ----------
    files : those whose bytes count
    uncounted : name → why its content does not count
    """

    def __init__(self, lookup: Lookup, parents: tuple[Path, ...] = (), working: frozenset[str] = frozenset()) -> None:
        self.lookup, self.parents, self.working = lookup, parents, working
        self.files: list[str] = []
        self.uncounted: dict[str, str] = {}

    def text(self, text: str, keys: Keys = ()) -> Any:
        """Return what counts of one text."""
        named = find_named(text, self.lookup, keys, self.working)
        if named is None:
            return text
        content = content_of(named, self.lookup, self.parents, self.working)
        self.files += content.files
        if content.why and not is_written(keys):
            self.uncounted[text] = content.why
        if content.identity is None:
            return text if os.path.isabs(text) or named.kind == "url" else named.path
        return {"file": digest(content.identity)}

    def replace(self, data: Any) -> Any:
        """Return `data` with what counts in place of names."""
        return replace_texts(data, self.text)

    def reason(self) -> str | None:
        """Return why a file that names others does not count by all their content, or None."""
        return next((f"it names {name}, {why}" for name, why in self.uncounted.items()), None)
