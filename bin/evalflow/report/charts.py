"""Small line charts: from values to places in a picture, which a template draws."""

import math
from dataclasses import dataclass

from evalflow.report.spec import ReportSpec
from evalflow.report.tables import Row
from evalflow.report.words import hours, number, unit, with_unit

WIDTH, HEIGHT = 340.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 10.0, 10.0, 30.0
COLOURS = 8
"""Colours of the palette; a source beyond has the colour of an earlier one and another dash."""


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One source: `path` as SVG writes it, the points with what they say."""

    label: str
    style: int
    path: str
    points: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Chart:
    """A chart as the template draws it."""

    title: str
    about: str
    x: list[Tick]
    y: list[Tick]
    zero: float | None
    lines: list[Line]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers that cover `low` to `high`, about so many.

    The step is 1, 2, 2.5 or 5 times a power of ten.
    """
    if high <= low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def lead_ticks(last: float) -> list[float]:
    """Return lead times in hours to mark: multiples of 6 h or of days, at most seven."""
    step = next((step for step in (1, 2, 3, 6, 12, 24, 48, 72, 120, 240) if last / step <= 6), last / 6)
    return [index * step for index in range(math.floor(last / step + 1e-9) + 1)]


def make_chart(
    title: str, about: str, series: list[tuple[str, int, list[tuple[float, float, str]]]], *, zero: bool = False
) -> Chart | None:
    """Return a chart over lead time, or None where there is no value.

    Parameters
    ----------
    series : label, style and points (hours, value, text) of each source
    zero : whether the axis is to hold 0
    """
    values = [value for _, _, points in series for _, value, _ in points]
    if not values:
        return None
    low, high = min(values), max(values)
    if zero or (low > 0 and low < 0.6 * high):  # from 0 where that costs little room
        low, high = min(low, 0.0), max(high, 0.0)
    ticks = nice_ticks(low, high)
    bottom, top = ticks[0], ticks[-1]
    last = max((lead for _, _, points in series for lead, _, _ in points), default=0) or 1.0

    def x_of(lead: float) -> float:
        return round(LEFT + lead / last * (WIDTH - LEFT - RIGHT), 1)

    def y_of(value: float) -> float:
        return round(TOP + (top - value) / (top - bottom) * (HEIGHT - TOP - BOTTOM), 1)

    lines = []
    for label, style, points in series:
        placed = [(x_of(lead), y_of(value), text) for lead, value, text in sorted(points)]
        path = "".join(f"{'L' if place else 'M'}{x} {y}" for place, (x, y, _) in enumerate(placed))
        lines.append(Line(label, style, path, placed))
    return Chart(
        title=title,
        about=about,
        x=[Tick(x_of(lead), f"{lead:g}") for lead in lead_ticks(last)],
        y=[Tick(y_of(value), f"{value:,.10g}".replace("-", "−")) for value in ticks],
        zero=y_of(0.0) if bottom < 0 < top else None,
        lines=lines,
    )


def draw_chart(spec: ReportSpec, rows: list[Row], param: str, metric: str, title: str = "") -> Chart | None:
    """Return the chart of one score of a param, a line per source, or None where there is no value.

    Parameters
    ----------
    rows : scores against one truth, of one stratum
    title : the metric, where it is left out
    """
    order = {source.source_id: place for place, source in enumerate(spec.sources)}
    series: dict[str, list[tuple[float, float, str]]] = {}
    units = ""
    for row in rows:
        if (row["param"], row["metric"]) == (param, metric) and row["value"] is not None:
            label, units = spec.label_of(row["source"]), row["units"]
            says = f"{label}, {hours(row['lead_time'])}: {with_unit(number(row['value'], 4), units)}"
            series.setdefault(row["source"], []).append((row["lead_time"], row["value"], says))
    lines = [(spec.label_of(one), order.get(one, 0), points) for one, points in series.items()]
    lines.sort(key=lambda line: line[1])
    about = f"{title or metric} of {param} over lead time"
    return make_chart(
        f"{title or metric} [{unit(units)}]" if unit(units) else title or metric, about, lines, zero=metric == "BIAS"
    )
