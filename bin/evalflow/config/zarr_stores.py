"""What a Zarr store is, whichever days it holds: its uuid or path, its grid, its variables.

Archives grow by a day every day. Shapes, dates and time stamps in their metadata change with it, so
none of them counts. Only JSON is read here, and the chunks of coordinates: planning needs no
library for it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalflow.digests import file_digest
from evalflow.errors import UserError

_MARKS = (".zmetadata", ".zgroup", ".zattrs", "zarr.json", ".zarray")
_TIMES = {
    "date", "dates", "time", "times", "valid_time", "init_time", "initial_time", "reference_time",
    "forecast_reference_time", "forecast_period", "step", "lead_time", "prediction_timedelta",
}  # fmt: skip
"""Dimensions along which a store grows."""
_COORDINATES = {
    "latitudes", "longitudes", "latitude", "longitude", "lat", "lon", "rlat", "rlon", "clat", "clon", "x", "y",
}  # fmt: skip
_MOST_CHUNKS = 1000


def is_store(path: Path) -> bool:
    """Return whether a folder is a Zarr store, of version 2 or 3."""
    return any((path / name).is_file() for name in _MARKS)


def _read(path: Path) -> dict[str, Any]:
    """Return a metadata document; of one that is not there, an empty one."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON: the Zarr store is damaged; write it again") from None
    return data if isinstance(data, dict) else {}


def _arrays_of_2(path: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield name, metadata and attributes of the arrays in a store of version 2."""
    known = _read(path / ".zmetadata").get("metadata") or {}
    if known:
        for place, about in known.items():
            name, _, document = place.rpartition("/")
            if document == ".zarray":
                yield name, about, known.get(f"{name}/.zattrs" if name else ".zattrs") or {}
        return
    for folder in _array_folders(path, ".zarray", ".zgroup"):
        yield os.path.relpath(folder, path), _read(folder / ".zarray"), _read(folder / ".zattrs")


def _arrays_of_3(path: Path, root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield name, metadata and attributes of the arrays in a store of version 3."""
    known = (root.get("consolidated_metadata") or {}).get("metadata") or {}
    documents = known.items() or (
        (os.path.relpath(folder, path), _read(folder / "zarr.json"))
        for folder in _array_folders(path, "zarr.json", "zarr.json")
    )
    for name, about in documents:
        if about.get("node_type") == "array":
            yield name, about, about.get("attributes") or {}


def _array_folders(path: Path, array: str, group: str) -> Iterator[Path]:
    """Yield the folders with a metadata document of arrays, without a look at their chunks."""
    waiting = [path]
    while waiting:
        here = waiting.pop()
        if (here / array).is_file() and (here != path or array != group):
            yield here
        if here == path or ((here / group).is_file() and _read(here / group).get("node_type") != "array"):
            waiting += [one for one in here.iterdir() if one.is_dir()]


def _without_times(about: dict[str, Any], attrs: dict[str, Any]) -> tuple[list[str], Any]:
    """Return the dimensions of an array, and its sizes but for those along which stores grow."""
    dims = [str(dim) for dim in attrs.get("_ARRAY_DIMENSIONS") or about.get("dimension_names") or []]
    shape = about.get("shape") or []
    if len(dims) != len(shape):
        return dims, shape[1:]
    return dims, {dim: size for dim, size in zip(dims, shape, strict=True) if dim not in _TIMES}


def _chunks(folder: Path) -> dict[str, str]:
    """Return place → digest of an array's chunks, where they are few."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in _MARKS]
    files = [path for path in files if path.stat().st_size]
    if len(files) > _MOST_CHUNKS:
        return {}
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def identify_store(path: Path) -> dict[str, Any]:
    """Return what a store is: `uuid` where it records one (as anemoi-datasets does), else `path`.

    With it come `grid` (the coordinates' content) and `variables` (names, types, and sizes but for
    times).

    Raises
    ------
    UserError
        Where its metadata cannot be read.
    """
    root = _read(path / "zarr.json")
    consolidated = _read(path / ".zmetadata").get("metadata") or {}
    attrs = root.get("attributes") or consolidated.get(".zattrs") or _read(path / ".zattrs")
    grid: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for name, about, attributes in _arrays_of_3(path, root) if root else _arrays_of_2(path):
        dims, sizes = _without_times(about, attributes)
        if name.rpartition("/")[2] in _COORDINATES and not _TIMES & set(dims):
            grid[name] = _chunks(path / name)
        elif name not in _TIMES:
            variables[name] = [str(about.get("dtype") or about.get("data_type")), sizes]
    named = attrs.get("variables")  # of an anemoi dataset; its other arrays are statistics
    known = named if isinstance(named, list) else variables
    uuid = attrs.get("uuid")
    return {
        **({"uuid": uuid} if isinstance(uuid, str) and uuid else {"path": os.path.realpath(path)}),
        "grid": grid,
        "variables": known,
    }
