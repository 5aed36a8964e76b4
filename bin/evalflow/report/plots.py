"""Line plots for reports and slides: a score over lead time, and below it the paired difference to the reference."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from evalflow.digests import digest
from evalflow.report.charts import Tick, lead_ticks, nice_ticks
from evalflow.report.drawing import TEMPLATES, Page, drawn_before, render, write_bytes, write_text
from evalflow.report.pictures import png_of
from evalflow.report.spec import ReportSpec
from evalflow.report.tables import Row, ScoreTables
from evalflow.report.words import file_name, short, time, unit, visible
from evalflow.scores.names import OPERATORS
from evalflow.scores.table import METRICS
from evalflow.store.layout import DIFFERENCES, SCORES

NAME = "plots.html"
PLOTS = "plots"
"""Folder of the plots, in the folder of results."""
BETTER = {"lower": "lower is better", "higher": "higher is better", "near 0": "0 is best", "near 1": "1 is best"}
PARTS = {"MSE_BIAS", "MSE_SPREAD", "MSE_CORR"}
"""Parts of a score; neither these are plotted nor what is no score, such as a frequency: the dashboard has them."""
WIDTH, HEIGHT, LEFT, RIGHT = 720, 500, 74, 14
DASHES = ("", "7 3", "2 3", "9 3 2 3")
"""As on the pages: sources beyond the last colour have the colour of an earlier one and another dash."""


@dataclass(frozen=True)
class Series:
    """A line: lead times in hours and values; `lower` and `upper` are its band, missing (None) where there is none."""

    label: str
    style: int
    lead_times: list[float]
    values: list[float]
    lower: list[float | None] = field(default_factory=list)
    upper: list[float | None] = field(default_factory=list)
    sure: list[bool] = field(default_factory=list)


@dataclass(frozen=True)
class Plot:
    """What one plot shows; it is drawn again only where this has changed."""

    name: str
    param: str
    score: str
    title: str
    about: str
    units: str
    difference: str
    scores: list[Series]
    differences: list[Series]


def palette() -> list[str]:
    """Return the colours of sources on the pages, in their light dress."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return [found[1] for found in re.findall(r"--s(\d): (#[0-9a-f]{6})", style)[:8]]


def _series(spec: ReportSpec, rows: list[Row], column: str) -> list[Series]:
    order = [source.source_id for source in spec.sources]
    found = []
    for number, source in enumerate(order):
        own = [row for row in rows if row["source"] == source and row[column] is not None]
        own.sort(key=lambda row: row["lead_time"])
        if own:
            alone = " (compared alone)" if any(row["sample"] == "alone" for row in own) else ""
            bands: dict = {}
            if column == "difference":
                bands = {name: [row[name] for row in own] for name in ("lower", "upper")}
                bands["sure"] = [row["p_value"] is not None and row["p_value"] < spec.level for row in own]
            label = short(visible(" ".join(spec.label_of(source).split())), 44) + alone
            leads, values = [row["lead_time"] for row in own], [row[column] for row in own]
            found.append(Series(label, number, leads, values, **bands))
    return found


def _about(spec: ReportSpec, truth: str, rows: list[Row]) -> str:
    times = sorted(spec.init_times)
    most = {name: max(row[name] for row in rows) for name in ("n_inits", "n_days")}
    period = f"{time(times[0])} to {time(times[-1])} UTC" if times else ""
    metric = METRICS.get(rows[0]["metric"])
    better = BETTER.get(metric.better, "") if metric else ""
    counts = f"{most['n_inits']:,} init times, {most['n_days']:,} days of data"
    return " · ".join(part for part in (f"truth {short(truth, 30)}", period, counts, better) if part)


def _difference(metric: str, reference: str) -> str:
    """Return what the lower panel shows, in words."""
    known = METRICS.get(metric)
    what = ""
    if known is not None and known.target is not None:
        what = f"of |{metric}| " if known.target == 0 else f"of the distance from {known.target:g} "
    return visible(f"difference {what}to {reference}")


def find_plots(spec: ReportSpec, tables: ScoreTables) -> list[Plot]:
    """Return what there is to plot: per truth, param and score, over the whole domain and all init times."""
    plots: list[Plot] = []
    taken: set[str] = set()
    reference = spec.references[0] if spec.references else None
    for truth in spec.truths:
        scores, differences = _by_score(tables.rows(SCORES, truth=truth.label, scale=0.0)), {}
        if reference is not None:
            differences = _by_score(tables.rows(DIFFERENCES, truth=truth.label, scale=0.0, reference=reference))
        for (param, metric, threshold), rows in scores.items():
            lines = _series(spec, rows, "value")
            if not lines or metric in PARTS or not METRICS[metric].better:
                continue
            score, units = f"{metric} {threshold}" if threshold else metric, unit(rows[0]["units"])
            parts = [*([truth.label] if len(spec.truths) > 1 else []), param, _plain(score)]
            plots.append(
                Plot(
                    name=file_name("-".join(parts), taken),
                    param=param,
                    score=score,
                    title=f"{score} of {param}" + (f" [{units}]" if units else ""),
                    about=visible(_about(spec, truth.label, rows)),
                    units=units,
                    difference=_difference(metric, short(spec.label_of(reference), 40)) if reference else "",
                    scores=lines,
                    differences=_series(spec, differences.get((param, metric, threshold), []), "difference"),
                )
            )
    return plots


def _by_score(rows: list[Row]) -> dict[tuple[str, str, str | None], list[Row]]:
    found: dict[tuple[str, str, str | None], list[Row]] = {}
    for row in rows:
        found.setdefault((row["param"], row["metric"], row["threshold"]), []).append(row)
    return found


def _plain(score: str) -> str:
    """Return the name of a score without signs that no file name has: `ETS > 1` is ETS-gt-1."""
    for name, sign in sorted(OPERATORS.items(), key=lambda item: -len(item[1])):  # `>` is a part of `>=`
        score = score.replace(sign, name)
    return score


@dataclass(frozen=True)
class Drawn:
    """A line as the template draws it: `points` are x, y and whether the marker is full."""

    colour: str
    dash: str
    shape: int
    path: str
    band: str
    points: list[tuple[float, float, bool]]


@dataclass(frozen=True)
class Panel:
    """A panel as the template draws it."""

    left: float
    right: float
    top: float
    bottom: float
    x: list[Tick]
    y: list[Tick]
    zero: float | None
    lines: list[Drawn]
    says: str = ""


@dataclass(frozen=True)
class Key:
    """An entry of the legend."""

    label: str
    colour: str
    dash: str
    shape: int
    x: float
    y: float


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "".join(f"{'L' if place else 'M'}{x} {y}" for place, (x, y) in enumerate(points))


class _Drawer:
    """Draws the panels of a plot, between two heights, with the same lead times."""

    def __init__(self, colours: list[str], leads: list[float]) -> None:
        self.colours, self.leads = colours, leads
        self.last = max(leads, default=0.0) or 1.0

    def look(self, style: int) -> tuple[str, str, int]:
        """Return colour, dash and marker of a source, as on the pages."""
        return self.colours[style % len(self.colours)], DASHES[style // len(self.colours) % len(DASHES)], style % 4

    def x_of(self, lead: float) -> float:
        return round(LEFT + 6 + lead / self.last * (WIDTH - LEFT - RIGHT - 12), 1)

    def panel(self, lines: list[Series], top: float, bottom: float, *, says: str = "", zero: bool = False) -> Panel:
        """Return a panel; `zero`: with a line at 0."""
        values = [value for line in lines for value in line.values]
        values += [value for line in lines for side in (line.lower, line.upper) for value in side if value is not None]
        ticks = nice_ticks(min([*values, 0.0] if zero else values), max([*values, 0.0] if zero else values), 4)
        low, high = ticks[0], ticks[-1]

        def y_of(value: float) -> float:
            return round(top + (high - value) / (high - low) * (bottom - top), 1)

        drawn = []
        for line in lines:
            places = [(self.x_of(lead), y_of(value)) for lead, value in zip(line.lead_times, line.values, strict=True)]
            known = [
                (self.x_of(lead), y_of(under), y_of(over))
                for lead, under, over in zip(line.lead_times, line.lower, line.upper, strict=False)
                if under is not None and over is not None
            ]
            edge = [(x, y) for x, y, _ in known] + [(x, y) for x, _, y in reversed(known)]
            full = line.sure or [True] * len(places)
            points = [(x, y, sure) for (x, y), sure in zip(places, full, strict=True)]
            drawn.append(Drawn(*self.look(line.style), _path(places), _path(edge) + "Z" if edge else "", points))
        return Panel(
            left=LEFT,
            right=WIDTH - RIGHT,
            top=top,
            bottom=bottom,
            x=[Tick(self.x_of(lead), f"{lead:g}") for lead in lead_ticks(self.last)],
            y=[Tick(y_of(value), f"{value:,.10g}".replace("-", "−")) for value in ticks],
            zero=y_of(0.0) if zero or low < 0 < high else None,
            lines=drawn,
            says=says,
        )

    def keys(self, lines: list[Series]) -> list[Key]:
        """Return the legend: three columns, or fewer where labels are long."""
        longest = max(len(line.label) for line in lines)
        columns = max(1, min(3, (WIDTH - 28) // (40 + 8 * longest)))
        wide = (WIDTH - 28) / columns
        return [
            Key(line.label, *self.look(line.style), 14 + place % columns * wide, 70 + place // columns * 20)
            for place, line in enumerate(lines)
        ]


def draw_plot(plot: Plot, colours: list[str]) -> str:
    """Return a plot as SVG: above, the score of each source; below, the paired difference with its band."""
    drawer = _Drawer(colours, [lead for line in plot.scores for lead in line.lead_times])
    keys = drawer.keys(plot.scores)
    top, bottom = keys[-1].y + 18, HEIGHT - 50
    if not plot.differences:
        panels = [drawer.panel(plot.scores, top, bottom)]
    else:
        split = top + 0.58 * (bottom - top)
        banded = any(low is not None for line in plot.differences for low in line.lower)
        says = f"{plot.difference} ({'full marks: more than chance' if banded else 'too few days for a band'})"
        panels = [
            drawer.panel(plot.scores, top, split),
            drawer.panel(plot.differences, split + 38, bottom, says=says, zero=True),
        ]
    return render("plot.svg", plot=plot, width=WIDTH, height=HEIGHT, keys=keys, panels=panels)


def draw_plots(spec: ReportSpec, tables: ScoreTables) -> list[Page]:
    """Draw the plots that show something new, and the page of all of them."""
    plots = find_plots(spec, tables) if spec.plots and tables.exist else []
    if not plots:
        return []
    colours, before = palette(), drawn_before(tables.folder)
    code = [path.read_text(encoding="utf-8") for path in (Path(__file__), TEMPLATES / "plot.svg")]
    digests: dict[str, str] = {}
    for plot in plots:
        shown = digest([code, colours, asdict(plot)])
        files = {kind: f"{PLOTS}/{plot.name}.{kind}" for kind in spec.plots}
        digests |= dict.fromkeys(files.values(), shown)
        if any(before.get(name) != shown for name in files.values()):
            picture = draw_plot(plot, colours)
            for kind, name in files.items():
                write_bytes(spec.results, name, picture.encode() if kind == "svg" else png_of(picture))
    by_param: dict[str, list[Plot]] = {}
    for plot in plots:
        by_param.setdefault(plot.param, []).append(plot)
    write_text(spec.results, NAME, render(NAME, spec=spec, folder=PLOTS, by_param=by_param))
    about = f"{len(plots)} pictures for reports and slides, one per param and score"
    return [Page(NAME, "plots", about, more=list(digests), digests=digests)]
