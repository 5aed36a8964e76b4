"""The inference config of a run: its content, the files that it names, its identity."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalflow.config.inputs import YAML, Identified, Keys, find_named, replace_texts
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.lookup import RESOURCES, Lookup
from evalflow.texts import check_texts
from evalflow.yamlio import dump_yaml, parse_yaml, read_text, read_yaml


@dataclass(frozen=True)
class InferenceConfig:
    """An inference config, ready to be identified and to be written out.

    Attributes
    ----------
    identity : parsed content in which every named file, folder or wildcard is replaced by the
        digest of what it holds
    located : parsed content in which they are replaced by their absolute paths
    files : named file, folder or wildcard as written → absolute path
    linked : name below `resources/` in a model's working folder → absolute path of what is to be
        seen there
    rewritten : name below `resources/` → text of a named YAML or JSON file, with the files that it
        names located
    counted : all files whose bytes count
    uncounted : name → why its content does not count
    """

    identity: dict
    located: dict
    files: dict[str, str] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    rewritten: dict[str, str] = field(default_factory=dict)
    counted: tuple[str, ...] = ()
    uncounted: dict[str, str] = field(default_factory=dict)


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

    def __init__(self, rewrite: bool, working: frozenset[str]) -> None:
        self.rewrite = rewrite
        self.working = working
        self.files: dict[str, str] = {}
        self.rewritten: dict[str, str] = {}
        self.uses_resources = False

    def locate(self, data: Any, lookup: Lookup, parents: tuple[Path, ...] = ()) -> Any:
        def change(text: str, keys: Keys) -> str:
            is_resource = text.startswith(f"{RESOURCES}/") and bool(lookup.resources)
            self.uses_resources |= is_resource
            named = find_named(text, lookup, keys, self.working)
            if named is None or named.kind == "url" or Path(named.path) in parents:
                return text
            if not parents:
                self.files[text] = named.path
            name = self._rewrite(Path(named.path), lookup, parents) if named.kind == "file" else None
            if name:
                return name
            # In a file of its own, a name is left to the model where it means the same in the
            # working folder.
            return text if parents and is_resource else named.located

        return replace_texts(data, change)

    def _rewrite(self, path: Path, lookup: Lookup, parents: tuple[Path, ...]) -> str | None:
        """Return the new name of a file that names files relative to itself, else None."""
        if path.suffix not in YAML or not self.rewrite:
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


def _read(data: dict, lookup: Lookup, reading: "Reading") -> InferenceConfig:
    lookup = replace(lookup, resources=_resource_folders(lookup.beside))
    data = {name: value for name, value in data.items() if name not in reading.overrides}
    locator = _Locator(reading.rewrite, reading.working)
    located = locator.locate(data, lookup)
    folders = lookup.resources if locator.uses_resources else ()
    linked = {path.name: str(path) for folder in reversed(folders) for path in sorted(folder.iterdir())}
    identified = Identified(lookup, working=reading.working)
    identity = identified.replace(data)
    counted = tuple(dict.fromkeys(identified.files))
    return InferenceConfig(identity, located, locator.files, linked, locator.rewritten, counted, identified.uncounted)


@dataclass(frozen=True)
class Reading:
    """How a model reads its inference config.

    Attributes
    ----------
    overrides : top-level keys that evalflow sets itself for every forecast; what the config says of
        them is dropped
    rewrite : whether named YAML and JSON files get the absolute paths of what they name: for a
        model that looks for all names in its working folder
    working : folders that the model finds in its working folder: wildcards and folders below them
        are left alone
    """

    overrides: frozenset[str] = frozenset()
    rewrite: bool = False
    working: frozenset[str] = frozenset()


def read_inference_config(
    config: dict | str, lookup: Lookup, key: str, reading: Reading | None = None
) -> InferenceConfig:
    """Read the inference config of a run.

    Parameters
    ----------
    config : mapping, or path of a YAML file
    lookup : where relative paths of the experiment's config are looked up; names inside a YAML file
        are looked up beside that file first
    key : the config key, for messages
    reading : how the model reads it

    Raises
    ------
    UserError
        Where the file is missing or is not a YAML mapping, or where it holds credentials or names
        an empty file.
    """
    reading = reading or Reading()
    path = Path(os.path.abspath(lookup.require(config, key))) if isinstance(config, str) else None
    try:
        if path is not None:
            return _read(_read_file(path), lookup.next_to(path), reading)
        assert isinstance(config, dict)
        return _read(config, lookup, reading)
    except UserError as error:
        raise UserError("\n".join(f"{key}: {line}" for line in str(error).splitlines())) from None
