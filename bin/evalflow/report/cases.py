"""The page of cases: the scores of each event, beside those of the whole."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evalflow.report.charts import Chart, draw_chart
from evalflow.report.drawing import Page, render, write_text
from evalflow.report.spec import ReportCase, ReportSpec
from evalflow.report.tables import Row, ScoreTables
from evalflow.report.verdict import choose_lead_times
from evalflow.report.words import hours, number, percent, with_unit
from evalflow.store.layout import SCORES

NAME = "cases.html"
METRIC = "RMSE"


@dataclass(frozen=True)
class Beside:
    """The score of one source in the case, and that of the whole.

    Attributes
    ----------
    change : the score in the case against that of the reference in it, in percent
    best : whether it is the smallest of all sources on the common sample
    alone : whether the source is compared alone
    """

    case: str
    whole: str
    change: str
    best: bool
    alone: bool


@dataclass(frozen=True)
class CaseTable:
    """A case against one truth: rows are param and lead time, columns sources."""

    truth: str
    counts: str
    rows: list[tuple[str, str, list[Beside | None]]]
    charts: list[tuple[str, list[Chart]]]


@dataclass(frozen=True)
class CaseShown:
    """A case as the page shows it."""

    name: str
    period: str
    region: str
    tables: list[CaseTable]


Place = tuple[str, str, float]
"""Source, param, lead time in hours."""


def _by_place(rows: list[Row]) -> dict[Place, Row]:
    return {(row["source"], row["param"], row["lead_time"]): row for row in rows if row["value"] is not None}


def _beside(row: Row | None, whole: Row | None, reference: Row | None, best: float | None) -> Beside | None:
    if row is None:
        return None
    against = reference["value"] if reference is not None and reference is not row else 0.0
    return Beside(
        case=with_unit(number(row["value"]), row["units"]),
        whole=number(whole["value"]) if whole else "–",
        change=percent(100 * (row["value"] - against) / against) if against else "",
        best=row["value"] == best,
        alone=row["sample"] == "alone",
    )


def _rows(spec: ReportSpec, case: dict[Place, Row], whole: dict[Place, Row]) -> list[tuple[str, str, list]]:
    sources, reference = [source.source_id for source in spec.sources], spec.references[0] if spec.references else ""
    found = []
    for param in dict.fromkeys(place[1] for place in case):
        for lead in choose_lead_times({place[2] for place in case if place[1] == param}, set()):
            some = [case.get((source, param, lead)) for source in sources]
            fair = [row["value"] for row in some if row is not None and row["sample"] == "common"]
            of = case.get((reference, param, lead))
            cells = [
                _beside(row, whole.get((source, param, lead)), of, min(fair, default=None))
                for source, row in zip(sources, some, strict=True)
            ]
            found.append((param, hours(lead), cells))
    return found


def _charts(spec: ReportSpec, case: list[Row], whole: list[Row]) -> list[tuple[str, list[Chart]]]:
    found = []
    for param in dict.fromkeys(row["param"] for row in case):
        parts = (("in the case", case), ("whole", whole))
        charts = [draw_chart(spec, rows, param, METRIC, f"{METRIC}, {name}") for name, rows in parts]
        found.append((param, [chart for chart in charts if chart]))
    return found


def _counts(rows: list[Row]) -> str:
    most = {name: max(row[name] for row in rows) for name in ("n_inits", "n_days", "n_pairs")}
    days = "day" if most["n_days"] == 1 else "days"
    return f"up to {most['n_inits']:,} init times, {most['n_days']:,} {days} of data, {most['n_pairs']:,} pairs a score"


def _table(spec: ReportSpec, tables: ScoreTables, case: str, truth: str) -> CaseTable | None:
    chosen: dict[str, Any] = {"truth": truth, "metric": METRIC, "scale": 0.0}
    rows = [row for row in tables.case_rows(SCORES, case=case, **chosen) if row["value"] is not None]
    if not rows:
        return None
    whole = tables.rows(SCORES, **chosen)
    return CaseTable(
        truth=truth,
        counts=_counts(rows),
        rows=_rows(spec, _by_place(rows), _by_place(whole)),
        charts=_charts(spec, rows, whole),
    )


def _period(case: ReportCase) -> str:
    start, end = (datetime.fromisoformat(text) for text in (case.start, case.end))
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def find_cases(spec: ReportSpec, tables: ScoreTables) -> list[CaseShown]:
    """Return the cases of an experiment; one that has no scores has no tables."""
    return [
        CaseShown(
            name=case.name,
            period=_period(case),
            region=case.region,
            tables=[table for truth in spec.truths if (table := _table(spec, tables, case.name, truth.label))],
        )
        for case in spec.cases
    ]


def draw_cases(spec: ReportSpec, tables: ScoreTables) -> list[Page]:
    """Draw the page of cases, or none where there are no cases or no scores."""
    if not spec.cases or not tables.exist:
        return []
    cases = find_cases(spec, tables)
    problems = [f"case {case.name}: there are no scores: no pair of forecast and truth lies in it" for case in cases]
    problems = [line for line, case in zip(problems, cases, strict=True) if not case.tables]
    write_text(spec.results, NAME, render(NAME, spec=spec, cases=cases))
    names = ", ".join(case.name for case in cases)
    return [Page(NAME, "cases", f"{names}: scores of each beside those of the whole", problems=problems)]
