"""Find how the points of one grid are filled from another: nearest, box average or bilinear.

A target point is covered where the nearest point of the source is near enough. By default that is
1.5 times the distance between the source's points there, because grids exist that have 1 km inside
and 30 km outside.
"""

from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from evalflow.errors import UserError
from evalflow.fields.grids import EARTH_RADIUS_KM, Grid, arc_km, unit_vectors
from evalflow.fields.points.bilinear import find_corners
from evalflow.fields.points.cells import Parts, cells_of_lattice
from evalflow.fields.points.lattice import COORDINATE_DEGREES, find_lattice, with_shape
from evalflow.fields.points.mapping import Mapping, from_points, one_to_one
from evalflow.fields.points.spacing import spacing

Method = Literal["nearest", "bilinear"]
MaxDistance = float | Literal["auto"] | None

REACH = 1.5
"""How far a point of the source reaches, in distances between the source's points there."""

STATION_REACH_KM = 2.0
"""How far a forecast at a station reaches.

Stations lie tens of kilometres apart and stand for their place alone. Coordinates of one station
differ between tables by less than this for 19 of 20 (MEPS and observations of February 2019).
"""

LOOK_KM = 100.0
"""How far is looked first in a source of scattered points."""

COARSER = 2.0
"""A target that is coarser than the source by more than this factor gets averages."""


def find_mapping(
    source: Grid,
    target: Grid,
    *,
    method: Method = "nearest",
    max_distance: MaxDistance = "auto",
    weights: np.ndarray | None = None,
) -> Mapping:
    """Return how values of `source` are brought to the points of `target`.

    The same points are taken as they are. Else each target point takes the nearest source point on
    the sphere, or by `bilinear` the four around it by shares. Where the target is more than twice
    coarser than the source, it takes the weighted average of the source points in its box: the cell
    of its latitude–longitude grid, else the points that are nearer to it than to any other target
    point. Stations never take averages.

    Parameters
    ----------
    source, target : the grids
    method : `nearest` or `bilinear`; the latter needs a source of rows and columns
    max_distance : how far (km) the nearest source point may be; `auto`: 1.5 × the source's spacing
        there, 2 km for sources that are stations; None: any distance
    weights : weight of each source point in an average [source.size]; None: `source.weights()`

    Raises
    ------
    UserError
        For `bilinear` from a source that has no rows and columns.
    """
    source, target = with_shape(source), with_shape(target)
    if method == "bilinear" and source.shape is None:
        raise UserError(
            f"mapping: bilinear needs rows and columns, and a source of {source.size} points has none ({source.kind}); use nearest"
        )
    if _same_points(source, target):
        return one_to_one(source.size)
    nearest, covered, apart = _chosen(source, target, max_distance)
    if method == "bilinear":
        mapping = find_corners(source, target, nearest, covered)
    else:
        mapping = from_points(source.size, np.where(covered, nearest, -1))
    if "stations" in (source.kind, target.kind):
        return mapping
    wide = np.zeros(target.size)
    wide[covered] = _Spacing(target).at(np.flatnonzero(covered))
    # A hundredth more: where the factor is just 2, rounding does not decide point by point.
    wide[~(wide > 1.01 * COARSER * apart)] = 0
    return _with_averages(mapping, source, target, wide, weights) if wide.any() else mapping


def _same_points(source: Grid, target: Grid) -> bool:
    if source.size != target.size:
        return False
    north = np.abs(source.latitudes - target.latitudes)
    east = np.abs((source.longitudes - target.longitudes + 180) % 360 - 180)
    return bool(max(north.max(), east.max()) < COORDINATE_DEGREES)


