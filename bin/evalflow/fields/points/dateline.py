"""Polygons on the sphere as polygons of a plane: across the date line, around a pole."""

import numpy as np
import shapely

_FULL = 360.0
_SHORT = 90.0


def unroll(polygon: shapely.Polygon) -> shapely.Geometry:
    """Return a polygon in degrees that goes on across the date line, west end in [-180, 180).

    A side from 177° to −178° is meant the short way, across the date line: so is every side whose
    short way is at most 90°. Sides of just 360° go round the globe. A ring round a pole holds the
    pole that is nearer to it.

    Raises
    ------
    ValueError
        For a side of more than 180° whose short way is more than 90°: nobody knows which way is
        meant.
    """
    exterior, changed = _unroll_ring(shapely.get_coordinates(polygon.exterior))
    holes = [_unroll_ring(shapely.get_coordinates(ring)) for ring in polygon.interiors]
    if changed or any(moved for _, moved in holes):
        whole = shapely.make_valid(shapely.Polygon(exterior))
        for hole, _ in holes:
            for turn in (-_FULL, 0.0, _FULL):
                whole = whole.difference(shapely.make_valid(shapely.Polygon(hole + np.array([turn, 0.0]))))
    else:
        whole = polygon
    return west_end_first(whole)


def west_end_first(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return a geometry turned by whole turns so that its west end is in [-180, 180)."""
    turns = np.floor((shapely.bounds(geometry)[0] + 180) / _FULL)
    return shapely.transform(geometry, lambda places: places - [turns * _FULL, 0]) if turns else geometry


def _unroll_ring(ring: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return a closed ring without sides above 180° (except 360°), and whether any point moved."""
    steps = np.diff(ring[:, 0])
    unclear = np.flatnonzero((np.abs(steps) > 180) & (np.abs(steps) < _FULL - _SHORT))
    if unclear.size:
        west, east = sorted(ring[unclear[0] : unclear[0] + 2, 0])
        raise ValueError(
            f"a side from {west:g} to {east:g} degrees east may be meant either way round; add a vertex between them"
        )
    long = (np.abs(steps) > 180) & (np.abs(steps) < _FULL - 1e-9)
    if not long.any():
        return ring, False
    moved = np.concatenate([[0], np.cumsum(np.where(long, -np.sign(steps) * _FULL, 0))])
    ring = ring + np.column_stack([moved, np.zeros(len(moved))])
    if abs(ring[-1, 0] - ring[0, 0]) > 1:  # once round the globe
        pole = 90.0 if ring[:, 1].mean() > 0 else -90.0
        ring = np.concatenate([ring, [[ring[-1, 0], pole], [ring[0, 0], pole], ring[0]]])
    return ring, True


def polygons_of(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Return the polygons of a geometry that have an area, repaired where sides cross."""
    parts = shapely.get_parts(geometry if geometry.is_valid else shapely.make_valid(geometry)).tolist()
    if any(hasattr(part, "geoms") for part in parts):  # a collection that holds several polygons as one
        return [polygon for part in parts for polygon in polygons_of(part)]
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
