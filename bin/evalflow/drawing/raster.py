"""Fields as pixels: each pixel shows the nearest point of the field.

Which point that is, is found once for a grid and a view, and used for all frames.
"""

import numpy as np
from scipy.spatial import cKDTree

from evalflow.drawing.colours import Scale
from evalflow.drawing.domains import View
from evalflow.fields.grids import Grid, arc_km, unit_vectors
from evalflow.fields.points.spacing import spacing

REACH = 1.5
"""How far a point of a grid reaches, in distances between points there."""
STATION_PIXELS = 5.0
"""How far a station reaches, in pixels: stations are discs."""
_NONE = -1


class Raster:
    """Draws fields of one grid in one view.

    A pixel that is farther from the nearest point than 1.5 distances between points there shows
    nothing. Where a field is missing, pixels show nothing either, but points that have been
    missing so far are passed over: of a field on several grids, the overlap is missing on one.

    Parameters
    ----------
    grid : where the points of the fields are
    view : domain and pixels
    """

    def __init__(self, grid: Grid, view: View) -> None:
        self.grid, self.view = grid, view
        self._used = np.zeros(grid.size, bool)
        self._nearest = np.full(view.shape, _NONE, np.int32)

    def index(self, valid: np.ndarray) -> np.ndarray:
        """Return the point that each pixel shows (int32 [height, width]); -1: none.

        Parameters
        ----------
        valid : bool [n], points that are not missing
        """
        if (valid & ~self._used).any():
            self._used = self._used | valid
            self._nearest = self._find()
        return self._nearest

    def spread(self, values: np.ndarray, nothing: float = np.nan) -> np.ndarray:
        """Return pixels [height, width] of values at points [n].

        Parameters
        ----------
        values : of any type; missing is NaN, or equal to `nothing`
        nothing : what pixels hold that show no point
        """
        index = self.index(~np.isnan(values) if values.dtype.kind == "f" else values != nothing)
        # The last one is taken where the index is -1.
        return np.append(values, np.asarray(nothing, values.dtype))[index]

    def image(self, values: np.ndarray, scale: Scale) -> np.ndarray:
        """Return RGBA (uint8 [height, width, 4]) of values [n] in the unit of the param."""
        return scale.palette[self.spread(scale.classes(values), 0)]

    def outline(self) -> np.ndarray:
        """Return the pixels (bool [height, width]) where one of several joined grids ends at another."""
        ends = np.cumsum(self.grid.parts or [self.grid.size])
        part = np.where(self._nearest == _NONE, _NONE, np.searchsorted(ends, self._nearest, side="right"))
        edge = np.zeros(self.view.shape, bool)
        for ahead, behind in ((part[1:], part[:-1]), (part[:, 1:], part[:, :-1])):
            here = edge[:-1] if ahead.shape[0] < part.shape[0] else edge[:, :-1]
            here |= (ahead != behind) & (ahead != _NONE) & (behind != _NONE)
        return edge

    def _find(self) -> np.ndarray:
        latitudes, longitudes = self.view.points()
        there = ~np.isnan(latitudes)
        pixels = unit_vectors(latitudes[there], longitudes[there])
        nearest, least = np.full(len(pixels), _NONE, np.int32), np.full(len(pixels), np.inf)
        ends = np.cumsum(self.grid.parts or [self.grid.size])
        # Each part reaches as far as its own points are apart, so that no gap is left between parts.
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            used = start + np.flatnonzero(self._used[start:end])
            if used.size:
                distance, point = self._nearest_of(used, pixels)
                nearer = distance < least
                nearest[nearer], least[nearer] = point[nearer], distance[nearer]
        found = np.full(self.view.shape, _NONE, np.int32)
        found[there] = nearest
        return found

    def _nearest_of(self, used: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance (km) of pixels to the nearest of some points, if it reaches, and that point."""
        grid = self.grid if used.size == self.grid.size else self.grid.take(used)
        tree = cKDTree(unit_vectors(grid.latitudes, grid.longitudes), balanced_tree=False, compact_nodes=False)
        chords, nearest = tree.query(pixels)
        distance = arc_km(chords)
        return np.where(distance <= self._reach_km(grid, nearest), distance, np.inf), used[nearest]

    def _reach_km(self, grid: Grid, nearest: np.ndarray) -> np.ndarray:
        """Return how far the points that are nearest to pixels reach."""
        if grid.kind == "stations" or grid.size == 1:
            return np.full(nearest.shape, STATION_PIXELS * self.view.pixel_km)
        each, place = np.unique(nearest, return_inverse=True)
        return REACH * np.maximum(spacing(grid, each), self.view.pixel_km)[place]
