"""Animations as files: WebP, GIF and MP4, with title, lead time and legend in each picture.

They are made of the frames that the page's player draws, and hold no label.
"""

import base64
import io
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from evalflow.errors import UserError
from evalflow.showcase.frames import FrameFile, decode
from evalflow.store.files import new_in_store
from evalflow.store.layout import init_time_of

_HEAD, _FOOT = 30, 46
_PAPER, _INK, _SOFT, _NOTHING = "#ffffff", "#16191d", "#555c66", "#e4e7eb"
_NO_FIELD = "no field at this lead time"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def _hours(hours: float) -> str:
    return f"+{hours:g} h"


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


class _Film(Image.Image):
    """All pictures of an animation, each drawn when it is asked for: memory does not grow with their number."""

    def __init__(self, frames: FrameFile) -> None:
        super().__init__()
        self.frames = frames
        self.n_frames, self.is_animated = len(frames.frames), True
        self._place = -1
        self._lines = Image.open(io.BytesIO(base64.b64decode(frames.lines))).convert("RGBA")
        self._paper = self._draw_paper()
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Draw the picture with a number."""
        if not 0 <= frame < self.n_frames:
            raise EOFError
        if frame == self._place:
            return
        self._place = frame
        picture = self._draw(frame)
        self.im, self._mode, self._size, self.palette = picture.im, picture.mode, picture.size, None

    def tell(self) -> int:
        """Return the number of the picture."""
        return self._place

    def _draw_paper(self) -> Image.Image:
        """Draw what all pictures have."""
        frames = self.frames
        size = max(frames.width, 480), frames.height + _HEAD + _FOOT
        paper = Image.new("RGB", size, _PAPER)
        draw = ImageDraw.Draw(paper)
        units = f" [{frames.units}]" if frames.units != "1" else ""
        lines = f", lines every {frames.isolines:g}" if frames.isolines else ""
        title = f"{frames.param} {frames.title}{units}{lines}"
        draw.text((6, 6), _fitted(title, size[0] - 250), _INK, _font(13))
        draw.rectangle((0, _HEAD, frames.width - 1, _HEAD + frames.height - 1), fill=_NOTHING)
        self._draw_legend(draw, size)
        return paper

    def _draw_legend(self, draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
        count, left, right = len(self.frames.colours), 12, size[0] - 12
        top, wide = size[1] - _FOOT + 8, (right - left) / count
        every = max(1, round(34 / wide))
        for place, colour in enumerate(self.frames.colours):
            draw.rectangle((left + place * wide, top, left + (place + 1) * wide, top + 14), fill=colour)
        for place, bound in enumerate(self.frames.bounds, start=1):
            if (place - 1) % every == 0:
                draw.line((left + place * wide, top + 14, left + place * wide, top + 18), _SOFT)
                draw.text((left + place * wide, top + 19), _number(bound), _SOFT, _font(11), anchor="ma")

    def _draw(self, place: int) -> Image.Image:
        frames = self.frames
        picture = self._paper.copy()
        draw = ImageDraw.Draw(picture)
        start, lead = init_time_of(frames.init_time), timedelta(hours=frames.lead_times[place])
        when = f"{start:%Y-%m-%d %H:%M} UTC {_hours(frames.lead_times[place])}"
        valid = f"valid {start + lead:%Y-%m-%d %H:%M}"
        draw.text((picture.width - 6, 2), when, _INK, _font(12), anchor="ra")
        draw.text((picture.width - 6, 16), valid, _SOFT, _font(11), anchor="ra")
        if frames.frames[place]:
            image = decode(frames.frames[place])
            picture.paste(image, (0, _HEAD), image)
            picture.paste(self._lines, (0, _HEAD), self._lines)
        else:
            middle = frames.width // 2, _HEAD + frames.height // 2
            draw.text(middle, _NO_FIELD, _SOFT, _font(18), anchor="mm")
        return picture


def _fitted(text: str, width: float) -> str:
    """Return a text that is no wider than so many pixels."""
    while text and _font(13).getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text


def write_film(path: Path, frames: FrameFile, frames_per_second: float) -> None:
    """Put an animation into the store; the suffix says the format.

    Raises
    ------
    UserError
        Where ffmpeg, which MP4 needs, is not there or fails.
    """
    film = _Film(frames)
    duration = round(1000 / frames_per_second)
    with new_in_store(path) as temporary:
        if path.suffix == ".mp4":
            _write_mp4(temporary, film, frames_per_second)
        elif path.suffix == ".gif":
            film.save(temporary, "GIF", save_all=True, duration=duration, loop=0)
        else:
            film.save(temporary, "WEBP", save_all=True, duration=duration, loop=0, lossless=True, method=2, quality=0)


def _pictures(film: _Film) -> Iterator[Image.Image]:
    for place in range(film.n_frames):
        film.seek(place)
        yield film


def _write_mp4(path: Path, film: _Film, frames_per_second: float) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        raise UserError("mp4: there is no ffmpeg on PATH; install it, or take mp4 out of showcase.animations.formats")
    words = ["-y", "-loglevel", "error", "-f", "image2pipe", "-c:v", "ppm", "-r", f"{frames_per_second:g}", "-i", "-"]
    # Players want even numbers of pixels, and this form of colours.
    words += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-f", "mp4", str(path)]
    pictures = b"".join(_ppm(picture) for picture in _pictures(film))
    done = subprocess.run([program, *words], input=pictures, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"mp4: ffmpeg failed: {said[-1] if said else f'exit status {done.returncode}'}")


def _ppm(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "PPM")
    return stream.getvalue()
