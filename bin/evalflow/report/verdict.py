"""The verdict: which source is best, where, by how much, and whether that is more than chance."""

from dataclasses import dataclass, field
from typing import Any

from evalflow.report.spec import ReportSpec
from evalflow.report.tables import Row, ScoreTables
from evalflow.report.words import SPACE, hours, number, percent, with_unit
from evalflow.store.layout import DIFFERENCES, SCORES

METRIC = "RMSE"
Key = tuple[str, float, str]
"""Param, lead time in hours, and a value of a dimension such as the region."""
DIMENSIONS = {"region": "region", "season": "season", "init_hour": "init hour"}
"""Where and when sources are compared, and what that is called."""


@dataclass(frozen=True)
class Verdict:
    """The best source for one param and lead time.

    Attributes
    ----------
    best, value : its label, and its RMSE with unit
    is_reference : whether it is the reference itself
    change : its RMSE against the reference's, in percent or in units
    chance : whether that is no more than chance by the level; None where there are too few days
    many : whether it stays by the false discovery rate of all that are compared with the reference
    note, brief : all the numbers, as a sentence; the interval and p in short
    """

    best: str
    style: int
    value: str
    is_reference: bool
    change: str = ""
    chance: bool | None = None
    many: bool = False
    note: str = ""
    brief: str = ""


@dataclass(frozen=True)
class Part:
    """The verdict of each part of the whole, such as the regions, at one lead time: rows are parts, columns params."""

    title: str
    lead_time: str
    params: list[str]
    rows: list[tuple[str, list[Verdict | None]]]


@dataclass(frozen=True)
class VerdictTable:
    """The verdict against one truth."""

    truth: str
    reference: str
    lead_times: list[str]
    rows: list[tuple[str, list[Verdict | None]]]
    parts: list[Part] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    @property
    def decided(self) -> bool:
        """Whether there is any interval to decide by."""
        return any(cell is not None and cell.chance is not None for _, row in self.rows for cell in row)


