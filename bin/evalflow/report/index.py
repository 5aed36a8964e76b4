"""What the first page shows: the experiment in one screen."""

import hashlib
from dataclasses import dataclass

from evalflow.report.charts import Chart, make_chart
from evalflow.report.drawing import Page, render
from evalflow.report.spec import ReportSpec
from evalflow.report.tables import DIFFERENCES, SCORES, Row, ScoreTables
from evalflow.report.verdict import make_verdict
from evalflow.report.words import hours, number, time, unit, with_unit
from evalflow.store.files import read_json
from evalflow.store.layout import FORECAST_SEAL, LOCK, environment_folder, forecast_folder

HEADLINES = ("RMSE", "BIAS")
VERIFICATION = "verification.json"
"""In the folder of results: what verification says of itself."""


@dataclass(frozen=True)
class Coverage:
    """What there is of one source against one truth: init times in its scores, of those of the experiment."""

    label: str
    truth: str
    init_times: str
    params: str
    complete: bool


@dataclass(frozen=True)
class Made:
    """A run's environment: what it was made with."""

    label: str
    run_id: str
    env_id: str
    lock: str
    forecasts: str


def draw_charts(spec: ReportSpec, rows: list[Row]) -> list[tuple[str, list[Chart]]]:
    """Return the charts of the headline scores per param; `rows` are the scores against one truth."""
    order = {source.source_id: place for place, source in enumerate(spec.sources)}
    found = []
    for param in dict.fromkeys(row["param"] for row in rows):
        charts = []
        for metric in HEADLINES:
            series: dict[str, list[tuple[float, float, str]]] = {}
            units = ""
            for row in rows:
                if (row["param"], row["metric"]) == (param, metric) and row["value"] is not None:
                    label, units = spec.label_of(row["source"]), row["units"]
                    says = f"{label}, {hours(row['lead_time'])}: {with_unit(number(row['value'], 4), units)}"
                    series.setdefault(row["source"], []).append((row["lead_time"], row["value"], says))
            lines = [(spec.label_of(one), order.get(one, 0), points) for one, points in series.items()]
            lines.sort(key=lambda line: line[1])
            title = f"{metric} [{unit(units)}]" if unit(units) else metric
            chart = make_chart(title, f"{metric} of {param} over lead time", lines, zero=metric == "BIAS")
            charts += [chart] if chart else []
        found.append((param, charts))
    return found


def find_coverage(spec: ReportSpec, tables: ScoreTables) -> list[Coverage]:
    """Return how many init times the scores of each source are of."""
    found = []
    total = len(spec.init_times)
    for truth in spec.truths:
        rows = tables.rows(SCORES, truth=truth.label, metric="RMSE", scale=0.0) if tables.exist else []
        params = list(dict.fromkeys(row["param"] for row in rows))
        for source in spec.sources:
            own = [row for row in rows if row["source"] == source.source_id and row["value"] is not None]
            most, has = max((row["n_inits"] for row in own), default=0), {row["param"] for row in own}
            lacks = [param for param in params if param not in has]
            text = f"all but {', '.join(lacks)}" if has and lacks else "all" if has else "none"
            complete = most >= total and not lacks
            found.append(Coverage(source.label, truth.label, f"{most:,} of {total:,}", text, complete))
    return found


def find_missing(spec: ReportSpec) -> list[tuple[str, list[str]]]:
    """Return the init times of which the store has no forecast, per run that lacks some."""
    found = []
    for source in spec.sources:
        if source.kind == "run":
            folders = [(time, forecast_folder(spec.store, source.source_id, time)) for time in spec.init_times]
            lacking = [name for name, folder in folders if not (folder / FORECAST_SEAL).is_file()]
            found += [(source.label, [time(name) for name in lacking])] if lacking else []
    return found


def _made(spec: ReportSpec, missing: dict[str, list[str]]) -> list[Made]:
    found = []
    for source in spec.sources:
        if source.kind != "run" or source.env_id is None:
            continue
        try:
            text = (environment_folder(spec.store, source.env_id) / LOCK).read_bytes()
            count = sum(bool(line.strip()) and not line.startswith((b"#", b" ")) for line in text.splitlines())
            lock = f"{count} packages, SHA-256 {hashlib.sha256(text).hexdigest()[:16]}"
        except OSError:
            lock = "not in the store"
        there = len(spec.init_times) - len(missing.get(source.label, []))
        found.append(Made(source.label, source.source_id, source.env_id, lock, f"{there} of {len(spec.init_times)}"))
    return found


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


def draw_index(spec: ReportSpec, tables: ScoreTables, pages: list[Page]) -> str:
    """Return the first page; it links to those of `pages`."""
    labels = [truth.label for truth in spec.truths] if tables.exist else []
    verdicts = [table for label in labels if (table := make_verdict(spec, tables, label))]
    charts = [
        (label, draw_charts(spec, tables.rows(SCORES, truth=label, scale=0.0, metric=list(HEADLINES))))
        for label in labels
    ]
    missing = find_missing(spec)
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
        coverage=find_coverage(spec, tables),
        missing=missing,
        made=_made(spec, dict(missing)),
        notes=known.get("notes", []),
        problems=[*known.get("problems", []), *(line for page in pages for line in page.problems)],
        domains=known.get("domains", []),
        made_from=tables.made_from(),
        tables=[name for name in (SCORES, DIFFERENCES, "scores.nc") if (spec.results / name).is_file()],
        pages=pages,
    )
