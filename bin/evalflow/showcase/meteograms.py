"""Meteograms: all that is known of one place after one init time, in one picture."""

import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from evalflow.drawing.colours import scale_of
from evalflow.fields.params import param_named
from evalflow.fields.points.elevation import LAPSE_RATE
from evalflow.showcase.series import ParamSeries, PointEntry
from evalflow.store.files import new_in_place_of

_CORRECTED = "T_2M"
_COLOURS = ("#0072b2", "#d55e00", "#007d5b", "#b5528f", "#a87400", "#2f8fc4", "#7a6f00", "#555c66")
"""As in the report: told apart without red and green."""
_TRUTH_COLOUR = "#16191d"
_DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (6, 2)), (0, (2, 2)), (0, (8, 2, 2, 2)))
_LONGEST = 46


@dataclass(frozen=True)
class Line:
    """The series of one source, or of a truth, at one place.

    Attributes
    ----------
    label : for the legend
    place : number of the source in the config, by which it has its colour; None: a truth
    number : which truth it is, of several
    point : of the grid, None of a region
    params : param → series
    row : number of the place in the series
    """

    label: str
    place: int | None
    number: int
    point: PointEntry | None
    params: dict[str, ParamSeries]
    row: int


@dataclass(frozen=True)
class Meteogram:
    """One picture.

    Attributes
    ----------
    name : of the station or region
    where : coordinates, or nothing of a region
    elevation : of the station in m, or None
    init_time : UTC
    params : rows of the picture
    lines : what is drawn
    lapse_rate : `auto`, `true` or `false`
    """

    name: str
    where: str
    elevation: float | None
    init_time: datetime
    params: list[str]
    lines: list[Line]
    lapse_rate: str


def correction(meteogram: Meteogram, line: Line) -> float:
    """Return what is added to temperatures of a line, K: to the elevation of the station, as in verification."""
    if not is_corrected(meteogram) or line.point is None or line.point.elevation is None:
        return 0.0
    return -LAPSE_RATE * ((meteogram.elevation or 0.0) - line.point.elevation)


def is_corrected(meteogram: Meteogram) -> bool:
    """Return whether temperatures are corrected: all or none, where all elevations are known."""
    lines = [line for line in meteogram.lines if _CORRECTED in line.params]
    known = all(line.point is not None and line.point.elevation is not None for line in lines)
    return meteogram.lapse_rate != "false" and meteogram.elevation is not None and bool(lines) and known


def unknown_characters(text: str) -> str:
    """Return the characters of a text that the font of pictures does not have."""
    known = FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap()
    return "".join(dict.fromkeys(one for one in text if ord(one) not in known and not one.isspace()))


def _short(text: str) -> str:
    text = " ".join(text.split()) or "–"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _label(meteogram: Meteogram, line: Line) -> str:
    height = f" ({line.point.elevation:g} m)" if line.point is not None and line.point.elevation is not None else ""
    return f"{_short(line.label)}{height}"


def draw_meteogram(path: Path, meteogram: Meteogram) -> None:
    """Write a picture (PNG)."""
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 9, "axes.unicode_minus": True}):
        rows = len(meteogram.params)
        legend = 0.22 * ((len(meteogram.lines) + 1) // 2)
        figure = Figure(figsize=(9, 0.9 + 1.75 * rows + legend), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        handles: dict[str, Artist] = {}
        for axis, param in zip(axes, meteogram.params, strict=True):
            for line in meteogram.lines:
                drawn = _draw_line(axis, meteogram, line, param)
                if drawn is not None:
                    handles.setdefault(_label(meteogram, line), drawn)
            _finish_axis(axis, meteogram, param)
        axes[-1].set_xlabel("valid time, UTC")
        figure.suptitle(_title(meteogram), fontsize=10.5, x=0.01, ha="left")
        if handles:
            figure.legend([*handles.values()], [*handles], loc="outside lower left", ncols=2, frameon=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # said once, with the station's name
            with new_in_place_of(path) as temporary:
                figure.savefig(temporary, format="png", metadata={"Software": "evalflow"})


def _title(meteogram: Meteogram) -> str:
    about = [_short(meteogram.name), meteogram.where]
    if meteogram.elevation is not None:
        about.append(f"{meteogram.elevation:g} m")
    when = f"init {meteogram.init_time:%Y-%m-%d %H:%M} UTC"
    corrected = f"; {_CORRECTED} corrected to its elevation" if is_corrected(meteogram) else ""
    return f"{', '.join(one for one in about if one)}: {when}{corrected}"


def _draw_line(axis: Axes, meteogram: Meteogram, line: Line, param: str) -> Artist | None:
    series = line.params.get(param)
    if series is None:
        return None
    added = correction(meteogram, line) if param == _CORRECTED else 0.0
    scale = scale_of(param)

    def shown(rows: list[list[float | None]]) -> np.ndarray:
        values = np.array([np.nan if one is None else one for one in rows[line.row]], np.float64)
        return (values + added) * scale.factor + scale.offset

    values = shown(series.values)
    if np.isnan(values).all():
        return None
    minutes = np.rint(np.array(series.lead_times) * 60).astype("timedelta64[m]")
    times = np.datetime64(meteogram.init_time, "m") + minutes
    if line.place is None:
        # Dots stay visible where a truth is there now and then.
        (drawn,) = axis.plot(
            times, values, color=_TRUTH_COLOUR, lw=1.6, ls=_DASHES[line.number % 4], marker="o", ms=2.6, zorder=5
        )
        return drawn
    colour, dashes = _COLOURS[line.place % 8], _DASHES[line.place // 8 % 4]
    (drawn,) = axis.plot(times, values, color=colour, lw=1.3, ls=dashes, marker=".", ms=3.5)
    if series.low is not None and series.high is not None:
        axis.fill_between(times, shown(series.low), shown(series.high), color=colour, alpha=0.18, lw=0)
    return drawn


def _finish_axis(axis: Axes, meteogram: Meteogram, param: str) -> None:
    known, units = param_named(param), scale_of(param).units
    axis.set_title(f"{param}  {known.long_name}", loc="left", fontsize=9, pad=3)
    axis.set_ylabel("" if units == "1" else units)
    axis.grid(color="#d9dde3", lw=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    if not axis.lines:
        axis.text(0.5, 0.5, "no values at this place", transform=axis.transAxes, ha="center", color="#555c66")
    if known.valid_min == 0 and axis.lines:
        axis.set_ylim(bottom=0)
    locator = AutoDateLocator(minticks=4, maxticks=10)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
