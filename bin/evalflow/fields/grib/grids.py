"""Where the points of GRIB messages are, kept once for each grid that a process meets."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.grib import codes
from evalflow.fields.grib.codes import GribError, eccodes, integer
from evalflow.fields.grib.index import Message
from evalflow.fields.grib.scanning import EAST_AND_NORTH, Scanning, alternate
from evalflow.fields.grib.values import Values
from evalflow.fields.grids import Grid, Kind, unit_vectors

FindGrid = Callable[[int, str | None], Grid | None]
"""Returns the grid of so many points, or of a uuid, that the config's `grids` names, or None."""

_KINDS: dict[str, Kind] = {
    "regular_ll": "regular", "reduced_ll": "regular", "regular_gg": "gaussian", "reduced_gg": "gaussian",
    "healpix": "unstructured",
}  # fmt: skip
_UNSTRUCTURED = "unstructured_grid"
_LATLON = ("regular_ll", "rotated_ll")
_PROJECTED = ("lambert", "polar_stereographic", "mercator", "lambert_azimuthal_equal_area", "albers")
_SCANNING = ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive", "alternativeRowScanning")
_NOT_POINTS = ("sh", "rotated_sh", "unknown", "unknown_PLPresent", "fourier", "bifourier")
_ALONG_GRID = 8
"""A flag of section 3 (table 3.3; table 7 of GRIB1): winds are along the grid's axes."""


class _UnknownScanning(Exception):
    """A grid's points are in an order that ecCodes does not know."""


@dataclass(frozen=True)
class _Known:
    """A grid, and the angle from east to its first axis (radians [n]) that winds are along."""

    grid: Grid
    angle: np.ndarray | None = None


_known: dict[str, _Known] = {}


def grid_of(message: Message, values: Values, find_grid: FindGrid | None = None) -> Grid:
    """Return the points of a message, in the order of its values.

    Parameters
    ----------
    message : any one of the grid
    values : reads it
    find_grid : for messages without coordinates

    Raises
    ------
    UserError
        Where neither the message nor the config's `grids` says where its points are.
    """
    return _look_up(message, values, find_grid).grid


def angle_of_winds(message: Message, values: Values, find_grid: FindGrid | None = None) -> np.ndarray | None:
    """Return the angle from the east to the axis that the first part of a wind is along.

    It is taken from the points before and after each point in its row, so that no projection needs
    to be known: it is right to the square of the distance between points.

    Returns
    -------
    radians [n], counter-clockwise; None where winds are to the east and north already
    """
    return _look_up(message, values, find_grid).angle


def turn_winds(first: np.ndarray, second: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return winds to the east and north, of winds along axes at `angle` from these."""
    cosine, sine = np.cos(angle).astype(first.dtype), np.sin(angle).astype(first.dtype)
    return first * cosine - second * sine, first * sine + second * cosine


def _look_up(message: Message, values: Values, find_grid: FindGrid | None) -> _Known:
    if message.grid not in _known:
        with codes.message(values.raw(message)) as handle:
            if codes.text(handle, "gridType") == _UNSTRUCTURED:
                # Not kept: it depends on the config, and `find_grid` keeps what it has read.
                return _Known(_from_elsewhere(message, handle, find_grid))
            _known[message.grid] = _by_eccodes(message, handle)
    return _known[message.grid]


def _by_eccodes(message: Message, handle: int) -> _Known:
    kind = codes.text(handle, "gridType")
    if kind in _NOT_POINTS:
        raise UserError(f"{message.where}: a grid of type {kind} has no points; transform the fields to one that has")
    scanning = Scanning(*(bool(integer(handle, key)) for key in _SCANNING))
    try:
        latitudes, longitudes = _coordinates(handle, kind, scanning)
    except GribError as error:
        raise UserError(f"{message.where}: ecCodes cannot say where the points of its {kind} are: {error}") from None
    except _UnknownScanning:
        raise UserError(
            f"{message.where}: its {kind} is scanned in an order that is not supported: {scanning}"
        ) from None
    columns, rows = (integer(handle, key) for key in ("Ni", "Nj"))
    shape = None
    if columns and rows and columns * rows == latitudes.size:
        shape = (columns, rows) if scanning.by_column else (rows, columns)
    if shape and scanning.alternating and kind in _LATLON:
        latitudes, longitudes = (alternate(part.reshape(shape)).ravel() for part in (latitudes, longitudes))
    try:
        grid = Grid(latitudes, longitudes, _KINDS.get(kind, "projected"), None if scanning.alternating else shape)
    except ValueError as error:
        raise UserError(f"{message.where}: {error}") from None
    if not (integer(handle, "resolutionAndComponentFlags") or 0) & _ALONG_GRID or grid.kind != "projected":
        return _Known(grid)
    if grid.shape is None:
        raise UserError(f"{message.where}: winds are along the axes of a {kind} whose axes cannot be told")
    return _Known(grid, _angle_of_axis(grid, 0 if scanning.by_column else 1, -1 if scanning.westward else 1))


def _coordinates(handle: int, kind: str, scanning: Scanning) -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes and longitudes in the order of the values.

    ecCodes' own are right for grids of latitudes and longitudes. For those of a projection they are
    right where rows go to the east and north: it takes no notice of another order (2.50; its
    iterator turns the values round, but from the wrong corner). Of Gaussian grids it knows rows to
    the east only, of reduced ones from the north only.
    """
    usual = kind in _LATLON or not any((scanning.westward, scanning.by_column, scanning.alternating))
    if kind.startswith("reduced_"):
        usual = usual and not scanning.northward
    elif kind in _PROJECTED and scanning != EAST_AND_NORTH:
        return importlib.import_module("evalflow.fields.grib.projected").coordinates(handle, scanning)
    if not usual:
        raise _UnknownScanning
    latitudes, longitudes = (eccodes.codes_get_array(handle, key) for key in ("latitudes", "longitudes"))
    return latitudes, longitudes


def _angle_of_axis(grid: Grid, axis: int, sign: int) -> np.ndarray:
    """Return the angle from the east to the axis of increasing x: the array's `axis`, by `sign`."""
    vectors = unit_vectors(grid.latitudes, grid.longitudes)
    step = sign * np.gradient(vectors.reshape(*(grid.shape or ()), 3), axis=axis, edge_order=2).reshape(-1, 3)
    latitudes, longitudes = np.deg2rad(grid.latitudes), np.deg2rad(grid.longitudes)
    zero = np.zeros_like(latitudes)
    east = np.stack([-np.sin(longitudes), np.cos(longitudes), zero], axis=-1)
    north = np.cross(vectors, east)
    return np.arctan2(np.sum(step * north, axis=-1), np.sum(step * east, axis=-1))


def _from_elsewhere(message: Message, handle: int, find_grid: FindGrid | None) -> Grid:
    points = integer(handle, "numberOfDataPoints") or 0
    uuid = codes.text(handle, "uuidOfHGrid") or None
    found = find_grid(points, uuid) if find_grid else None
    if found is None or found.size != points:
        of = f"{points} points" + (f" (uuid {uuid})" if uuid else "")
        raise UserError(f"{message.where}: no coordinates of its grid of {of}; name a file that has them in `grids`")
    return found
