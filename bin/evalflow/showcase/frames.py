"""Frames of an animation: one file with all of them, which the script of the page draws.

The file is a call of a script's function with one mapping (`FrameFile`), because a page that is
opened from a folder may load scripts but no other files.
"""

import base64
import io
import json
import math
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from evalflow.documents import Document
from evalflow.drawing.background import draw_background
from evalflow.drawing.colours import LINE, Scale
from evalflow.drawing.domains import View
from evalflow.errors import UserError
from evalflow.store.files import new_in_store

_HEAD, _CALL = "// ", "evalflow_frames("
_BLUR, _WIDEST = 0.7, 60.0
"""Of fields with isolines: standard deviation of the smoothing in widths of a point, and how many pixels count at most."""
_COAST, _BORDER, _OUTLINE = (24, 24, 24, 255), (96, 96, 96, 255), (200, 0, 160, 255)


class FrameFile(Document):
    """All frames of one animation.

    Attributes
    ----------
    param, title, units : what is drawn, in which units
    init_time : `YYYYmmddHHMM`, UTC
    lead_times : hours
    width, height : pixels of a frame
    bounds, colours : the legend: k bounds between k + 1 colours
    isolines : distance of lines of equal values, or None
    lines : coastlines and borders as PNG, base64
    frames : WebP without loss, base64; an empty one has no field
    notes : what was left out, a line each
    """

    param: str
    title: str
    units: str
    init_time: str
    lead_times: list[float]
    width: int
    height: int
    bounds: list[float]
    colours: list[str]
    isolines: float | None = None
    lines: str
    frames: list[str]
    notes: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is no field at all."""
        return not any(self.frames)


@dataclass
class Canvas:
    """Draws the frames of one animation, one after the other.

    Attributes
    ----------
    view : domain and pixels
    scale : colours
    frames : those that were drawn, encoded
    outline : bool [height, width], where a limited area ends
    """

    view: View
    scale: Scale
    frames: list[bytes] = field(default_factory=list)
    outline: np.ndarray | None = None

    def add(self, pixels: np.ndarray | None, over: np.ndarray | None = None) -> None:
        """Draw the next frame.

        Parameters
        ----------
        pixels : float32 [height, width] in the param's unit, NaN where nothing is; None: no field
        over : bool [height, width], pixels of lines over the field
        """
        if pixels is None or np.isnan(pixels).all():
            self.frames.append(b"")
            return
        if self.scale.isolines:
            pixels = smooth(pixels)
        classes = self.scale.classes(pixels)
        if self.scale.isolines:
            classes[isolines(self.scale.shown(pixels), self.scale.isolines)] = LINE
        if over is not None:
            classes[over] = LINE
        self.frames.append(encode(self.scale.palette[classes]))


def smooth(pixels: np.ndarray) -> np.ndarray:
    """Return pixels without the steps between the points of a field, so that lines of equal values are lines."""
    there = ~np.isnan(pixels)
    # A point is about so many pixels wide: where neighbours are equal they show one point.
    steps = np.diff(pixels, axis=1)
    changes = np.count_nonzero(~np.isnan(steps) & (steps != 0)) / max(there.sum(), 1)
    deviation = _BLUR * min(1 / max(changes, 1e-3), _WIDEST)
    weight = _blur(there.astype(np.float64), deviation)
    blurred = _blur(np.where(there, pixels, 0).astype(np.float64), deviation)
    return np.where(there, blurred / np.where(there, weight, 1), np.nan).astype(np.float32)


def _blur(pixels: np.ndarray, deviation: float) -> np.ndarray:
    """Return pixels blurred by three boxes, nearly a Gaussian: as fast for a wide one as for a narrow one."""
    size = round(math.sqrt(4 * deviation**2 + 1))
    for _ in range(3):
        pixels = uniform_filter(pixels, size)
    return pixels


def isolines(shown: np.ndarray, distance: float) -> np.ndarray:
    """Return the pixels (bool [height, width]) where a line of equal values runs.

    Parameters
    ----------
    shown : float32 [height, width], NaN where nothing is
    distance : between values of lines
    """
    level = np.floor_divide(shown, distance)
    lines = np.zeros(shown.shape, bool)
    lines[:, 1:] |= _differ(level[:, 1:], level[:, :-1])
    lines[1:] |= _differ(level[1:], level[:-1])
    return lines


def _differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one != other) & ~np.isnan(one) & ~np.isnan(other)


def encode(image: np.ndarray) -> bytes:
    """Return RGBA pixels as WebP without loss; few colours make it small."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "WEBP", lossless=True, method=2, quality=0, exact=True)
    return stream.getvalue()


def draw_lines_over(view: View, outline: np.ndarray | None) -> bytes:
    """Return coastlines, borders and the outline of a limited area as a PNG that lies over all frames."""
    image = np.zeros((*view.shape, 4), np.uint8)
    coasts, borders = draw_background(view)
    for mask, colour in ((borders, _BORDER), (coasts, _COAST), (outline, _OUTLINE)):
        if mask is not None:
            image[mask] = colour
    stream = io.BytesIO()
    Image.fromarray(image).quantize(16).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def make_frame_file(  # noqa: PLR0913 - what a reader needs to know of an animation
    canvas: Canvas, lines: bytes, param: str, title: str, init_time: str, leads: list[timedelta], notes: list[str]
) -> FrameFile:
    """Return the frames of a canvas with all that belongs to them."""
    return FrameFile(
        param=param,
        title=title,
        units=canvas.scale.units,
        init_time=init_time,
        lead_times=[lead.total_seconds() / 3600 for lead in leads],
        width=canvas.view.width,
        height=canvas.view.height,
        bounds=[float(bound) for bound in canvas.scale.bounds.round(4)],
        colours=list(canvas.scale.colours),
        isolines=canvas.scale.isolines,
        lines=base64.b64encode(lines).decode(),
        frames=[base64.b64encode(frame).decode() for frame in canvas.frames],
        notes=notes,
    )


def write_frames(path: Path, frames: FrameFile) -> None:
    """Put frames into the store."""
    # The first line is read alone to see what the file holds. The name of the file tells the page
    # which of its animations has come.
    head = json.dumps({"empty": frames.is_empty, "notes": frames.notes})
    text = f"{_HEAD}{head}\n{_CALL}{json.dumps(path.name)}, {frames.to_json()});\n"
    with new_in_store(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _no_frames(path: Path) -> UserError:
    return UserError(f"{path}: not a file of frames; remove it, and the next launch draws it again")


def read_frames(path: Path) -> FrameFile:
    """Return the frames of a file.

    Raises
    ------
    UserError
        Where it is not whole, or foreign.
    """
    try:
        _, call, end = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        raise _no_frames(path) from None
    if not call.startswith(_CALL) or not call.endswith(");") or end:
        raise _no_frames(path)
    return FrameFile.from_json(call[call.find("{") : -2], str(path))


def read_head(path: Path) -> tuple[bool, list[str]]:
    """Return whether a file of frames has no field at all, and its notes.

    Raises
    ------
    UserError
        Where it is foreign.
    """
    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(file.readline().removeprefix(_HEAD))
        return bool(head["empty"]), [str(note) for note in head["notes"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise _no_frames(path) from None


def decode(frame: str) -> Image.Image:
    """Return a frame as an RGBA image."""
    return Image.open(io.BytesIO(base64.b64decode(frame))).convert("RGBA")
