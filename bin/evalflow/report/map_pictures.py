"""A score map as PNG: pixels of the field, lines of the background, title and legend."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evalflow.drawing.background import draw_background
from evalflow.drawing.colours import Scale
from evalflow.drawing.raster import Raster

_PAPER, _NOTHING, _COAST, _BORDER, _HATCH, _TEXT = 199, 0, 240, 241, 242, 200
"""Places in the palette; from _TEXT on, 16 shades of text, from dark to paper."""
_COLOURS = {_PAPER: "#ffffff", _NOTHING: "#dfe3e8", _COAST: "#181818", _BORDER: "#707070", _HATCH: "#303030"}
_SHADES = 16
_MARGIN, _LINE_HEIGHTS, _SIZES = 10, (36, 28, 24, 24), (26, 21, 18, 18)
_LEGEND = 66
_HATCH_PIXELS = {"stations": 3, "grid": 8}
"""Pixels between lines of the hatching."""


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


@dataclass(eq=False)
class Sheet:
    """One domain of one grid: what all its maps share.

    Attributes
    ----------
    raster : draws fields
    inside : bool [n], the points that lie in the domain
    """

    raster: Raster
    inside: np.ndarray

    def __init__(self, raster: Raster) -> None:
        self.raster, view = raster, raster.view
        x, y = view.to_pixels(raster.grid.latitudes, raster.grid.longitudes)
        with np.errstate(invalid="ignore"):
            self.inside = (x >= -0.5) & (x < view.width - 0.5) & (y >= -0.5) & (y < view.height - 0.5)
        self._coasts, self._borders = draw_background(view)
        self._beside = np.isnan(view.points()[0])

    def pixels(self, values: np.ndarray, scale: Scale, hatched: np.ndarray | None) -> np.ndarray:
        """Return places in the palette (uint8 [height, width]).

        Parameters
        ----------
        values : [n], in the unit of the param
        hatched : bool [n], points to be hatched, or None
        """
        classes = scale.classes(values)
        found = self.raster.spread(classes, 0)
        stations = self.raster.grid.kind == "stations"
        if hatched is not None:
            over = self.raster.spread(np.where(hatched & (classes > 0), np.uint8(1), np.uint8(0)), 0) == 1
            rows, columns = np.indices(found.shape, np.int32)
            pitch = _HATCH_PIXELS["stations" if stations else "grid"]
            found = np.where(over & ((rows + columns) % pitch == 0), np.uint8(_HATCH), found)
        found = np.where(self._borders, np.uint8(_BORDER), found)
        found = np.where(self._coasts, np.uint8(_COAST), found)
        if stations:  # discs lie above the lines, and have a rim
            disc = self.raster.spread(np.where(classes > 0, np.uint8(1), np.uint8(0)), 0) == 1
            own = self.raster.spread(classes, 0)
            if hatched is not None:
                own = np.where(over & ((rows + columns) % pitch == 0), np.uint8(_HATCH), own)
            found = np.where(disc, np.where(_rim(disc), np.uint8(_COAST), own), found)
        return np.where(self._beside, np.uint8(_PAPER), found)


def _rim(disc: np.ndarray) -> np.ndarray:
    """Return the pixels of discs that have a neighbour outside."""
    padded = np.pad(disc, 1)
    return disc & ~(padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])


def palette(scale: Scale) -> np.ndarray:
    """Return the colours of a picture, RGB (uint8 [256, 3])."""
    table = scale.palette[:, :3].copy()
    for place, colour in _COLOURS.items():
        table[place] = [int(colour[first : first + 2], 16) for first in (1, 3, 5)]
    for shade in range(_SHADES):
        table[_TEXT + shade] = 24 + (255 - 24) * shade // (_SHADES - 1)
    return table


def compose(field: np.ndarray, scale: Scale, lines: list[str]) -> bytes:
    """Return a picture as PNG: lines of text, the map, and its legend.

    Parameters
    ----------
    field : places in the palette, [height, width]
    lines : four at most; the first one is the title
    """
    height, width = field.shape
    top = _MARGIN + sum(_LINE_HEIGHTS[: len(lines)])
    full = max(width + 2 * _MARGIN, 640)
    left = (full - width) // 2
    picture = np.full((top + height + _LEGEND, full), _PAPER, np.uint8)
    picture[top : top + height, left : left + width] = field
    text = Image.new("L", (full, top + height + _LEGEND), 255)
    draw = ImageDraw.Draw(text)
    place = _MARGIN
    for line, step, size in zip(lines, _LINE_HEIGHTS, _SIZES, strict=False):
        draw.text((_MARGIN, place), _fitted(line, size, full - 2 * _MARGIN), fill=0, font=_font(size))
        place += step
    _add_legend(picture, draw, scale, top + height + 8)
    shade = np.asarray(text, np.uint16) * _SHADES // 256
    picture = np.where(shade < _SHADES - 1, _TEXT + shade, picture).astype(np.uint8)
    image = Image.fromarray(picture, "P")
    image.putpalette(palette(scale).tobytes())
    content = io.BytesIO()
    image.save(content, "png", compress_level=6)
    return content.getvalue()


def _fitted(line: str, size: int, width: int) -> str:
    """Return a line that is no wider than `width` pixels."""
    font = _font(size)
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


def _add_legend(picture: np.ndarray, draw: ImageDraw.ImageDraw, scale: Scale, top: int) -> None:
    """Draw one box for each colour, and the values between boxes."""
    classes, full = len(scale.colours), picture.shape[1]
    wide = (full - 2 * _MARGIN - 90) // classes
    left, size = _MARGIN, _SIZES[-1]
    for place in range(classes):
        picture[top : top + 20, left + place * wide : left + (place + 1) * wide] = place + 1
    picture[[top, top + 19], left : left + classes * wide] = _BORDER
    every, last = max(1, -(-70 // wide)), len(scale.bounds) - 1
    for place, bound in enumerate(scale.bounds):
        # From both ends, so that a scale around 0 has the same values on both sides.
        if (place if scale.bounds[0] < 0 and 2 * place < last else last - place) % every == 0:
            draw.text((left + (place + 1) * wide, top + 24), f"{bound:.3g}".replace("-", "−"), 0, _font(size), "ma")
    draw.text((left + classes * wide + 8, top + 10), scale.units, 0, _font(size), "lm")
