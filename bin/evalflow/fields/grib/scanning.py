"""The order in which grids are scanned (GRIB2 flag table 3.4; table 8 of GRIB1)."""

from typing import NamedTuple

import numpy as np


class Scanning(NamedTuple):
    """An order of points, from the first one that the grid's description names.

    Attributes
    ----------
    westward : x decreases
    northward : y increases
    by_column : points of a column, not of a row, follow one another
    alternating : every second row (or column) goes the other way
    """

    westward: bool = False
    northward: bool = False
    by_column: bool = False
    alternating: bool = False


EAST_AND_NORTH = Scanning(northward=True)


def alternate(points: np.ndarray) -> np.ndarray:
    """Return an array [rows, columns] with every second row turned round."""
    points = points.copy()
    points[1::2] = points[1::2, ::-1]
    return points