def choose_lead_times(common: set[float], asked: set[float]) -> list[float]:
    """Return three lead times: first, middle and last of those that are asked for, else of all, without 0 h."""
    usable = sorted((common & asked) or common)
    usable = [lead for lead in usable if lead > 0] or usable
    if not usable:
        return []
    return sorted({usable[0], usable[(len(usable) - 1) // 2], usable[-1]})


def _fair(rows: list[Row]) -> list[Row]:
    """Return the scores on the common sample; where there are none, all: who is best is decided among these."""
    return [row for row in rows if row["sample"] == "common"] or rows


def _common(rows: list[Row]) -> set[float]:
    """Return the lead times that every source has for every param that it has; where there are none, all."""
    leads: dict[tuple[str, str], set[float]] = {}
    for row in _fair(rows):
        if row["value"] is not None:
            leads.setdefault((row["source"], row["param"]), set()).add(row["lead_time"])
    sets = list(leads.values())
    return set.intersection(*sets) or set.union(*sets) if sets else set()


def _brief(row: Row, spec: ReportSpec) -> str:
    if row["p_value"] is None:
        return f"{row['n_days']} days of data: too few"
    text = f"{number(row['lower'], 2, signed=True)} to {number(row['upper'], 2, signed=True)}, p {number(row['p_value'], 2)}"
    if row["p_value"] >= spec.level and row["days_needed"]:
        text += f"; about {row['days_needed']:,.0f} more days would decide"
    return text


def _note(row: Row, spec: ReportSpec, reference: str) -> str:
    if row["p_value"] is None:
        return f"{row['n_days']} days of data: too few for a verdict"
    what = f"{with_unit(number(row['difference'], signed=True), row['units'])} against {reference}"
    band = f"{number(row['lower'], signed=True)} to {number(row['upper'], signed=True)}"
    text = f"{what}, {100 * (1 - spec.level):g}{SPACE}% interval {band}, p {number(row['p_value'], 2)}"
    text += f", q {number(row['q_value'], 2)}, {row['n_days']} days"
    if row["p_value"] >= spec.level and row["detectable"]:
        text += f"; one of {with_unit(number(row['detectable'], 2), row['units'])} would most likely have been seen"
    if row["days_needed"]:
        text += f"; about {row['days_needed']:,.0f} more days would decide a difference of this size"
    return text


def _verdict(rows: list[Row], found: dict[str, Row], spec: ReportSpec, reference: str) -> Verdict | None:
    rows = _fair([row for row in rows if row["value"] is not None])
    if not rows:
        return None
    order = [source.source_id for source in spec.sources]
    ranked = sorted(rows, key=lambda row: (row["value"], order.index(row["source"]) if row["source"] in order else 99))
    best = ranked[0]
    about: dict[str, Any] = {
        "best": spec.label_of(best["source"]),
        "style": order.index(best["source"]) if best["source"] in order else 0,
        "value": with_unit(number(best["value"]), best["units"]),
    }
    if best["source"] == reference:
        return Verdict(**about, is_reference=True, note=f"no source has a smaller {METRIC}")
    row = found.get(best["source"])
    if row is None:
        return Verdict(**about, is_reference=False, note="the reference has no value here")
    change = percent(row["relative"])
    if row["relative"] is None:
        change = with_unit(number(row["difference"], signed=True), row["units"])
    return Verdict(
        **about,
        is_reference=False,
        change=change,
        chance=None if row["p_value"] is None else row["p_value"] >= spec.level,
        many=row["q_value"] is not None and row["q_value"] < spec.false_discovery_rate,
        note=_note(row, spec, spec.label_of(reference)),
        brief=_brief(row, spec),
    )


def _sentences(table: VerdictTable, spec: ReportSpec, days: int) -> list[str]:
    cells = [cell for _, row in table.rows for cell in row if cell is not None]
    if not cells:
        return []
    wins: dict[str, int] = {}
    for cell in cells:
        wins[cell.best] = wins.get(cell.best, 0) + 1
    first = max(wins, key=lambda label: wins[label])
    lines = [f"{first} has the smallest {METRIC} in {wins[first]} of {len(cells)} comparisons of param and lead time."]
    against = [cell for cell in cells if not cell.is_reference and cell.change]
    if not against:
        return [*lines, f"No source is better than {table.reference} in any of them."]
    if all(cell.chance is None for cell in against):
        lines.append(
            f"Whether to believe it cannot be said yet: {days} {'day' if days == 1 else 'days'} of data are too few; "
            f"there are intervals from {spec.min_days} days on."
        )
        return lines
    sure = sum(cell.chance is False for cell in against)
    kept = sum(cell.chance is False and cell.many for cell in against)
    if not sure:
        return [
            *lines,
            f"The best source beats {table.reference} in {len(against)} of {len(cells)}; none of these differences "
            f"can be told from chance (p < {spec.level:g}).",
        ]
    lines.append(
        f"The best source beats {table.reference} in {len(against)} of {len(cells)}; {sure} of these {len(against)} "
        f"{'is' if sure == 1 else 'are'} more than chance (p < {spec.level:g}), and {kept} also when it counts how many "
        f"comparisons were made (q < {spec.false_discovery_rate:g})."
    )
    return lines


def _by_key(rows: list[Row], by: str) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault((row["param"], row["lead_time"], row[by]), []).append(row)
    return found


class _Compared:
    """The scores against one truth, and the differences to the first reference."""

    def __init__(self, spec: ReportSpec, tables: ScoreTables, truth: str) -> None:
        self.spec, self.tables = spec, tables
        self.chosen: dict[str, Any] = {"truth": truth, "metric": METRIC, "scale": 0.0}
        self.reference = spec.references[0]
        self.scores = tables.rows(SCORES, **self.chosen)
        asked = {lead for section in spec.sections for lead in section.lead_times}
        self.leads = choose_lead_times(_common(self.scores), asked)
        self.params = list(dict.fromkeys(row["param"] for row in self.scores))

    def verdicts(self, by: str = "region", *, crossed: bool = False) -> dict[Key, Verdict | None]:
        """Return the verdict of each param, lead time and value of a dimension; not `crossed`: of the whole."""
        dimension = by if crossed else None
        scores = self.tables.rows(SCORES, dimension, **self.chosen) if crossed else self.scores
        rows = self.tables.rows(DIFFERENCES, dimension, reference=self.reference, **self.chosen)
        found = {key: {row["source"]: row for row in some} for key, some in _by_key(rows, by).items()}
        return {
            key: _verdict(some, found.get(key, {}), self.spec, self.reference)
            for key, some in _by_key(scores, by).items()
        }


def make_verdict(spec: ReportSpec, tables: ScoreTables, truth: str) -> VerdictTable | None:
    """Return the best source per param at three lead times against one truth, or None where there are no scores."""
    if not spec.references:
        return None
    compared = _Compared(spec, tables, truth)
    if not compared.leads:
        return None
    found = compared.verdicts()
    table = VerdictTable(
        truth=truth,
        reference=spec.label_of(compared.reference),
        lead_times=[hours(lead) for lead in compared.leads],
        rows=[(param, [found.get((param, lead, "all")) for lead in compared.leads]) for param in compared.params],
        parts=_make_parts(compared),
    )
    table.sentences.extend(_sentences(table, spec, max((row["n_days"] for row in compared.scores), default=0)))
    return table


def _make_parts(compared: _Compared) -> list[Part]:
    """Return the verdicts by region, season and init hour at the middle one of the lead times."""
    lead, parts = compared.leads[len(compared.leads) // 2], []
    for by, title in DIMENSIONS.items():
        found = compared.verdicts(by, crossed=True)
        names = sorted({name for _, _, name in found if name != "all"})
        if len(names) >= (1 if by == "region" else 2):
            rows = [(name, [found.get((param, lead, name)) for param in compared.params]) for name in names]
            parts.append(Part(title, hours(lead), compared.params, rows))
    return parts
