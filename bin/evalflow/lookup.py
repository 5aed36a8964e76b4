"""Look for relative paths: beside the naming file, in the launch folder, in the project."""

import glob
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from evalflow.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]
RESOURCES = "resources"
"""Folder in a model's working folder with GRIB templates and metadata patches of its config."""


@dataclass(frozen=True)
class Lookup:
    """The folders in which relative paths are looked up.

    Attributes
    ----------
    beside : folder of the file that names the path
    launch : folder that the pipeline was launched from
    resources : folders whose files a model sees as `resources/…` in its working folder
    """

    beside: Path
    launch: Path
    resources: tuple[Path, ...] = ()

    def candidates(self, name: str) -> list[Path]:
        """Return the absolute paths that `name` may mean, best first."""
        path = Path(os.path.expanduser(name))  # unlike Path.expanduser, it leaves the home of a nobody as it is
        if path.is_absolute():
            return [path]
        places = [folder / path for folder in dict.fromkeys([self.beside, self.launch, PROJECT])]
        if path.parts[:1] == (RESOURCES,):
            places[1:1] = [folder.joinpath(*path.parts[1:]) for folder in self.resources]
        return list(dict.fromkeys(places))

    def find(self, name: str) -> Path | None:
        """Return the first candidate that exists, else None.

        A variable of the environment at its start, such as `$HOME/…`, stands for its value where
        that is an absolute path. No message shows it, because variables may hold secrets.
        """
        try:
            places = [place for text in _meanings(name) for place in self.candidates(text)]
        except ValueError:  # a NUL in what would be a user's name
            return None
        for path in places:
            try:
                if path.exists():
                    return path
            except (OSError, ValueError):
                pass
        return None

    def patterns(self, name: str) -> list[str]:
        """Return the absolute wildcards that `name`, which holds some, may mean, best first."""
        found = []
        for text in _meanings(name):
            path = os.path.expanduser(text)
            # Brackets in the name of a folder that we put before it are none of the pattern.
            folders = [glob.escape(str(folder)) for folder in (self.beside, self.launch, PROJECT)]
            if path.startswith(f"{RESOURCES}/"):
                folders[1:1] = [
                    glob.escape(str(folder.parent)) for folder in self.resources if folder.name == RESOURCES
                ]
            places = [path] if os.path.isabs(path) else [os.path.join(folder, path) for folder in folders]
            found += [os.path.normpath(place) for place in places]
        return list(dict.fromkeys(found))

    def require(self, name: str, key: str) -> Path:
        """Return the path that `name` means.

        Raises
        ------
        UserError
            With the config's `key` and the places looked at, where there is none.
        """
        found = self.find(name)
        if found is None:
            tried = ", ".join(str(path) for path in self.candidates(name))
            raise UserError(f"{key}: no such file: {name} (looked for {tried})")
        return found

    def next_to(self, path: Path) -> "Lookup":
        """Return the lookup for names that stand in the file `path`."""
        return replace(self, beside=path.parent)


_VARIABLE = re.compile(r"\$(?:(\w+)|\{(?:oc\.env:)?(\w+)\})(?=/)")


def _meanings(name: str) -> list[str]:
    """Return a name as it is written, and with the variable at its start filled in.

    Variables are written as in a shell or as in OmegaConf (`${oc.env:HOME}/…`).
    """
    match = _VARIABLE.match(name)
    value = os.environ.get(match[1] or match[2], "") if match else ""
    return [name, value + name[match.end() :]] if match and value.startswith("/") else [name]


def without_variable(name: str) -> str:
    """Return a name without the variable at its start: a path, whatever the variable holds."""
    return _VARIABLE.sub("", name, count=1) if _VARIABLE.match(name) else name


def canonical_path(text: str, lookup: Lookup) -> str:
    """Return an input path in one spelling: absolute where it exists, no trailing slash."""
    if "://" in text:
        return text.rstrip("/")
    # POSIX gives two leading slashes a meaning of their own; nobody who writes them means it.
    return re.sub("^//", "/", os.path.normpath(lookup.find(text) or os.path.expanduser(text)))
