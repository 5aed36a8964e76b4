"""What the first page shows: the experiment in one screen."""

from evalflow.report.charts import Chart, draw_chart
from evalflow.report.drawing import Page, render
from evalflow.report.missing import SUMMARY, Missing, find_coverage
from evalflow.report.provenance import find_made
from evalflow.report.spec import ReportSpec
from evalflow.report.tables import Row, ScoreTables
from evalflow.report.verdict import make_verdict
from evalflow.report.words import hours, time
from evalflow.store.files import read_json
from evalflow.store.layout import DIFFERENCES, SCORES

HEADLINES = ("RMSE", "BIAS")
VERIFICATION = "verification.json"
"""In the folder of results: what verification says of itself."""


def draw_charts(spec: ReportSpec, rows: list[Row]) -> list[tuple[str, list[Chart]]]:
    """Return the charts of the headline scores per param; `rows` are the scores against one truth."""
    params = dict.fromkeys(row["param"] for row in rows)
    drawn = [(param, [draw_chart(spec, rows, param, metric) for metric in HEADLINES]) for param in params]
    return [(param, [chart for chart in charts if chart]) for param, charts in drawn]


def _counts(spec: ReportSpec, tables: ScoreTables) -> list[tuple[str, str]]:
    if not tables.exist:
        return []
    rows = tables.rows(SCORES, metric="RMSE", scale=0.0)
    if not rows:
        return []
    days, pairs = max(row["n_days"] for row in rows), max(row["n_pairs"] for row in rows)
    params = dict.fromkeys(row["param"] for row in rows)
    leads = sorted({row["lead_time"] for row in rows})
    return [
        ("params", ", ".join(params)),
        ("lead times", f"{leads[0]:g} to {hours(leads[-1])} ({len(leads)})"),
        ("days of data", f"{days:,}"),
        ("pairs", f"up to {pairs:,} a score"),
    ]


def known_of_verification(spec: ReportSpec) -> dict:
    """Return what verification says of itself: notes, problems, domains; nothing where it has not run."""
    return read_json(spec.results / VERIFICATION) or {}


def draw_index(spec: ReportSpec, tables: ScoreTables, pages: list[Page], missing: list[Missing]) -> str:
    """Return the first page; it links to those of `pages`."""
    labels = [truth.label for truth in spec.truths] if tables.exist else []
    verdicts = [table for label in labels if (table := make_verdict(spec, tables, label))]
    charts = [
        (label, draw_charts(spec, tables.rows(SCORES, truth=label, scale=0.0, metric=list(HEADLINES))))
        for label in labels
    ]
    coverage = find_coverage(spec, tables)
    known = known_of_verification(spec)
    times = sorted(spec.init_times)
    return render(
        "index.html",
        spec=spec,
        period=f"{time(times[0])} to {time(times[-1])} UTC" if times else "none",
        counts=_counts(spec, tables),
        verdicts=verdicts,
        charts=charts,
        scored=tables.exist,
        coverage=coverage,
        alone={one.label for one in coverage if one.alone},
        missing=missing,
        made=find_made(spec),
        notes=known.get("notes", []),
        problems=[*known.get("problems", []), *(line for page in pages for line in page.problems)],
        domains=known.get("domains", []),
        made_from=tables.made_from(),
        tables=[name for name in (SCORES, DIFFERENCES, "scores.nc") if (spec.results / name).is_file()],
        summary=SUMMARY,
        pages=pages,
    )
