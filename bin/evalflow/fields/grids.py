"""Grids and stations: where the points of a field are."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

EARTH_RADIUS_KM = 6371.229
"""Radius of the sphere on which distances are measured (GRIB's shape of the earth 6)."""

Kind = Literal["regular", "gaussian", "projected", "unstructured", "stations"]


@dataclass(frozen=True, eq=False)
class Grid:
    """The points of a field, in the order of its values.

    Attributes
    ----------
    latitudes : float64 [n], degrees north
    longitudes : float64 [n], degrees east in [-180, 180); given in any range
    kind : `regular` (latitude–longitude), `gaussian`, `projected`, `unstructured` or `stations`
    shape : (rows, columns) of a grid of two dimensions, in the order of the values; else None
    elevation : float32 [n], metres above mean sea level, or None
    names : of the stations, or None
    area : cell areas [n] in any one unit, or None
    parts : numbers of points of the grids that it was joined of, one after the other; empty: it is
        one grid
    """

    latitudes: np.ndarray
    longitudes: np.ndarray
    kind: Kind
    shape: tuple[int, int] | None = None
    elevation: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    area: np.ndarray | None = None
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        latitudes = np.asarray(self.latitudes, dtype=np.float64).ravel()
        longitudes = np.asarray(self.longitudes, dtype=np.float64).ravel()
        size = latitudes.size
        if not np.all(np.abs(latitudes) <= 90.0 + 1e-6) or not np.all(np.isfinite(longitudes)):
            raise ValueError("a grid has coordinates that are no latitudes and longitudes")
        # The second step catches what is next below -180, of which the remainder is 360.
        longitudes = (longitudes + 180.0) % 360.0 - 180.0
        longitudes[longitudes >= 180.0] -= 360.0
        parts: dict[str, np.ndarray] = {"latitudes": latitudes, "longitudes": longitudes}
        if self.elevation is not None:
            parts["elevation"] = np.asarray(self.elevation, dtype=np.float32).ravel()
        if self.area is not None:
            parts["area"] = np.asarray(self.area, dtype=np.float64).ravel()
        lengths = {part.size for part in parts.values()} | ({len(self.names)} if self.names is not None else set())
        if lengths != {size} or (self.shape is not None and self.shape[0] * self.shape[1] != size):
            raise ValueError(f"a grid's parts differ in length: {sorted(lengths)}, shape {self.shape}")
        for name, part in parts.items():
            part.flags.writeable = False
            object.__setattr__(self, name, part)

    @property
    def size(self) -> int:
        """Return the number of points."""
        return self.latitudes.size

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the grid is: coordinates to 1e-5 degrees, kind, names and areas.

        Elevation does not count.
        """
        found = hashlib.sha256(self.kind.encode())
        found.update(np.rint(self.latitudes * 1e5).astype("<i4").tobytes())
        # 179.999999 and -180 are one place.
        found.update((np.rint(self.longitudes * 1e5).astype("<i4") % 36_000_000).tobytes())
        for name in self.names or ():
            found.update(b"\0" + name.encode())
        if self.area is not None:
            found.update(b"\0area" + self.area.astype("<f4").tobytes())
        return found.hexdigest()

    def weights(self) -> np.ndarray:
        """Return the weight of each point in a mean over the area.

        Areas where they are known, cos φ on latitude–longitude and Gaussian grids, else ones:
        projected and unstructured grids are near to equal areas.

        Returns
        -------
        float64 [n], not normalised
        """
        if self.area is not None:
            return self.area
        if self.kind in ("regular", "gaussian"):
            return np.cos(np.deg2rad(self.latitudes)).clip(0)
        return np.ones(self.size)

    def take(self, points: np.ndarray) -> "Grid":
        """Return the grid of some of the points.

        Parameters
        ----------
        points : bool [n], or indices
        """
        if points.dtype == bool:
            points = np.flatnonzero(points)
        return replace(
            self,
            latitudes=self.latitudes[points],
            longitudes=self.longitudes[points],
            shape=None,
            elevation=None if self.elevation is None else self.elevation[points],
            names=None if self.names is None else tuple(self.names[point] for point in points),
            area=None if self.area is None else self.area[points],
            parts=(),
        )


def join(grids: list[Grid]) -> Grid:
    """Return the points of several grids, one grid after the other. One alone stays what it is."""
    if len(grids) == 1:
        return grids[0]
    elevations = [grid.elevation for grid in grids if grid.elevation is not None]
    return Grid(
        np.concatenate([grid.latitudes for grid in grids]),
        np.concatenate([grid.longitudes for grid in grids]),
        "unstructured",
        elevation=np.concatenate(elevations) if len(elevations) == len(grids) else None,
        parts=tuple(grid.size for grid in grids),
    )


def unit_vectors(latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Return the points on the unit sphere (float64 [n, 3]), which has no seam and no poles."""
    latitudes, longitudes = np.deg2rad(latitudes), np.deg2rad(longitudes)
    across = np.cos(latitudes)
    return np.stack([across * np.cos(longitudes), across * np.sin(longitudes), np.sin(latitudes)], axis=-1)


def arc_km(chord: np.ndarray) -> np.ndarray:
    """Return distances on the sphere in km of distances through the unit sphere."""
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.clip(chord / 2, 0, 1))
