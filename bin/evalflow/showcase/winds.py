"""Wind over maps of its speed: barbs or pieces of streamlines, on a lattice of pixels."""

import math
from datetime import timedelta
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from evalflow.drawing.domains import View
from evalflow.drawing.raster import Raster
from evalflow.showcase.reading import Fields

SPACING = 36
"""Pixels between barbs, and between the middles of streamlines."""
_SHAFT = 20.0
_KNOTS = 3600 / 1852
_STEP_DEGREES = 0.05
_STEPS = 14

Style = Literal["none", "barbs", "streamlines"]


def draw_wind(fields: Fields, raster: Raster, param: str, lead: timedelta, style: Style) -> np.ndarray | None:
    """Return the pixels (bool [height, width]) of lines that show the wind; None where it is not known.

    Parameters
    ----------
    param : a speed, `SP_10M` or `SP_850`; its parts are `U_…` and `V_…` on the same points
    """
    level = param.partition("_")[2]
    names = f"U_{level}", f"V_{level}"
    if not all(fields.has(name) for name in names):
        return None
    to_east, to_north = (fields.read(name, lead) for name in names)
    if to_east is None or to_north is None or to_east.size != raster.grid.size:
        return None
    u, v = raster.spread(to_east), raster.spread(to_north)
    right, down = on_map(raster.view, u, v)
    image = Image.new("1", (raster.view.width, raster.view.height))
    draw = ImageDraw.Draw(image)
    for row in range(SPACING // 2, raster.view.height, SPACING):
        for column in range(SPACING // 2, raster.view.width, SPACING):
            if not np.isfinite(right[row, column]):
                continue
            if style == "barbs":
                speed = math.hypot(u[row, column], v[row, column])
                _barb(draw, column, row, (right[row, column], down[row, column]), speed * _KNOTS)
            else:
                _streamline(draw, column, row, right, down)
    return np.asarray(image)


def on_map(view: View, to_east: np.ndarray, to_north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the directions of winds on a map: unit vectors to the right and down, NaN where there is none.

    Parameters
    ----------
    to_east, to_north : parts of the wind at each pixel
    """
    latitudes, longitudes = view.points()
    column, row = view.to_pixels(latitudes, longitudes)
    # One step to the north from there and one to the south: at a pole one of them is another meridian's.
    ahead = view.to_pixels(np.minimum(latitudes + _STEP_DEGREES, 90), longitudes)
    behind = view.to_pixels(np.maximum(latitudes - _STEP_DEGREES, -90), longitudes)
    north_x, north_y = ahead[0] - behind[0], ahead[1] - behind[1]
    size = np.hypot(north_x, north_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        north_x, north_y = north_x / size, north_y / size
        # East is north turned to the right: nearly so on all maps, exactly on those that keep angles.
        right, down = to_east * -north_y + to_north * north_x, to_east * north_x + to_north * north_y
        speed = np.hypot(right, down)
        there = np.isfinite(column + row) & (speed > 0)
        return np.where(there, right / speed, np.nan), np.where(there, down / speed, np.nan)


def _barb(draw: ImageDraw.ImageDraw, x: float, y: float, direction: tuple[float, float], knots: float) -> None:
    """Draw a barb whose shaft points to where the wind comes from: 50, 10 and 5 knots."""
    if knots < 2.5:
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), outline=1)
        return
    back_x, back_y = -direction[0], -direction[1]
    draw.line((x, y, x + _SHAFT * back_x, y + _SHAFT * back_y), fill=1)
    # Feathers stand to the left of who looks along the shaft to where the wind comes from: to the low in the north.
    side_x, side_y = -back_y, back_x
    left, place = round(knots / 5) * 5, 1.0
    for size, length in ((50, 8), (10, 8), (5, 4)):
        while left >= size:
            left -= size
            foot = x + _SHAFT * place * back_x, y + _SHAFT * place * back_y
            tip = foot[0] + length * side_x + 2 * back_x, foot[1] + length * side_y + 2 * back_y
            if size == 50:
                inner = foot[0] - 4 * back_x, foot[1] - 4 * back_y
                draw.polygon([foot, tip, inner], fill=1)
                place -= 0.25
            else:
                draw.line([foot, tip], fill=1)
                place -= 0.16


def _streamline(draw: ImageDraw.ImageDraw, x: float, y: float, right: np.ndarray, down: np.ndarray) -> None:
    """Draw a piece of a streamline through a pixel, with a head."""
    height, width = right.shape
    path = [(float(x), float(y))]
    for _ in range(_STEPS):
        at_x, at_y = path[-1]
        row, column = round(at_y), round(at_x)
        if not (0 <= row < height and 0 <= column < width) or not np.isfinite(right[row, column]):
            break
        path.append((at_x + 2 * right[row, column], at_y + 2 * down[row, column]))
    if len(path) < 4:
        return
    draw.line(path, fill=1)
    (x0, y0), (x1, y1) = path[-2], path[-1]
    for turn in (2.6, -2.6):
        angle = math.atan2(y1 - y0, x1 - x0) + turn
        draw.line((x1, y1, x1 + 5 * math.cos(angle), y1 + 5 * math.sin(angle)), fill=1)
