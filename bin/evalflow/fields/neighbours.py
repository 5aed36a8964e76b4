"""Find how the points of one grid are filled from another: the nearest point, a box average, or four points by shares.

A target point is covered where the nearest point of the source is near enough. By default that is 1.5 times the distance between
the source's points there, because grids exist that have 1 km inside and 30 km outside.
"""

from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from evalflow.errors import UserError
from evalflow.fields.bilinear import find_corners
from evalflow.fields.cells import Parts, cells_of_lattice
from evalflow.fields.grids import EARTH_RADIUS_KM, Grid, arc_km, unit_vectors
from evalflow.fields.lattice import COORDINATE_DEGREES, find_lattice, with_shape
from evalflow.fields.mapping import Mapping, from_points, one_to_one
from evalflow.fields.spacing import spacing

Method = Literal["nearest", "bilinear"]
MaxDistance = float | Literal["auto"] | None

REACH = 1.5
"""How far a point of the source reaches, in distances between the source's points there."""

STATION_REACH_KM = 2.0
"""How far a forecast at a station reaches. Stations lie tens of kilometres apart and stand for their place alone; coordinates of
one station differ between tables by less than this for 19 of 20 (MEPS and observations of February 2019)."""

COARSER = 2.0
"""A target that is coarser than the source by more than this factor gets averages, never single points."""


def find_mapping(
    source: Grid,
    target: Grid,
    *,
    method: Method = "nearest",
    max_distance: MaxDistance = "auto",
    weights: np.ndarray | None = None,
) -> Mapping:
    """Return how values of `source` are brought to the points of `target`.

    The same points are taken as they are. Else each target point takes the nearest source point on the sphere, or by
    `bilinear` the four around it by shares. Where the target is more than twice coarser than the source, it takes the
    weighted average of the source points in its box: the cell of its latitude–longitude grid, else the points that are nearer
    to it than to any other target point. Stations never take averages.

    Parameters
    ----------
    source, target : the grids
    method : `nearest` or `bilinear`; the latter needs a source of rows and columns
    max_distance : how far (km) the nearest source point may be; `auto`: 1.5 × the source's spacing there, 2 km for sources that
        are stations; None: any distance
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
    to = unit_vectors(target.latitudes, target.longitudes)
    apart = spacing(source) if source.kind != "stations" else None
    reach = _reach(source, apart, max_distance)
    nearest, covered = _nearest(source, to, reach)
    if method == "bilinear":
        mapping = find_corners(source, target, nearest, covered)
    else:
        mapping = from_points(source.size, np.where(covered, nearest, -1))
    if apart is None or target.kind == "stations":
        return mapping
    wide = spacing(target)
    # A hundredth more: where the factor is just 2, rounding does not decide point by point.
    coarse = covered & (wide > 1.01 * COARSER * apart[nearest])
    return _with_averages(mapping, source, target, coarse, weights)


def _same_points(source: Grid, target: Grid) -> bool:
    if source.size != target.size:
        return False
    north = np.abs(source.latitudes - target.latitudes)
    east = np.abs((source.longitudes - target.longitudes + 180) % 360 - 180)
    return bool(max(north.max(), east.max()) < COORDINATE_DEGREES)


def _reach(source: Grid, apart: np.ndarray | None, max_distance: MaxDistance) -> np.ndarray:
    """Return how far (km) each source point reaches."""
    if max_distance is None:
        return np.full(source.size, np.inf)
    if max_distance != "auto":
        return np.full(source.size, float(max_distance))
    if apart is None:
        return np.full(source.size, STATION_REACH_KM)
    return np.nan_to_num(REACH * apart.astype(np.float64), nan=0)  # one point alone reaches itself


def _nearest(source: Grid, to: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest source point of each target point (0 where none is near), and whether it reaches it."""
    tree = cKDTree(unit_vectors(source.latitudes, source.longitudes), balanced_tree=False)
    # Without a bound, points far away from a limited area would each look at most of its border.
    bound = 2 * np.sin(min(reach.max() / EARTH_RADIUS_KM, np.pi) / 2) + 1e-9
    chords, nearest = tree.query(to, distance_upper_bound=bound if np.isfinite(reach.max()) else np.inf)
    found = nearest < source.size
    nearest = np.where(found, nearest, 0)
    # A metre more: single precision of coordinates and of spacings decides nothing.
    return nearest, found & (arc_km(np.where(found, chords, 0)) <= reach[nearest] + 1e-3)


def _with_averages(
    mapping: Mapping, source: Grid, target: Grid, coarse: np.ndarray, weights: np.ndarray | None
) -> Mapping:
    """Return the mapping with averages for the target points that are `coarse` and have source points in their box."""
    if not coarse.any():
        return mapping
    lattice = find_lattice(target)
    cell, parts = cells_of_lattice(lattice, target.size, source) if lattice else _cells_by_distance(source, target)
    kept = np.zeros(cell.max() + 1, bool)
    kept[cell[coarse]] = True
    parts = parts.take(kept[parts.cell])
    filled = np.zeros(len(kept), bool)
    filled[parts.cell] = True
    number = np.cumsum(filled) - 1
    box = np.where(coarse & filled[cell], number[cell], -1)
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


def _cells_by_distance(source: Grid, target: Grid) -> tuple[np.ndarray, Parts]:
    """Return the cell of each target point, and the source points in the cells: each belongs to the nearest target point.

    A source point that is farther away than half the diagonal of a square cell lies outside the target grid.
    """
    vectors = unit_vectors(target.latitudes, target.longitudes)
    half_diagonal = np.sqrt(0.5) * spacing(target).astype(np.float64)
    bound = 2 * np.sin(min(half_diagonal.max() / EARTH_RADIUS_KM, np.pi) / 2) + 1e-9
    chords, cell = cKDTree(vectors, balanced_tree=False).query(
        unit_vectors(source.latitudes, source.longitudes), distance_upper_bound=bound
    )
    point = np.flatnonzero(cell < target.size)
    cell, near = cell[point], arc_km(chords[point])
    inside = near <= half_diagonal[cell] + 1e-3
    return np.arange(target.size), Parts(cell[inside], point[inside], np.ones(int(inside.sum())))
