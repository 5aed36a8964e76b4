"""Regions: named boxes, and polygons from files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely

from evalflow.errors import UserError
from evalflow.fields.points.atoms import ALL
from evalflow.fields.points.dateline import polygons_of, unroll, west_end_first
from evalflow.fields.points.polygons import SUFFIXES, read_polygons

_PLACES = 4
"""Decimals of degrees (11 m) of points: so points in single precision lie on an edge."""


@dataclass(frozen=True)
class RegionSpec:
    """What the config says of a region.

    Attributes
    ----------
    name : by which scores are shown
    box : west, east, south, north in degrees; west of a box across the date line is greater than
        east
    file : GeoJSON or shapefile, where there is no box
    """

    name: str
    box: tuple[float, float, float, float] | None = None
    file: Path | None = None


@dataclass(frozen=True, eq=False)
class Region:
    """Polygons on the Earth.

    Attributes
    ----------
    name : by which scores are shown
    polygons : degrees, each with its west end in [-180, 180); across the date line they go on
        beyond 180
    origin : where they are from, for messages
    """

    name: str
    polygons: tuple[shapely.Polygon, ...]
    origin: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the polygons to 1e-6 degrees, in any order; not of name or file."""
        rounded = shapely.transform(np.array(self.polygons), lambda places: places.round(6) + 0.0)
        parts = sorted(shapely.to_wkb(shapely.normalize(rounded), byte_order=1).tolist())
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @cached_property
    def geometry(self) -> shapely.Geometry:
        """The union of the polygons."""
        union = shapely.union_all(self.polygons)
        shapely.prepare(union)
        return union

    def contains(self, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
        """Return which points (degrees, [n]) lie in the region or on its border, bool [n]."""
        north = np.round(np.asarray(latitudes, np.float64), _PLACES)
        east = (np.round(np.asarray(longitudes, np.float64), _PLACES) + 180) % 360 - 180
        east = np.round(east, _PLACES)  # the remainder is not exact
        inside = np.zeros(north.shape, bool)
        west_end, south_end, east_end, north_end = self.geometry.bounds
        for turn in (0.0, 360.0):
            near = (east + turn >= west_end) & (east + turn <= east_end) & (north >= south_end) & (north <= north_end)
            inside[near] |= shapely.intersects_xy(self.geometry, east[near] + turn, north[near])
        return inside


def read_region(spec: RegionSpec) -> Region:
    """Return the region that a config describes.

    Raises
    ------
    UserError
        Where its name is that of the whole domain, its box is none, or its file holds no polygon or
        cannot be read.
    """
    if spec.name == ALL:
        raise UserError(f"region {ALL}: this is the name of the whole domain; give the region another one")
    if spec.box is not None:
        return Region(spec.name, (_box(spec.name, spec.box),), f"box {[*spec.box]}")
    if spec.file is None:
        raise ValueError(f"region {spec.name} has neither box nor file")
    try:
        polygons = [part for one in read_polygons(spec.file) for part in polygons_of(unroll(one))]
    except ValueError as error:
        raise UserError(f"{spec.file}: {error}") from None
    if not polygons:
        raise UserError(f"{spec.file}: holds no polygon with an area; a region needs at least one")
    return Region(spec.name, tuple(polygons), str(spec.file))


def _box(name: str, box: tuple[float, float, float, float]) -> shapely.Polygon:
    west, east, south, north = (float(side) for side in box)
    what = f"region {name}: box {[*box]}"
    if not (np.isfinite(box).all() and -180 <= west <= 360 and -180 <= east <= 540):
        raise UserError(f"{what}: longitudes must be numbers from -180 to 360; a box is [west, east, south, north]")
    if not -90 <= south < north <= 90:
        raise UserError(f"{what}: needs -90 <= south < north <= 90; a box is [west, east, south, north]")
    if west > east:
        east += 360
    if not 0 < east - west <= 360:
        raise UserError(f"{what}: must be wider than 0 and at most 360 degrees; a box is [west, east, south, north]")
    return west_end_first(shapely.box(west, south, east, north))


def find_region_file(name: str, root: Path) -> Path:
    """Return the file below `root` whose name without suffix is `name`; a shapefile comes first.

    Raises
    ------
    UserError
        Where there is none; it lists what there is.
    """
    for suffix in SUFFIXES:
        path = root / f"{name}{suffix}"
        if path.is_file():
            return path
    there = sorted({path.stem for path in root.glob("*") if path.suffix.lower() in SUFFIXES})
    found = ", ".join(there[:12]) + (", …" if len(there) > 12 else "") if there else "none"
    raise UserError(f"{root}: has no region {name} ({name}.shp or {name}.geojson); regions there: {found}")


def each_once(regions: Iterable[Region]) -> list[Region]:
    """Return the regions without those that are named again.

    Raises
    ------
    UserError
        Where two regions of one name are of different polygons.
    """
    found: dict[str, Region] = {}
    for region in regions:
        other = found.setdefault(region.name, region)
        if other.digest != region.digest:
            raise UserError(
                f"two regions are named {region.name}: {other.origin} and {region.origin}; rename one of them"
            )
    return list(found.values())
