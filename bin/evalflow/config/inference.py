"""The inference config of a run: its content, the files that it names, its identity."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalflow.digests import digest, file_digest
from evalflow.errors import UserError
from evalflow.lookup import RESOURCES, Lookup
from evalflow.texts import check_texts
from evalflow.yamlio import dump_yaml, parse_yaml, read_text, read_yaml

_YAML = {".yaml", ".yml", ".json"}
_ZARR_METADATA = (".zmetadata", ".zgroup", ".zattrs", "zarr.json")
_MAY_BE_A_FILE = re.compile(r"[^\n{}*]*(?:/|\.[A-Za-z][A-Za-z0-9]*$)[^\n{}*]*")


def replace_values(data: Any, change: Callable[[str], Any]) -> Any:
    """Return a copy of `data` in which every text value is what `change` makes of it."""
    if isinstance(data, dict):
        return {key: replace_values(value, change) for key, value in data.items()}
    if isinstance(data, list):
        return [replace_values(value, change) for value in data]
    return change(data) if isinstance(data, str) else data


def _find(text: str, lookup: Lookup) -> Path | None:
    """Return the file (or Zarr store) that a text value names, or None where it names none."""
    if len(text) > 4096 or not _MAY_BE_A_FILE.fullmatch(text) or "://" in text:
        return None
    path = lookup.find(text)
    if path is None or not (path.is_file() or any((path / name).is_file() for name in _ZARR_METADATA)):
        return None
    return Path(os.path.abspath(path))


def _content(path: Path, lookup: Lookup, parents: tuple[Path, ...] = ()) -> Any:
    """Return what identifies the content of a named file.

    YAML and JSON count as parsed data, with the files that they name in turn; a Zarr store counts
    by its metadata documents (its chunks are too many to read at every launch); any other file by
    its bytes.
    """
    if path in parents:
        return {"cycle": len(parents) - parents.index(path)}
    if path.is_dir():
        names = [name for name in _ZARR_METADATA if (path / name).is_file()]
        return {"zarr": {name: file_digest(path / name) for name in names}}
    if path.suffix in _YAML:
        try:
            data = parse_yaml(read_text(path), str(path))
        except UserError:
            return {"sha256": file_digest(path)}
        return {"data": _identified(data, lookup.next_to(path), (*parents, path))}
    return {"sha256": file_digest(path)}


def _identified(data: Any, lookup: Lookup, parents: tuple[Path, ...] = ()) -> Any:
    def change(text: str) -> Any:
        path = _find(text, lookup)
        return {"file": digest(_content(path, lookup, parents))} if path else text

    return replace_values(data, change)


@dataclass(frozen=True)
class InferenceConfig:
    """An inference config, ready to be identified and to be written out.

    Attributes
    ----------
    identity : parsed content in which every named file is replaced by the digest of what it holds
    located : parsed content in which every named file is replaced by its absolute path
    files : named file as written → absolute path
    linked : name below `resources/` in a model's working folder → absolute path of what is to be
        seen there
    rewritten : name below `resources/` → text of a named YAML or JSON file, with the files that it
        names located
    """

    identity: dict
    located: dict
    files: dict[str, str] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    rewritten: dict[str, str] = field(default_factory=dict)


def _resource_folders(folder: Path) -> tuple[Path, ...]:
    """Return what a model is to see as `resources/` for an inference config in `folder`.

    That is `resources/` beside the config, or else, as evalml has them, `templates/` and
    `metadata/` beside `configs/`.
    """
    if (folder / RESOURCES).is_dir():
        return (folder / RESOURCES,)
    if folder.name == "configs":
        return tuple(path for path in (folder.parent / "metadata", folder.parent / "templates") if path.is_dir())
    return ()


class _Locator:
    """Replaces named files by absolute paths, and collects what a working folder must hold."""

    def __init__(self, rewrite: bool) -> None:
        self.rewrite = rewrite
        self.files: dict[str, str] = {}
        self.rewritten: dict[str, str] = {}
        self.uses_resources = False

    def locate(self, data: Any, lookup: Lookup, parents: tuple[Path, ...] = ()) -> Any:
        def change(text: str) -> str:
            is_resource = text.startswith(f"{RESOURCES}/") and bool(lookup.resources)
            self.uses_resources |= is_resource
            path = _find(text, lookup)
            if path is None or path in parents:
                return text
            if not parents:
                self.files[text] = str(path)
            name = self._rewrite(path, lookup, parents)
            if name:
                return name
            # In a file of its own, a name is left to the model where it means the same in the
            # working folder.
            return text if parents and is_resource else str(path)

        return replace_values(data, change)

    def _rewrite(self, path: Path, lookup: Lookup, parents: tuple[Path, ...]) -> str | None:
        """Return the new name of a file that names files relative to itself, else None."""
        if path.suffix not in _YAML or not self.rewrite:
            return None
        try:
            data = parse_yaml(read_text(path), str(path))
        except UserError:
            return None
        check_texts(data, path)
        located = self.locate(data, lookup.next_to(path), (*parents, path))
        if located == data:
            return None
        name = f"{path.stem}-{digest(located)[:8]}{path.suffix}"
        self.rewritten[name] = json.dumps(located, indent=2) if path.suffix == ".json" else dump_yaml(located)
        return f"{RESOURCES}/{name}"


def _read_file(path: Path) -> dict:
    if not path.is_file():  # a device may have no end
        raise UserError(f"{path}: not a regular file")
    data = read_yaml(path)
    if data is None:
        raise UserError(f"{path}: the inference config is empty")
    if not isinstance(data, dict):
        raise UserError(f"{path}: the inference config must be a mapping of keys to values")
    check_texts(data, path)
    return data


def _read(data: dict, lookup: Lookup, overrides: frozenset[str], rewrite: bool) -> InferenceConfig:
    lookup = replace(lookup, resources=_resource_folders(lookup.beside))
    data = {name: value for name, value in data.items() if name not in overrides}
    locator = _Locator(rewrite)
    located = locator.locate(data, lookup)
    folders = lookup.resources if locator.uses_resources else ()
    linked = {path.name: str(path) for folder in reversed(folders) for path in sorted(folder.iterdir())}
    return InferenceConfig(_identified(data, lookup), located, locator.files, linked, locator.rewritten)


def read_inference_config(
    config: dict | str, lookup: Lookup, key: str, overrides: frozenset[str] = frozenset(), rewrite: bool = False
) -> InferenceConfig:
    """Read the inference config of a run.

    Parameters
    ----------
    config : mapping, or path of a YAML file
    lookup : where relative paths of the experiment's config are looked up; names inside a YAML file
        are looked up beside that file first
    key : the config key, for messages
    overrides : top-level keys that evalflow sets itself for every forecast; what the config says of
        them is dropped
    rewrite : whether named YAML and JSON files get the absolute paths of what they name: for a
        model that looks for all names in its working folder

    Raises
    ------
    UserError
        Where the file is missing or is not a YAML mapping, or where it holds credentials or names
        an empty file.
    """
    path = Path(os.path.abspath(lookup.require(config, key))) if isinstance(config, str) else None
    try:
        if path is not None:
            return _read(_read_file(path), lookup.next_to(path), overrides, rewrite)
        assert isinstance(config, dict)
        return _read(config, lookup, overrides, rewrite)
    except UserError as error:
        raise UserError("\n".join(f"{key}: {line}" for line in str(error).splitlines())) from None
