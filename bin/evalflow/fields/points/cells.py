"""The cells of a latitude–longitude grid, and which points of another grid lie in them."""

from dataclasses import dataclass

import numpy as np

from evalflow.fields.grids import Grid
from evalflow.fields.points.lattice import COORDINATE_DEGREES, Lattice

_MARGIN = 10 * COORDINATE_DEGREES
_POLE_DEGREES = 90 - COORDINATE_DEGREES


@dataclass(frozen=True, eq=False)
class Parts:
    """What cells hold, arrays [m]: the cell, the number of a point, the cell's share of the point."""

    cell: np.ndarray
    point: np.ndarray
    share: np.ndarray

    def take(self, kept: np.ndarray) -> "Parts":
        """Return the parts where `kept` (bool [m]) is true."""
        return Parts(self.cell[kept], self.point[kept], self.share[kept])


def cells_of_lattice(lattice: Lattice, size: int, source: Grid) -> tuple[np.ndarray, Parts]:
    """Return the cell of each point of a lattice [size], and what cells hold of `source`.

    Cells end half-way between neighbouring rows and columns. A point on an edge belongs to both
    sides in equal shares: so the average of 0.25° over cells of 1.5° is centred, and equal to a
    conservative remapping. A row at a pole is one point, and its cell the cap.
    """
    rows, columns = len(lattice.latitudes), len(lattice.longitudes)
    south, north = _sides(source.latitudes, _edges(lattice.latitudes))
    edges = _edges(lattice.longitudes)
    # What is rounded to just west of the first edge stays beside it.
    turned = (source.longitudes - edges[0] + _MARGIN) % 360 - _MARGIN
    west, east = _sides(turned, edges - edges[0])
    if lattice.periodic:
        west, east = west % columns, east % columns
    cell_of_row = np.arange(rows * columns).reshape(rows, columns)
    cell_of_row[np.abs(lattice.latitudes) > _POLE_DEGREES] = cell_of_row[np.abs(lattice.latitudes) > _POLE_DEGREES, :1]
    cell = np.empty(size, np.int64)
    cell[lattice.points.ravel()] = cell_of_row.ravel()
    share = np.where(south == north, 1.0, 0.5) * np.where(west == east, 1.0, 0.5)
    found = []
    for row, other_row in ((south, False), (north, True)):
        for column, other_column in ((west, False), (east, True)):
            there = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
            if other_row:
                there &= south != north
            if other_column:
                there &= west != east
            point = np.flatnonzero(there)
            found.append((cell_of_row[row[point], column[point]], point, share[point]))
    return cell, Parts(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _edges(middles: np.ndarray) -> np.ndarray:
    """Return the edges [n + 1] half-way between rising middles [n].

    The outer cells are as wide outside as on their other side.
    """
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])


def _sides(values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells below and above each value; −1 and n are outside.

    Both are the same cell unless the value lies on an edge.
    """
    below = np.searchsorted(edges, values - COORDINATE_DEGREES, side="right") - 1
    above = np.searchsorted(edges, values + COORDINATE_DEGREES, side="right") - 1
    return below, above