class _Spacing:
    """The spacing (km) of a grid's points, for all at once or where asked for; 0 of one point."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        # Of rows and columns all are found in no time, of scattered points each is a search.
        self._all = self._of(None) if grid.shape is not None else None

    def _of(self, points: np.ndarray | None) -> np.ndarray:
        return np.nan_to_num(spacing(self._grid, points).astype(np.float64), nan=0)

    def at(self, points: np.ndarray) -> np.ndarray:
        if self._all is not None:
            return self._all[points]
        each, place = np.unique(points, return_inverse=True)
        return self._of(each)[place]

    def largest(self) -> float:
        if self._all is None:
            self._all = self._of(None)
        return float(self._all.max())


def _chosen(source: Grid, target: Grid, max_distance: MaxDistance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each target point's nearest source point, if it reaches, and the spacing (km) there."""
    if max_distance is None:
        max_distance = np.inf
    if source.kind == "stations":  # how far they are apart says nothing
        limit = STATION_REACH_KM if max_distance == "auto" else max_distance
        km, nearest = _nearest(source, target, limit)
        return nearest, np.isfinite(km) & (km <= limit), np.full(target.size, np.nan)
    apart = _Spacing(source)
    if max_distance == "auto":
        km, nearest = _nearest(source, target, LOOK_KM if source.shape is None else REACH * apart.largest())
        if source.shape is None and np.isinf(km).any() and REACH * apart.largest() > LOOK_KM:
            km, nearest = _nearest(source, target, REACH * apart.largest())
    else:
        km, nearest = _nearest(source, target, max_distance)
    found = np.isfinite(km)
    there = np.full(target.size, np.nan)
    there[found] = apart.at(nearest[found])
    reach = REACH * there if max_distance == "auto" else max_distance
    # A metre more: single precision of coordinates and of spacings decides nothing.
    return nearest, found & (km <= reach + 1e-3), there


def _nearest(source: Grid, target: Grid, farthest: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance (km) of each target point from the nearest source point, and its number.

    Infinity and 0: none is near.

    Without a bound, points far away from a limited area would each look at most of its border.
    """
    tree = cKDTree(unit_vectors(source.latitudes, source.longitudes), balanced_tree=False)
    to = unit_vectors(target.latitudes, target.longitudes)
    chords, nearest = tree.query(to, distance_upper_bound=_chord(farthest))
    found = nearest < source.size
    return np.where(found, arc_km(np.where(found, chords, 0)), np.inf), np.where(found, nearest, 0)


def _chord(km: float) -> float:
    """Return the distance through the unit sphere of points `km` apart, and a little more."""
    return 2 * np.sin(min(km / EARTH_RADIUS_KM, np.pi) / 2) + 1e-9


def _with_averages(
    mapping: Mapping, source: Grid, target: Grid, wide: np.ndarray, weights: np.ndarray | None
) -> Mapping:
    """Return the mapping with averages over boxes; `wide` (km) is 0 where none is wanted."""
    lattice = find_lattice(target)
    cell, parts = (
        cells_of_lattice(lattice, target.size, source) if lattice else _cells_by_distance(source, target, wide)
    )
    kept = np.zeros(cell.max() + 1, bool)
    kept[cell[wide > 0]] = True
    parts = parts.take(kept[parts.cell])
    filled = np.zeros(len(kept), bool)
    filled[parts.cell] = True
    number = np.cumsum(filled) - 1
    box = np.where((wide > 0) & filled[cell], number[cell], -1)
    weights = source.weights() if weights is None else np.asarray(weights, np.float64)
    return Mapping(
        mapping.source_size,
        mapping.points,
        mapping.shares,
        box.astype(np.int32),
        number[parts.cell].astype(np.int32),
        parts.point.astype(np.int32),
        weights[parts.point] * parts.share,
    )


def _cells_by_distance(source: Grid, target: Grid, wide: np.ndarray) -> tuple[np.ndarray, Parts]:
    """Return each target point's cell, and the source points in it: those nearest to it.

    A source point that is farther away than half the diagonal of a square cell lies outside the
    target grid.
    """
    half_diagonal = np.sqrt(0.5) * wide
    km, cell = _nearest(target, source, half_diagonal.max())
    point = np.flatnonzero(np.isfinite(km))
    point = point[km[point] <= half_diagonal[cell[point]] + 1e-3]
    return np.arange(target.size), Parts(cell[point], point, np.ones(point.size))
