"""Points of projected grids that are not scanned to the east and north.

Apart, because pyproj takes long to import.
"""

import numpy as np
import pyproj

from evalflow.fields.grib import codes
from evalflow.fields.grib.codes import eccodes, integer
from evalflow.fields.grib.scanning import Scanning, alternate


def coordinates(handle: int, scanning: Scanning) -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes and longitudes in the order of the values, degrees.

    The point that the description calls the first one is that of the first value, as the WMO's
    templates 3.10, 3.20, 3.30 and 3.140 have it; from there x and y go as the flags of scanning
    say.

    Parameters
    ----------
    handle : of a message whose projection ecCodes can write as PROJ does
    scanning : its order
    """
    projection = pyproj.Proj(codes.text(handle, "projString"))
    latitude, longitude = (
        eccodes.codes_get(handle, f"{which}OfFirstGridPointInDegrees", ktype=float)
        for which in ("latitude", "longitude")
    )
    x, y = projection(longitude, latitude)
    columns, rows = integer(handle, "Ni") or 0, integer(handle, "Nj") or 0
    xs = x + np.arange(columns) * _spacing(handle, "x") * (-1 if scanning.westward else 1)
    ys = y + np.arange(rows) * _spacing(handle, "y") * (1 if scanning.northward else -1)
    east, north = np.meshgrid(xs, ys, indexing="xy")
    if scanning.by_column:
        east, north = east.T, north.T
    if scanning.alternating:
        east, north = alternate(east), alternate(north)
    longitudes, latitudes = projection(east.ravel(), north.ravel(), inverse=True)
    return latitudes, longitudes


def _spacing(handle: int, axis: str) -> float:
    """Return the distance between points along an axis, metres."""
    for key in (f"D{axis}InMetres", f"D{'i' if axis == 'x' else 'j'}InMetres"):
        if eccodes.codes_is_defined(handle, key):
            return eccodes.codes_get(handle, key, ktype=float)
    raise eccodes.KeyValueNotFoundError
