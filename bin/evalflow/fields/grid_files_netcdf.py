"""Grids from NetCDF files, as ICON's grid generator writes them: clat, clon, cell_area."""

from pathlib import Path

import numpy as np

from evalflow.fields.arrays.named import Arrays, Variable, text, units_of
from evalflow.fields.arrays.netcdf import open_netcdf
from evalflow.fields.grids import Grid
from evalflow.fields.params import convert, param_named

_LATITUDES = ("clat", "latitude", "lat", "latitudes")
_LONGITUDES = ("clon", "longitude", "lon", "longitudes")
_ELEVATIONS = ("hsurf", "topography_c", "surface_altitude", "altitude", "elevation")


def read_grid(path: Path, points: int) -> Grid | None:
    """Return the grid of so many points in a file, or None."""
    arrays = open_netcdf(path)
    latitude, longitude = _find(arrays, _LATITUDES, points), _find(arrays, _LONGITUDES, points)
    if latitude is None or longitude is None:
        return None
    elevation, area = _find(arrays, _ELEVATIONS, points), _find(arrays, ("cell_area",), points)
    return Grid(
        _degrees(latitude),
        _degrees(longitude),
        "unstructured",
        elevation=None if elevation is None else _metres(elevation, path),
        area=None if area is None else np.asarray(area.read()),
    )


def _find(arrays: Arrays, names: tuple[str, ...], points: int) -> Variable | None:
    """Return the variable of so many values with one of the names, the first name first."""
    fitting = [one for one in arrays.variables.values() if int(np.prod(one.shape)) == points]
    for name in names:
        for one in fitting:
            if name in (one.name.casefold(), text(one.attrs.get("standard_name", ""))):
                return one
    return None


def _degrees(variable: Variable) -> np.ndarray:
    values = np.asarray(variable.read(), dtype=np.float64)
    return np.rad2deg(values) if (units_of(variable) or "").startswith("rad") else values


def _metres(variable: Variable, path: Path) -> np.ndarray:
    values = np.asarray(variable.read(), dtype=np.float32).ravel()
    return convert(values, units_of(variable) or "m", param_named("HSURF"), str(path))
