"""Grids from GRIB files of constants, as services publish them for ICON: CLAT, CLON, HSURF."""

from pathlib import Path

import numpy as np

from evalflow.fields.grib.index import read_index
from evalflow.fields.grib.params import param_of
from evalflow.fields.grib.values import Values
from evalflow.fields.grids import Grid
from evalflow.fields.params import convert, param_named

_LATITUDE, _LONGITUDE = (0, 191, 1), (0, 191, 2)
"""Geographical latitude and longitude, degrees (GRIB2 code table 4.2-0-191)."""


def read_grid(path: Path, points: int) -> Grid | None:
    """Return the grid of so many points in a file, or None."""
    values = Values()
    found: dict[str | tuple[int, ...], np.ndarray] = {}
    for message in read_index([path]):
        known = param_of(message.field)
        of_elevation = known if known and known[0].name in ("HSURF", "FIS") else None
        if of_elevation is None and message.field.numbers not in (_LATITUDE, _LONGITUDE):
            continue
        field = values.read(message)
        if field.size == points:
            key = of_elevation[0].name if of_elevation else message.field.numbers
            found[key] = convert(field, of_elevation[1], param_named("HSURF")) if of_elevation else field
    if _LATITUDE not in found or _LONGITUDE not in found:
        return None
    latitudes, longitudes = (found[numbers].astype(np.float64) for numbers in (_LATITUDE, _LONGITUDE))
    return Grid(latitudes, longitudes, "unstructured", elevation=found.get("HSURF", found.get("FIS")))
