"""Files of archives: by a pattern with times in it, or all below a folder; and what they are."""

import os
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.grib.scan import is_grib

_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}
"""Directives of strftime that a pattern may have → number of digits."""
_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)


def check_pattern(pattern: str, key: str) -> None:
    """Check that a pattern has directives that evalflow knows.

    Parameters
    ----------
    pattern : such as `%Y%m%d%H/*.grib`
    key : of the config, for the message

    Raises
    ------
    UserError
        Where it has others, or is not below its root.
    """
    unknown = [letter for letter in _DIRECTIVE.findall(pattern) if letter not in {*_DIGITS, "%"}]
    if unknown:
        allowed = " ".join(f"%{letter}" for letter in _DIGITS)
        raise UserError(f"{key}: {pattern} has %{unknown[0]}; allowed: {allowed}")
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise UserError(f"{key}: {pattern} leaves the root; allowed: a path below it")


def files_at(root: Path, pattern: str | None, time: datetime) -> list[Path]:
    """Return the files of a time, sorted: those that the pattern with this time in it means.

    Parameters
    ----------
    root : folder, or a file where there is no pattern
    pattern : with directives of strftime and wildcards as shells have them (`**` too); None: all
        files below `root`
    time : init time or valid time
    """
    return files_below(root) if pattern is None else _files(root, time.strftime(pattern))


def files_below(root: Path) -> list[Path]:
    """Return a file itself, or all files below a folder, sorted.

    Hidden ones are left out; a Zarr store counts as a file. A link to a folder that it is in itself
    is not followed.
    """
    if root.is_file() or is_zarr(root):
        return [root]
    found = []
    above = {str(root): {os.path.realpath(root)}}
    for folder, folders, files in os.walk(root, followlinks=True):
        here, seen = Path(folder), above.pop(folder)
        stores = [name for name in folders if is_zarr(here / name)]
        found += [here / name for name in [*files, *stores] if not name.startswith(".")]
        real = {name: os.path.realpath(here / name) for name in folders}
        folders[:] = [
            name for name in folders if name not in stores and not name.startswith(".") and real[name] not in seen
        ]
        above |= {os.path.join(folder, name): seen | {real[name]} for name in folders}
    return sorted(found)


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr store, of version 2 or 3."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def is_icon_archive(root: Path) -> bool:
    """Tell whether a folder is an archive of ICON's forecasts: `FCST{yy}/…`."""
    return root.is_dir() and next(root.glob("FCST[0-9][0-9]"), None) is not None


def format_of(path: Path) -> str | None:
    """Return what a file is by its content: `grib`, `netcdf`, `zarr`, `table`, or None."""
    if path.is_dir():
        return "zarr" if is_zarr(path) else None
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith((b"CDF", b"\x89HDF")):
        return "netcdf"
    if start.startswith(b"PAR1") or path.name.casefold().endswith((".csv", ".csv.gz")):
        return "table"
    return "grib" if is_grib(path) else None


def files_by_time(root: Path, pattern: str | None) -> list[list[Path]]:
    """Return all files of an archive, those of one time together, in the order of time."""
    if pattern is None:
        return [files_below(root)]
    wildcards = _DIRECTIVE.sub(lambda match: "%" if match[1] == "%" else "[0-9]" * _DIGITS[match[1]], pattern)
    groups: dict[tuple[str, ...], list[Path]] = {}
    for path in _files(root, wildcards):
        groups.setdefault(_digits_in(str(path.relative_to(root)), pattern), []).append(path)
    return [groups[key] for key in sorted(groups)]


def _files(root: Path, wildcards: str) -> list[Path]:
    found = (files_below(path) for path in sorted(root.glob(wildcards)))
    return sorted({path for paths in found for path in paths})


def _digits_in(name: str, pattern: str) -> tuple[str, ...]:
    """Return the digits of a file's name that directives stand for, the longest spans first."""
    match = _as_regex(pattern).match(name)
    if match is None:
        return ()
    order = "YyjmdHMS"
    letters = [letter for letter in _DIRECTIVE.findall(pattern) if letter != "%"]
    found = sorted(zip(letters, match.groups(), strict=True), key=lambda one: order.index(one[0]))
    return tuple(digits for _, digits in found)


@lru_cache(maxsize=8)
def _as_regex(pattern: str) -> re.Pattern:
    """Return what matches a name from its start, with one group per directive."""
    found = []
    for token in re.findall(r"%.|\*\*/|\*|\?|\[[^]]*\]|[^%*?\[]+|\[", pattern, re.DOTALL):
        if token.startswith("%"):
            found.append("%" if token == "%%" else rf"(\d{{{_DIGITS[token[1]]}}})")
        elif token in ("**/", "*", "?"):
            found.append({"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}[token])
        elif token.startswith("[") and token.endswith("]"):
            found.append("[^" + token[2:] if token.startswith("[!") else token)
        else:
            found.append(re.escape(token))
    return re.compile("".join(found), re.DOTALL)
