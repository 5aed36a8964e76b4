"""Rows of one latitude and columns of one longitude: neighbours without a search."""

from dataclasses import dataclass, replace

import numpy as np

from evalflow.fields.grids import Grid

COORDINATE_DEGREES = 1e-4
"""Coordinates that differ by less (11 m) are equal: files round them."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """The rows and columns of a grid, put in order.

    Attributes
    ----------
    latitudes : [rows], degrees, rising
    longitudes : [columns], degrees, rising without a jump: they may pass 180
    points : [rows, columns], the number of each point in the grid
    periodic : whether the first column follows the last one
    """

    latitudes: np.ndarray
    longitudes: np.ndarray
    points: np.ndarray
    periodic: bool


def with_shape(grid: Grid) -> Grid:
    """Return the grid with its shape, if it has none and its points are rows and columns.

    Some archives flatten latitude–longitude grids. The nearest neighbours of a point near a pole
    then all lie in its own row, so that the spacing of the points is seen only by who knows the
    rows.
    """
    if grid.shape is not None or grid.kind == "stations":
        return grid
    for fixed in (grid.latitudes, grid.longitudes):
        changed = np.flatnonzero(np.abs(fixed - fixed[:1]) > COORDINATE_DEGREES)
        length = int(changed[0]) if changed.size else 0
        if length > 1 and grid.size % length == 0:
            shaped = replace(grid, shape=(grid.size // length, length))
            return shaped if find_lattice(shaped) else grid
    return grid


def find_lattice(grid: Grid) -> Lattice | None:
    """Return the lattice of a grid of two dimensions.

    None where its rows or columns are bent, or one is there twice.
    """
    if grid.shape is None or min(grid.shape) < 2:
        return None
    north, east, points = (part.reshape(grid.shape) for part in (grid.latitudes, grid.longitudes, np.arange(grid.size)))
    if not _constant(north, axis=1):
        north, east, points = north.T, east.T, points.T
    if not (_constant(north, axis=1) and _constant(east, axis=0)):
        return None
    rows, row_order = np.sort(north[:, 0]), np.argsort(north[:, 0])
    columns, column_order, periodic = _unroll(east[0])
    if min(np.diff(rows).min(), np.diff(columns).min()) < COORDINATE_DEGREES:
        return None
    return Lattice(rows, columns, points[np.ix_(row_order, column_order)], periodic)


def _constant(values: np.ndarray, axis: int) -> bool:
    return bool((np.ptp(values, axis=axis) < COORDINATE_DEGREES).all())


def _unroll(longitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the longitudes in rising order from behind their widest gap.

    Also return that order, and whether they go all round.
    """
    order = np.argsort(longitudes)
    gaps = np.diff(longitudes[order], append=longitudes[order[0]] + 360)
    # Gaps of a grid all round are equal but for rounding: it then begins where its longitudes do.
    widest = int(np.flatnonzero(gaps > gaps.max() - COORDINATE_DEGREES)[-1])
    order = np.roll(order, -(widest + 1))
    unrolled = longitudes[order]
    unrolled = unrolled + 360 * (unrolled < unrolled[0])
    return unrolled, order, bool(gaps.max() < 1.5 * np.median(gaps))
