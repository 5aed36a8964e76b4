"""Coastlines and borders, drawn once for each view."""

import gzip
import json
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from evalflow.drawing.domains import View
from evalflow.lookup import PROJECT

_FILE = PROJECT / "assets" / "natural-earth" / "countries-50m.json.gz"
_SEAM = 179.99
"""Degrees of longitude at which polygons are cut: no coast runs along them."""
_LONGEST_STEP = 0.1
"""Part of a map's width and height that one step of a line may cross: longer ones cross a seam."""
_FINEST_DEGREES = 0.5

Line = tuple[np.ndarray, np.ndarray]
"""Latitudes and longitudes in degrees."""


def _arcs_of(part: object) -> list[int]:
    """Return the numbers of all arcs in nested lists."""
    if isinstance(part, list):
        return [number for one in part for number in _arcs_of(one)]
    assert isinstance(part, int)
    return [part if part >= 0 else ~part]


@cache
def lines() -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Return the coastlines and the borders of the world."""
    topology = json.loads(gzip.decompress(_FILE.read_bytes()))
    scale, shift = topology["transform"]["scale"], topology["transform"]["translate"]
    owners: dict[int, set[int]] = {}
    for owner, country in enumerate(topology["objects"]["countries"]["geometries"]):
        for number in _arcs_of(country.get("arcs", [])):
            owners.setdefault(number, set()).add(owner)
    coasts: list[Line] = []
    borders: list[Line] = []
    for number, arc in enumerate(topology["arcs"]):
        points = np.cumsum(np.asarray(arc, np.float64), axis=0) * scale + shift
        for lon, lat in _without_seams(points[:, 0], points[:, 1]):
            (borders if len(owners.get(number, ())) > 1 else coasts).append((lat, lon))
    return tuple(coasts), tuple(borders)


def _without_seams(lon: np.ndarray, lat: np.ndarray) -> list[Line]:
    """Return the parts of a line (longitudes, latitudes) that do not run along the date line or a pole."""
    at_seam = (np.abs(lon) > _SEAM) | (lat < -_SEAM / 2)
    cut = np.flatnonzero(at_seam[:-1] & at_seam[1:]) + 1
    parts = zip(np.split(lon, cut), np.split(lat, cut), strict=True)
    return [(one, other) for one, other in parts if one.size > 1]


def pieces(view: View, line: Line) -> list[np.ndarray]:
    """Return the parts of a line that can be seen, as columns and rows (float64 [n, 2]).

    A line ends at the rim of the globe and at the seams of a projection. Long steps become short
    ones, so that a straight line in degrees follows its curve on the map.
    """
    lat, lon = _finer(*line)
    x, y = view.to_pixels(lat, lon)
    inside = (x > -view.width) & (x < 2 * view.width) & (y > -view.height) & (y < 2 * view.height)
    if not inside.any():
        return []
    jump = (np.abs(np.diff(x)) > _LONGEST_STEP * view.width) | (np.abs(np.diff(y)) > _LONGEST_STEP * view.height)
    cut = np.flatnonzero(jump | ~inside[1:] | ~inside[:-1]) + 1
    points = np.stack([x, y], axis=1)
    return [part for part in np.split(points, cut) if len(part) > 1 and not np.isnan(part).any()]


def _finer(lat: np.ndarray, lon: np.ndarray) -> Line:
    """Return a line whose steps are half a degree at most; a step across the date line stays one."""
    east = (np.diff(lon) + 180) % 360 - 180
    parts = np.maximum(1, np.ceil(np.maximum(np.abs(np.diff(lat)), np.abs(east)) / _FINEST_DEGREES).astype(int))
    if (parts == 1).all():
        return lat, lon
    whole = np.concatenate([[0], np.cumsum(parts)])
    place = np.arange(whole[-1] + 1)
    unrolled = lon[0] + np.concatenate([[0], np.cumsum(east)])
    return np.interp(place, whole, lat), (np.interp(place, whole, unrolled) + 180) % 360 - 180


def draw_lines(view: View, some: tuple[Line, ...] | list[Line], width: int = 1) -> np.ndarray:
    """Return the pixels (bool [height, width]) that lines cross."""
    image = Image.new("1", (view.width, view.height))
    draw = ImageDraw.Draw(image)
    for line in some:
        for part in pieces(view, line):
            draw.line([tuple(point) for point in part], fill=1, width=width)
    return np.asarray(image)


def draw_background(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels (bool [height, width]) of coastlines and those of borders."""
    coasts, borders = lines()
    return draw_lines(view, coasts), draw_lines(view, borders)
