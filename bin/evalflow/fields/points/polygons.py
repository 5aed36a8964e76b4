"""Read polygons from GeoJSON and from shapefiles, in degrees of longitude and latitude (WGS 84)."""

import json
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapefile
import shapely
from pyproj import CRS, Transformer, network
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry import shape

from evalflow.errors import UserError

network.set_network_enabled(False)  # grids of datum shifts are not fetched: regions would depend on the network

SUFFIXES = (".shp", ".geojson", ".json")

_SIDE_METRES = 5000.0
"""Sides are cut to this length before projection: their middles are then right within metres."""

_LV95 = CRS.from_epsg(2056)
_LV95_RANGE = ((2.2e6, 3.0e6), (0.8e6, 1.5e6))
"""Eastings and northings of Switzerland and what its radars see around it (m)."""

_POLYGONS = {"Polygon", "MultiPolygon"}
_SHAPES = {shapefile.POLYGON, shapefile.POLYGONZ, shapefile.POLYGONM}
_NO_POLYGONS = {"Point", "MultiPoint", "LineString", "MultiLineString"}


def read_polygons(path: Path) -> list[shapely.Polygon]:
    """Return the polygons of a file, at least one, in degrees and as they are.

    They may be across the date line, or have sides that cross.

    Of a shapefile the .prj beside it says the projection, of GeoJSON its member `crs`, if it has
    one. Without, coordinates are degrees, or LV95 (EPSG:2056) where they can be that alone.

    Raises
    ------
    UserError
        Where the file cannot be read, has no polygon, or does not say where on Earth its
        coordinates are.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: regions are read from GeoJSON (.geojson, .json) and shapefiles (.shp)")
    try:
        with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused below
            geometries, crs = _read_shapefile(path) if suffix == ".shp" else _read_geojson(path)
        polygons = [part for part in shapely.get_parts(shapely.force_2d(geometries)).tolist() if not part.is_empty]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        struct.error,
        shapely.GEOSException,
        RecursionError,
    ) as error:
        raise UserError(f"{path}: has a polygon that cannot be read: {_first_line(error)}") from None
    except (shapefile.ShapefileException, shapefile.PossiblyCorruptFileHeader) as error:
        raise UserError(f"{path}: is no whole shapefile: {_first_line(error)}") from None
    if not polygons:
        raise UserError(f"{path}: holds no polygon; a region needs at least one")
    return _in_degrees(polygons, crs, path)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _read_shapefile(path: Path) -> tuple[list[shapely.Geometry], CRS | None]:
    with open(path, "rb") as file, warnings.catch_warnings():
        # A file that ends early would else be read without a word as far as it goes.
        warnings.simplefilter("error", shapefile.PossiblyCorruptFileHeader)
        reader = shapefile.Reader(shp=file)
        shapes = [one.__geo_interface__ for one in reader.iterShapes() if one.shapeType in _SHAPES]
    beside = [other for other in path.parent.iterdir() if other.stem == path.stem and other.suffix.lower() == ".prj"]
    crs = _crs(beside[0].read_text(errors="replace"), beside[0]) if beside else None
    return [shape(one) for one in shapes if one["type"] in _POLYGONS], crs


def _read_geojson(path: Path) -> tuple[list[shapely.Geometry], CRS | None]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON: {_first_line(error)}") from None
    named = data.get("crs") if isinstance(data, dict) else None
    crs = _crs(named["properties"]["name"], path) if named else None
    return [shape(one) for one in _polygons_in(data, path)], crs


def _polygons_in(data: Any, path: Path) -> Iterator[dict[str, Any]]:
    """Yield the polygons of a GeoJSON object; skip points, lines and empty features."""
    kind = data.get("type") if isinstance(data, dict) else None
    if kind == "FeatureCollection":
        inner = data["features"]
    elif kind == "GeometryCollection":
        inner = data["geometries"]
    elif kind == "Feature":
        inner = [data["geometry"]] if data.get("geometry") else []
    elif kind in _POLYGONS | _NO_POLYGONS:
        inner = []
        if kind in _POLYGONS:
            yield data
    else:
        raise UserError(f"{path}: is no GeoJSON: its type is {json.dumps(kind, default=str)}")
    for one in inner:
        yield from _polygons_in(one, path)


def _crs(text: str, path: Path) -> CRS:
    try:
        return CRS.from_user_input(text)
    except CRSError:
        raise UserError(f"{path}: names a projection that PROJ does not know: {' '.join(text.split())[:60]}") from None


def _in_degrees(polygons: list[shapely.Polygon], crs: CRS | None, path: Path) -> list[shapely.Polygon]:
    if not np.isfinite(shapely.get_coordinates(polygons)).all():
        raise UserError(f"{path}: has coordinates that are no numbers")
    if crs is None:
        crs = _assumed_crs(polygons, path)
    if crs is not None and not (crs.is_geographic and crs.to_epsg(20) == 4326) and crs.name != "WGS 84 (CRS84)":
        polygons = _projected_back(polygons, crs, path)
    if not _within(polygons, ((-360, 540), (-90, 90))):
        raise UserError(f"{path}: has coordinates that are no degrees: {_extent(polygons)}")
    return polygons


def _assumed_crs(polygons: list[shapely.Polygon], path: Path) -> CRS | None:
    if _within(polygons, ((-360, 540), (-90, 90))):
        return None
    if _within(polygons, _LV95_RANGE):
        return _LV95
    cure = "add its .prj" if path.suffix.lower() == ".shp" else "give it in degrees"
    raise UserError(f"{path}: names no projection, and {_extent(polygons)} are neither degrees nor LV95; {cure}")


def _extent(polygons: list[shapely.Polygon]) -> str:
    west, south, east, north = shapely.total_bounds(polygons)
    return f"x {west:.10g} to {east:.10g}, y {south:.10g} to {north:.10g}"


def _within(polygons: list[shapely.Polygon], ranges: tuple[tuple[float, float], tuple[float, float]]) -> bool:
    west, south, east, north = shapely.total_bounds(polygons)
    (least_x, most_x), (least_y, most_y) = ranges
    tiny = 1e-6  # of rounding, and of what a projection back to degrees leaves
    return bool(least_x - tiny <= west and east <= most_x + tiny and least_y - tiny <= south and north <= most_y + tiny)


def _projected_back(polygons: list[shapely.Polygon], crs: CRS, path: Path) -> list[shapely.Polygon]:
    if crs.is_projected:
        polygons = shapely.segmentize(polygons, _SIDE_METRES / crs.axis_info[0].unit_conversion_factor).tolist()
    try:
        back = Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True)
        polygons = [
            shapely.transform(one, lambda places: np.column_stack(back.transform(*places.T))) for one in polygons
        ]
    except ProjError as error:
        raise UserError(f"{path}: cannot be brought to degrees from {crs.name}: {_first_line(error)}") from None
    if not np.isfinite(shapely.get_coordinates(polygons)).all():
        raise UserError(f"{path}: has coordinates that {crs.name} does not reach")
    return polygons
