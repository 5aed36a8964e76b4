"""Scorecards: how much better or worse every source is than a baseline, per param, score, lead time and stratum."""

import csv
import io
import math
from dataclasses import dataclass

import numpy as np

from evalflow.errors import UserError
from evalflow.report.spec import ReportSpec, SectionSpec
from evalflow.report.tables import Row, ScoreTables
from evalflow.report.words import SPACE, hours, number, percent, unit, with_unit
from evalflow.scores.intervals import false_discovery_rates
from evalflow.scores.names import Score, parse_score, parse_threshold
from evalflow.scores.table import METRICS
from evalflow.store.layout import DIFFERENCES, SCORES

FULL = 30.0
"""Percent at which a mark has its full size."""
_MANY_LEADS = 6
_MOST_PERCENT = 100.0
_CORE = ("T_2M", "TD_2M", "SP_10M", "PS", "PMSL", "TOT_PREC6")
_CSV = (
    "label", "source", "reference_label", "reference", "truth", "param", "metric", "threshold", "stratum", "lead_time",
    "units", "value", "reference_value", "difference", "relative", "lower", "upper", "p_value", "q_value", "better",
    "coarsest_scale", "relative_at_coarsest", "n_inits", "n_days", "sample",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One comparison.

    Attributes
    ----------
    better : True, False, or None where nothing differs or nothing says which way is better
    text : the change, in percent or in units; `left` is that at the coarsest scale, of an RMSE
    size : of the mark, 0 to 1
    chance, many : whether p is below the level, and q below the false discovery rate
    note : all numbers as a sentence
    """

    better: bool | None
    text: str
    left: str
    size: float
    chance: bool
    many: bool
    note: str
    numbers: Row

    @property
    def look(self) -> str:
        """The mark's class: colour by sign, strength by the two marks."""
        sign = {True: "better", False: "worse", None: "same"}[self.better]
        return " ".join([sign, *(["sure"] if self.chance else []), *(["kept"] if self.many else [])])


@dataclass(frozen=True)
class Line:
    """A row of a scorecard: a param and a score, with a cell per column."""

    param: str
    score: str
    units: str
    cells: list[Cell | None]


@dataclass(frozen=True)
class Grid:
    """One source against the baseline."""

    label: str
    style: int
    lines: list[Line]
    days: str


@dataclass(frozen=True)
class Scorecard:
    """A scorecard as its page shows it: one grid a source, whose columns are lead times within strata."""

    title: str
    baseline: str
    truth: str
    strata: list[str]
    lead_times: list[str]
    coarsest: float
    grids: list[Grid]
    lacking: list[str]


@dataclass(frozen=True)
class _Place:
    """Where a cell is."""

    source: str
    param: str
    score: Score
    stratum: str
    lead_time: float


def _scores_of(param: str, named: str, rows: list[Row]) -> list[Score]:
    """Return the scores of a row of the config that the table has; a metric without threshold means all thresholds."""
    there: dict[Score, None] = {}
    for row in rows:
        if row["param"] == param and row["scale"] == 0:
            threshold = parse_threshold(row["threshold"]) if row["threshold"] else None
            there[Score(row["metric"], threshold)] = None
    if not named:
        return list(there)
    found: list[Score] = []
    for text in named.split(","):
        wanted = parse_score(text)
        metric = METRICS[wanted.metric]
        if metric.categorical and wanted.threshold is None:
            found += [score for score in there if score.metric == wanted.metric] or [wanted]
        else:
            found.append(Score(wanted.metric, wanted.threshold))
    return list(dict.fromkeys(found))


def _wanted(section: SectionSpec, rows: list[Row]) -> tuple[list[tuple[str, Score]], list[str]]:
    """Return the rows of a scorecard, and what is asked for and not there."""
    params = list(dict.fromkeys(row["param"] for row in rows))
    core = [param for param in _CORE if param in params] or params
    variables = section.variables or [f"{param}:RMSE" for param in core]
    wanted, lacking = [], []
    there = {(row["param"], row["metric"], row["threshold"]) for row in rows}
    for variable in variables:
        param, _, named = variable.partition(":")
        if param not in params:
            lacking.append(f"{param}: there are no scores; there are some of {', '.join(params) or 'no param'}")
            continue
        try:
            scores = _scores_of(param, named, rows)
        except UserError as error:
            lacking.append(f"{param}: {error}")
            continue
        for score in scores:
            if (param, score.metric, score.threshold.text if score.threshold else None) in there:
                wanted.append((param, score))
            else:
                lacking.append(f"{param}: there are no scores {score.text}")
    return list(dict.fromkeys(wanted)), lacking


def _choose_leads(section: SectionSpec, there: list[float]) -> list[float]:
    if section.lead_times:
        return [lead for lead in section.lead_times if lead in there]
    there = [lead for lead in there if lead > 0] or there
    return there[::-1][:: math.ceil(len(there) / _MANY_LEADS)][::-1] if there else []


def _place(row: Row, by: str) -> _Place:
    threshold = parse_threshold(row["threshold"]) if row["threshold"] else None
    return _Place(row["source"], row["param"], Score(row["metric"], threshold, row["scale"]), row[by], row["lead_time"])


def _in_percent(row: Row) -> bool:
    """Return whether percent mean something: not of a bias, nor of a baseline that is small against the difference."""
    return row["metric"] != "BIAS" and row["relative"] is not None and abs(row["relative"]) <= _MOST_PERCENT


class _Cells:
    """Makes the cells of one scorecard."""

    def __init__(self, spec: ReportSpec, section: SectionSpec, scores: list[Row], differences: list[Row]) -> None:
        self.spec, self.section = spec, section
        by = section.stratification
        self.values = {_place(row, by): row for row in scores}
        self.differences = {_place(row, by): row for row in differences}
        self.coarsest = max((row["scale"] for row in differences), default=0.0)
        self.q: dict[_Place, float] = {}

    def discover(self, places: list[_Place]) -> None:
        """Compute the q values of all cells of the scorecard together."""
        tested = [place for place in places if place in self.differences]
        p = np.array([self.differences[place]["p_value"] for place in tested], np.float64)
        self.q = dict(zip(tested, false_discovery_rates(p).tolist(), strict=True)) if tested else {}

    def _value(self, place: _Place, source: str | None = None) -> float | None:
        asked = _Place(source or place.source, place.param, place.score, place.stratum, place.lead_time)
        return self.values.get(asked, {}).get("value")

    def _size(self, place: _Place, row: Row) -> float:
        """Return the size of a mark: by percent; of a bias, and where percent mean nothing, by the baseline's RMSE."""
        if row["metric"] != "BIAS" and row["relative"] is not None:
            return min(abs(row["relative"]) / FULL, 1.0)
        errors = _Place(place.source, place.param, Score("RMSE"), place.stratum, place.lead_time)
        base = 1.0 if row["units"] == "1" else self._value(errors, self.section.baseline)
        return min(abs(row["difference"]) / base / (FULL / 100), 1.0) if base else 0.0

    def make(self, place: _Place) -> Cell | None:
        """Return the cell at a place, or None where nothing can be compared."""
        row = self.differences.get(place)
        if row is None or row["difference"] is None:
            return None
        in_units = not _in_percent(row)
        left, coarse = "", None
        if row["metric"] == "RMSE" and self.coarsest:
            at = Score("RMSE", scale=self.coarsest)
            coarse = self.differences.get(_Place(place.source, place.param, at, place.stratum, place.lead_time))
            left = percent(coarse["relative"]) if coarse else ""
        q = self.q.get(place)
        q = None if q is None or math.isnan(q) else q
        values = (self._value(place), self._value(place, self.section.baseline))
        numbers = {
            **row, "label": self.spec.label_of(row["source"]), "reference_label": self.spec.label_of(row["reference"]),
            "stratum": place.stratum, "value": values[0], "reference_value": values[1], "q_value": q,
            "coarsest_scale": self.coarsest if coarse else None,
            "relative_at_coarsest": coarse["relative"] if coarse else None,
        }  # fmt: skip
        return Cell(
            better=row["better"],
            text=number(row["difference"], 2, signed=True) if in_units else percent(row["relative"]),
            left=left,
            size=self._size(place, row),
            chance=row["p_value"] is not None and row["p_value"] < self.spec.level,
            many=q is not None and q < self.spec.false_discovery_rate,
            note=_note(place, numbers, self.spec),
            numbers=numbers,
        )


def _note(place: _Place, row: Row, spec: ReportSpec) -> str:
    units = row["units"]
    parts = [
        f"{row['label']}, {place.param} {place.score.text}, {place.stratum}, {hours(place.lead_time)}:",
        f"{with_unit(number(row['value'], 4), units)} against {number(row['reference_value'], 4)} of {row['reference_label']};",
    ]
    what = "|bias| " if row["metric"] == "BIAS" else ""
    change = f"{what}{with_unit(number(row['difference'], signed=True), units)}"
    if _in_percent(row):
        change += f" ({percent(row['relative'])})"
    if row["better"] is not None:
        change += ", better" if row["better"] else ", worse"
    parts.append(change + ";")
    if row["relative_at_coarsest"] is not None:
        parts.append(f"over {row['coarsest_scale']:g}{SPACE}km {percent(row['relative_at_coarsest'])};")
    if row["p_value"] is None:
        parts.append(f"{row['n_days']} days: too few for a verdict")
    else:
        band = f"{number(row['lower'], signed=True)} to {number(row['upper'], signed=True)}"
        parts.append(f"{100 * (1 - spec.level):g}{SPACE}% interval {band}; p {number(row['p_value'], 2)},")
        parts.append(f"q {number(row['q_value'], 2)}; {row['n_days']} days, {row['n_inits']} init times")
    if row["sample"] == "alone":
        parts[-1] += "; compared alone, on what both have"
    return " ".join(parts)


def _days(cells: list[Cell]) -> str:
    days = sorted({cell.numbers["n_days"] for cell in cells})
    if not days:
        return "no data"
    text = f"{days[0]} days" if len(days) == 1 else f"{days[0]} to {days[-1]} days"
    alone = any(cell.numbers["sample"] == "alone" for cell in cells)
    return f"{text}; compared alone, on what both have" if alone else text


def make_scorecard(spec: ReportSpec, section: SectionSpec, tables: ScoreTables) -> Scorecard:
    """Return a scorecard; what it is asked for and what is not there, is listed in `lacking`."""
    truth = section.truth or (spec.truths[0].label if spec.truths else "")
    by = section.stratification
    against = {"truth": truth, "reference": section.baseline}
    leads = _choose_leads(section, tables.values(DIFFERENCES, "lead_time", by, **against))
    scores = tables.rows(SCORES, by, truth=truth, lead_time=leads)
    differences = tables.rows(DIFFERENCES, by, **against, lead_time=leads)
    rows, lacking = _wanted(section, differences)
    if not differences:
        lacking = [f"nothing is compared with {spec.label_of(section.baseline)} against {truth}"]
    lacking += [f"no scores at {hours(lead)}" for lead in section.lead_times if lead not in leads]
    strata = sorted({row[by] for row in differences}, key=lambda name: (name != "all", name))
    cells = _Cells(spec, section, scores, differences)
    order = [source.source_id for source in spec.sources]
    sources = [one for one in order if one != section.baseline and any(row["source"] == one for row in differences)]
    lacking += [f"{spec.label_of(one)}: nothing to compare" for one in order if one not in (*sources, section.baseline)]

    def places(source: str, param: str, score: Score) -> list[_Place]:
        return [_Place(source, param, score, stratum, lead) for stratum in strata for lead in leads]

    cells.discover([place for source in sources for row in rows for place in places(source, *row)])
    units = {(row["param"], row["metric"]): unit(row["units"]) for row in differences}
    grids = []
    for source in sources:
        lines = [
            Line(
                param,
                score.text,
                units[param, score.metric],
                [cells.make(place) for place in places(source, param, score)],
            )
            for param, score in rows
        ]
        known = [cell for line in lines for cell in line.cells if cell is not None]
        grids.append(Grid(spec.label_of(source), order.index(source), lines, _days(known)))
    return Scorecard(
        title=section.name,
        baseline=spec.label_of(section.baseline),
        truth=truth,
        strata=strata,
        lead_times=[hours(lead) for lead in leads],
        coarsest=cells.coarsest,
        grids=grids,
        lacking=lacking,
    )


def scorecard_csv(card: Scorecard) -> str:
    """Return all cells of a scorecard as CSV, with the numbers of the tables."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for grid in card.grids:
        for line in grid.lines:
            writer.writerows(cell.numbers for cell in line.cells if cell is not None)
    return text.getvalue()
