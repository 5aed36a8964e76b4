"""Domains of maps: which part of the globe, in which projection, on which pixels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyproj import Proj

from evalflow.drawing.names import EXTENTS, DomainEntry, DomainName, ProjectionName
from evalflow.fields.grids import EARTH_RADIUS_KM

WIDTH, HEIGHT = 900, 700
"""Pixels that a map has at most."""

Extent = tuple[float, float, float, float]
_CENTRE = (5.0, 45.0)
"""Longitude and latitude in the middle of a map of the whole globe that is seen from one side."""
_RADIUS_M = EARTH_RADIUS_KM * 1000
_EDGE_POINTS = 101


@dataclass(frozen=True)
class Domain:
    """A part of the globe to draw.

    A projection has its centre in the middle of the extent, or at the pole that the extent goes
    around. Without an extent the centre is 5°E, 45°N, and of `platecarree` 0°E, 0°N.

    Attributes
    ----------
    name : for people
    extent : west, east, south, north in degrees; an east that is less than the west lies beyond
        the date line; None: the whole globe
    projection : map projection
    """

    name: str
    extent: Extent | None = None
    projection: ProjectionName = "orthographic"

    @property
    def span(self) -> float:
        """Return how many degrees of longitude the extent holds."""
        return 360.0 if self.extent is None else (self.extent[1] - self.extent[0]) % 360.0 or 360.0

    @property
    def centre(self) -> tuple[float, float]:
        """Return longitude and latitude of the centre of the projection."""
        if self.extent is None:
            return (0.0, 0.0) if self.projection == "platecarree" else _CENTRE
        west, _, south, north = self.extent
        middle = (west + self.span / 2 + 180.0) % 360.0 - 180.0
        if self.span == 360.0 and self.projection != "platecarree" and 90.0 in (north, -south) and north != -south:
            return middle, 90.0 if north == 90.0 else -90.0
        return middle, (south + north) / 2

    @cached_property
    def proj(self) -> Proj:
        """Return the projection, from degrees to metres."""
        lon, lat = self.centre
        definition = {
            "platecarree": f"+proj=eqc +lon_0={lon}",
            "orthographic": f"+proj=ortho +lon_0={lon} +lat_0={lat}",
            "rotatedlatlon": f"+proj=ob_tran +o_proj=eqc +o_lon_p=0 +o_lat_p={90 - lat} +lon_0={lon}",
            "azimuthalequidist": f"+proj=aeqd +lon_0={lon} +lat_0={lat}",
        }[self.projection]
        return Proj(f"{definition} +R={_RADIUS_M}")

    def bounds(self) -> tuple[float, float, float, float]:
        """Return the smallest x, largest x, smallest y and largest y in metres."""
        if self.extent is None:
            across = {"orthographic": 1.0, "azimuthalequidist": np.pi}.get(self.projection)
            wide, high = (across, across) if across else (np.pi, np.pi / 2)
            return -wide * _RADIUS_M, wide * _RADIUS_M, -high * _RADIUS_M, high * _RADIUS_M
        west, _, south, north = self.extent
        # The last meridian of a full circle is the first one: a hair before it, it lies at the right edge.
        lon = west + np.linspace(1e-9, self.span - 1e-9, _EDGE_POINTS)
        lons, lats = np.meshgrid(lon, np.linspace(south, north, _EDGE_POINTS))
        x, y = self.project(lats, lons)
        if not np.isfinite(x).any():
            raise ValueError(f"no point of the domain {self.name} can be seen")
        return float(np.nanmin(x)), float(np.nanmax(x)), float(np.nanmin(y)), float(np.nanmax(y))

    def project(self, latitudes: np.ndarray, longitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y in metres; NaN of what is on the far side of the globe."""
        x, y = self.proj(np.asarray(longitudes, np.float64), np.asarray(latitudes, np.float64))
        hidden = ~(np.isfinite(x) & np.isfinite(y))
        return np.where(hidden, np.nan, x), np.where(hidden, np.nan, y)


def domain_of(entry: DomainEntry) -> Domain:
    """Return the domain that a plan names."""
    return Domain(entry.name, entry.extent, entry.projection)


def domain_named(name: DomainName) -> Domain:
    """Return one of the domains that have a name."""
    return Domain(name, EXTENTS[name])


class View:
    """The pixels of a map: as many as fit into a size, with the proportions of the domain.

    Attributes
    ----------
    width, height : in pixels; row 0 is the upper one
    """

    def __init__(self, domain: Domain, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.domain = domain
        self._left, right, bottom, self._top = domain.bounds()
        self._metres = max((right - self._left) / width, (self._top - bottom) / height)
        self.width = max(1, round((right - self._left) / self._metres))
        self.height = max(1, round((self._top - bottom) / self._metres))

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""
        return self.height, self.width

    @property
    def pixel_km(self) -> float:
        """Return the size of a pixel in km, in the middle of the map."""
        return self._metres / 1000

    def to_pixels(self, latitudes: np.ndarray, longitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return column and row of points; they may lie outside, and are NaN on the far side.

        Whole numbers are the centres of pixels.
        """
        x, y = self.domain.project(latitudes, longitudes)
        return (x - self._left) / self._metres - 0.5, (self._top - y) / self._metres - 0.5

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return latitude and longitude (float64 [height, width]) of pixels; NaN beside the globe."""
        x = self._left + (np.arange(self.width) + 0.5) * self._metres
        y = self._top - (np.arange(self.height) + 0.5) * self._metres
        x, y = np.meshgrid(x, y)
        lon, lat = self.domain.proj(x, y, inverse=True)
        # Beside the globe some projections go on: what does not come back to its place is not there.
        back_x, back_y = self.domain.project(lat, lon)
        there = np.hypot(back_x - x, back_y - y) < self._metres
        return np.where(there, lat, np.nan), np.where(there, lon, np.nan)
