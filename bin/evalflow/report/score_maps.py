"""Score maps: a picture per source and selection, and the page on which one chooses among them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evalflow.digests import digest
from evalflow.drawing import background, colours, domains, raster
from evalflow.drawing.colours import Scale, difference_scale, diverging, rising
from evalflow.drawing.domains import View, domain_of
from evalflow.drawing.names import DomainEntry
from evalflow.drawing.raster import Raster
from evalflow.errors import UserError
from evalflow.report import map_pictures
from evalflow.report.drawing import Page, drawn_before, render, write_bytes, write_text
from evalflow.report.map_pictures import Sheet, compose
from evalflow.report.map_scores import FILE, MapsOfTruth, ScoreMaps, Stratum
from evalflow.report.spec import ReportSpec
from evalflow.report.tables import ScoreTables
from evalflow.report.words import file_name, short, unit, visible
from evalflow.scores.maps import FEWEST_BLOCKS, not_shown_to_differ
from evalflow.scores.table import METRICS

NAME = "score_maps.html"
MAPS = "score_maps"
"""Folder of the pictures, in the folder of results."""
_MOST = 98
"""Percentile of the values that the colours reach to: single points do not pale all others."""
_WORDS = {"season": "all seasons", "init_hour": "all init hours"}


@dataclass(frozen=True)
class Figure:
    """A picture as the page shows it."""

    file: str
    label: str
    lines: list[str]


@dataclass(frozen=True)
class Choice:
    """What can be chosen, and its pictures: `values` are in the order of AXES."""

    values: list[str]
    scores: list[Figure]
    differences: list[Figure]
    says: str
    chance: str


AXES = ("truth", "param", "score", "lead time", "season", "init hour", "domain")


@dataclass(frozen=True, eq=False)
class _Map:
    """One map, before it is drawn."""

    file: str
    label: str
    lines: list[str]
    values: np.ndarray
    scale: Scale
    hatched: np.ndarray | None = field(default=None)


def _steps_to(values: list[np.ndarray], steps: float) -> float:
    """Return a multiple of a round step that nearly all sizes of the values stay below, after so many steps."""
    sizes = np.abs(np.concatenate([one[np.isfinite(one)] for one in values]))
    most = float(np.percentile(sizes, _MOST)) / steps if sizes.size else 0.0
    if most <= 0:
        return steps
    power = 10.0 ** np.floor(np.log10(most))
    return steps * power * next(step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= most * 0.999)


def shared_scale(param: str, values: list[np.ndarray], *, around_zero: bool) -> Scale:
    """Return the colours that maps share.

    Parameters
    ----------
    values : of all of them, in the unit of the param
    around_zero : whether blue is below zero and red above it; else from pale to dark
    """
    known = difference_scale(param)
    shown = [one * known.factor for one in values]
    if around_zero:  # the class around zero reaches half a step to each side
        return diverging(_steps_to(shown, 7.5), 8, unit(known.units), known.factor)
    return rising(_steps_to(shown, 10), 10, unit(known.units), known.factor)


class _Drawer:
    """Draws the maps against one truth in one domain."""

    def __init__(self, spec: ReportSpec, maps: ScoreMaps, truth: MapsOfTruth, domain: DomainEntry) -> None:
        self.spec, self.maps, self.truth, self.domain = spec, maps, truth, visible(domain.name)
        view = View(domain_of(domain))
        self._sheet = Sheet(Raster(truth.grid, view))
        self.inside = self._sheet.inside

    def label(self, source: str) -> str:
        return short(visible(" ".join(self.spec.label_of(source).split())), 60)

    def choice(self, stratum: Stratum) -> tuple[Choice, list[_Map]] | None:
        """Return a selection and its maps, or None where no point has a value."""
        order = [source.source_id for source in self.spec.sources if source.source_id in self.truth.sources]
        values = {one: self.truth.values(stratum, one) for one in order}
        values = {one: some for one, some in values.items() if np.isfinite(some[self.inside]).any()}
        if not values:
            return None
        count = self.truth.count(stratum)[self.inside]
        count = count[count > 0]
        n = f"n {count.min():,}" if count.min() == count.max() else f"n {count.min():,} to {count.max():,}"
        season = stratum.season if stratum.season != "all" else _WORDS["season"]
        hour = f"init {stratum.init_hour} UTC" if stratum.init_hour != "all" else _WORDS["init_hour"]
        says = f"{season} · {hour} · {n}"
        about = f"{self.domain} · {says} · truth {short(visible(self.truth.label), 30)}"
        scores = self._scores(stratum, values, about)
        differences, chance = self._differences(stratum, values, about)
        lead = f"{stratum.lead_time:g} h"
        of = [self.truth.label, stratum.param, stratum.score, lead, stratum.season, stratum.init_hour, self.domain]
        figures = [[Figure(one.file, one.label, one.lines) for one in some] for some in (scores, differences)]
        return Choice(of, figures[0], figures[1], says, chance), [*scores, *differences]

    def _file(self, stratum: Stratum, source: str, kind: str) -> str:
        number = self.maps.truths.index(self.truth)
        parts = [*([f"truth{number + 1}"] if number else []), stratum.param, stratum.score]
        parts += [f"{stratum.lead_time:g}h", stratum.season, stratum.init_hour, self.domain, source.rpartition("/")[2]]
        where = digest(source)[:6]  # ids of two environments may end alike
        return f"{MAPS}/{file_name('-'.join(parts), set())}-{where}{kind}.png"

    def _scores(self, stratum: Stratum, values: dict[str, np.ndarray], says: str) -> list[_Map]:
        inside = [some[self.inside] for some in values.values()]
        scale = shared_scale(stratum.param, inside, around_zero=METRICS[stratum.score].target is not None)
        title = f"{stratum.score} of {stratum.param} at {stratum.lead_time:g} h"
        return [
            _Map(self._file(stratum, one, ""), self.label(one), [title, self.label(one), says], some, scale)
            for one, some in values.items()
        ]

    def _differences(self, stratum: Stratum, values: dict[str, np.ndarray], says: str) -> tuple[list[_Map], str]:
        """Return the maps of differences to the reference, and what is said of chance."""
        reference = self.maps.reference
        if reference not in values or len(values) < 2:
            why = f"{self.label(reference)} is not mapped here: there are no differences" if reference else ""
            return [], why if reference not in values else ""
        metric = METRICS[stratum.score]
        base = metric.distance(values[reference])
        gains = {one: metric.distance(some) - base for one, some in values.items() if one != reference}
        scale = shared_scale(stratum.param, [gain[self.inside] for gain in gains.values()], around_zero=True)
        blocks, rate = self.truth.blocks(stratum), self.spec.false_discovery_rate
        tested = blocks >= FEWEST_BLOCKS
        many = f"{blocks} {'block' if blocks == 1 else 'blocks'} of ten days"
        chance = (
            f"blue: better · hatched: may be chance (q ≥ {rate:g}, {many})"
            if tested
            else f"blue: better · no test of chance: {many}, {FEWEST_BLOCKS} are needed"
        )
        score = f"|{stratum.score}|" if metric.target is not None else stratum.score
        title = f"Difference of {score} of {stratum.param} at {stratum.lead_time:g} h"
        drawn = []
        for one, gain in gains.items():
            hatched = self._hatched(stratum, one, rate) if tested else None
            pair = f"{short(self.label(one), 34)} minus {short(self.label(reference), 34)}"
            lines = [title, pair, says, chance]
            drawn.append(_Map(self._file(stratum, one, "-minus"), self.label(one), lines, gain, scale, hatched))
        return drawn, chance

    def _hatched(self, stratum: Stratum, source: str, rate: float) -> np.ndarray:
        hatched = np.ones(self.truth.grid.size, bool)
        hatched[self.inside] = not_shown_to_differ(self.truth.p_values(stratum, source)[self.inside], rate)
        return hatched

    def draw(self, one: _Map) -> bytes:
        """Return a map as PNG."""
        return compose(self._sheet.pixels(one.values, one.scale, one.hatched), one.scale, one.lines)


def _code() -> str:
    modules = (background, colours, domains, raster, map_pictures)
    paths = [Path(__file__), *(Path(str(module.__file__)) for module in modules)]
    return digest([path.read_text(encoding="utf-8") for path in paths])


def draw_score_maps(spec: ReportSpec, tables: ScoreTables) -> list[Page]:
    """Draw the maps that show something new, and the page of all of them."""
    if not spec.map_domains or not (tables.folder / FILE).is_file():
        return []
    try:
        maps = ScoreMaps(tables.folder)
    except UserError as error:
        return [_page(spec, "", [], [str(error)], {})]
    try:
        return _draw(spec, maps, drawn_before(tables.folder))
    finally:
        maps.close()


def _page(
    spec: ReportSpec, reference: str, choices: list[Choice], problems: list[str], digests: dict[str, str]
) -> Page:
    """Write the page and return what the index says of it."""
    axes = {name: list(dict.fromkeys(one.values[place] for one in choices)) for place, name in enumerate(AXES)}
    about = {"axes": axes, "choices": choices, "problems": problems, "folder": MAPS, "file": FILE}
    write_text(spec.results, NAME, render(NAME, spec=spec, reference=reference, **about))
    return Page(
        NAME,
        "score maps",
        f"{len(digests)} maps of scores at points",
        more=list(digests),
        problems=[f"score maps: {line}" for line in problems],
        digests=digests,
    )


def _draw(spec: ReportSpec, maps: ScoreMaps, before: dict[str, str]) -> list[Page]:
    code, choices, digests, problems = _code(), list[Choice](), dict[str, str](), list(maps.notes)
    for truth in maps.truths:
        for domain in spec.map_domains:
            drawer = _Drawer(spec, maps, truth, domain)
            if not drawer.inside.any():
                problems.append(f"the domain {domain.name} holds no point of {truth.label}")
                continue
            for choice, some in filter(None, map(drawer.choice, truth.strata())):
                choices.append(choice)
                for one in some:
                    rate = spec.false_discovery_rate if one.hatched is not None else None
                    digests[one.file] = digest([code, maps.made_from, one.lines, rate])
                    if before.get(one.file) != digests[one.file]:
                        write_bytes(spec.results, one.file, drawer.draw(one))
    reference = short(visible(spec.label_of(maps.reference)), 60) if maps.reference else ""
    return [_page(spec, reference, choices, problems, digests)]
