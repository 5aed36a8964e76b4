"""Pictures of the report as PNG, for slides: from the SVG that a template has drawn."""

import io
import re
import xml.etree.ElementTree as ET
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.transforms import Transform
    from PIL import ImageDraw, ImageFont

SCALE = 2
"""Pixels of the PNG per unit of the SVG."""
_POINTS = 0.72
"""Points of matplotlib per unit of the SVG, at 100 units an inch."""
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
Points = list[tuple[float, float]]


def _number(element: ET.Element, name: str, default: float = 0.0) -> float:
    text = element.get(name)
    return default if text is None else float(text.removesuffix("%"))


def _points(path: str) -> tuple[Points, bool]:
    """Return the corners of a path of the commands M, L, H, V and Z, and whether it is closed."""
    corners: Points = []
    for command, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        numbers = [float(one) for one in text.replace(",", " ").split()]
        if command == "H":
            corners.append((numbers[0], corners[-1][1]))
        elif command == "V":
            corners.append((corners[-1][0], numbers[0]))
        elif command in "ML":
            corners.append((numbers[0], numbers[1]))
        elif command != "Z":
            raise ValueError(f"a path of another kind: {path}")
    return corners, path.endswith("Z")


def _shape(element: ET.Element, place: int, transform: "Transform") -> "Artist":
    """Return what matplotlib draws for a circle or a path."""
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Patch, Polygon

    fill, stroke = element.get("fill", "none"), element.get("stroke", "none")
    width = _number(element, "stroke-width", 1) * _POINTS
    look = {
        "facecolor": "none" if fill == "none" else to_rgba(fill, _number(element, "fill-opacity", 1)),
        "edgecolor": stroke,
        "linewidth": width if stroke != "none" else 0,
    }
    shape: Patch
    if element.tag.endswith("circle"):
        at = _number(element, "cx"), _number(element, "cy")
        shape = Circle(at, _number(element, "r"), transform=transform, zorder=place, **look)
        return shape
    corners, closed = _points(element.get("d", ""))
    if closed:
        shape = Polygon(corners, closed=True, transform=transform, zorder=place, **look)
        return shape
    dashes = [float(one) for one in element.get("stroke-dasharray", "").split()]
    xs, ys = zip(*corners, strict=True)
    line = Line2D(xs, ys, color=stroke, linewidth=width, transform=transform, zorder=place, solid_joinstyle="round")
    if dashes:
        line.set_dashes([one * _POINTS / width for one in dashes])
    return line


def _write_text(canvas: "ImageDraw.ImageDraw", element: ET.Element, size: float, colour: str) -> None:
    """Write a text; Pillow does so in a tenth of the time that matplotlib takes, and knows no formulas."""
    text = re.sub(r"\s+", " ", "".join(element.itertext()))
    pixels = round(_number(element, "font-size", size) * SCALE)
    at = _number(element, "x") * SCALE, _number(element, "y") * SCALE
    font = _font(pixels, element.get("font-weight", "400"))
    anchor = _ANCHORS[element.get("text-anchor", "start")]
    canvas.text(at, text, font=font, fill=element.get("fill", colour), anchor=anchor)


@cache
def _font(pixels: int, weight: str) -> "ImageFont.FreeTypeFont":
    """Return a font that comes with matplotlib, so that pictures are the same everywhere."""
    import matplotlib
    from PIL import ImageFont

    name = {"400": "DejaVuSans.ttf", "600": "DejaVuSans-Bold.ttf"}[weight]
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", pixels)


def png_of(svg: str) -> bytes:
    """Return a picture of texts, circles and straight lines as PNG, drawn on white.

    It knows what the templates of this report draw, no more. Texts lie above all else.

    Raises
    ------
    ValueError
        Where the SVG has something else.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D
    from PIL import Image, ImageDraw

    root = ET.fromstring(svg)
    width, height, size = (_number(root, name, 12) for name in ("width", "height", "font-size"))
    figure = Figure(figsize=(width / 100, height / 100), dpi=100 * SCALE, facecolor="white")
    transform = Affine2D().translate(0, -height).scale(1 / width, -1 / height) + figure.transFigure
    texts = []
    for place, element in enumerate(root.iter()):
        tag = element.tag.rpartition("}")[2]
        if tag == "text":
            texts.append(element)
        elif tag in ("circle", "path"):
            figure.add_artist(_shape(element, place, transform))
        elif tag not in ("svg", "g", "title", "tspan", "rect"):
            raise ValueError(f"an element of another kind: {tag}")
    agg = FigureCanvasAgg(figure)
    agg.draw()
    shown = agg.get_width_height(), agg.buffer_rgba()
    picture = Image.frombuffer("RGBA", *shown, "raw", "RGBA", 0, 1).convert("RGB")
    canvas = ImageDraw.Draw(picture)
    for element in texts:
        _write_text(canvas, element, size, root.get("fill", "#000000"))
    content = io.BytesIO()
    picture.save(content, "png", compress_level=3)
    return content.getvalue()
