"""Coordinates, elevation and areas of grids whose messages carry none, from `grids:`."""

import importlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.fields.specs import GridFile

# What reads a file that begins like this; loaded where one is read, because the libraries below
# take long to import.
_READERS = (
    ((b"GRIB",), "evalflow.fields.grid_files_grib"),
    ((b"CDF", b"\x89HDF"), "evalflow.fields.grid_files_netcdf"),
)


class GridFiles:
    """The grids that a config names, read where one is asked for.

    Parameters
    ----------
    grids : by number of points or uuid
    """

    def __init__(self, grids: Sequence[GridFile] = ()) -> None:
        self._grids = tuple(grids)

    def find(self, points: int, uuid: str | None = None) -> Grid | None:
        """Return the grid of a uuid, else that of so many points, or None where none is named.

        Raises
        ------
        UserError
            Where the file that is named has no such grid.
        """
        named = [one for one in self._grids if one.uuid is not None and _plain(one.uuid) == _plain(uuid or "")]
        named += [one for one in self._grids if one.points == points]
        return _read(one.file, points) if (one := next(iter(named), None)) else None


def _plain(uuid: str) -> str:
    return uuid.replace("-", "").casefold()


@lru_cache(maxsize=8)
def _read(path: Path, points: int) -> Grid:
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UserError(f"{path}: named in `grids`, but cannot be read: {error.strerror}") from None
    module = next((module for marks, module in _READERS if start.startswith(marks)), None)
    if module is None:
        raise UserError(f"{path}: named in `grids`, but neither GRIB nor NetCDF")
    try:
        grid = importlib.import_module(module).read_grid(path, points)
    except ValueError as error:
        raise UserError(f"{path}: named in `grids`, but {error}") from None
    if grid is None:
        raise UserError(f"{path}: named in `grids`, but has no coordinates of {points} points")
    return grid
