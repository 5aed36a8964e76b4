"""The dashboard: all scores in one page that needs nothing else."""

from typing import Any

from evalflow.drawing.pages import script_data
from evalflow.report.dashboard_data import KEYS, Words, encode
from evalflow.report.drawing import Page, render, write_text
from evalflow.report.spec import ReportSpec
from evalflow.report.tables import ScoreTables
from evalflow.report.words import unit, visible
from evalflow.scores.table import METRICS
from evalflow.store.layout import DIFFERENCES, SCORES

NAME = "dashboard.html"
BETTER = {
    "lower": "↓ lower is better",
    "higher": "↑ higher is better",
    "near 0": "→ 0 is best",
    "near 1": "→ 1 is best",
    "": "neither is better",
}
HEADLINES = ("RMSE", "BIAS", "CORR", "ETS")
_ROWS = [*KEYS, "truth", "param", "lead_time", "n_days", "sample"]
_SCORES = [*_ROWS, "units", "value", "n_inits", "n_pairs"]
_DIFFERENCES = [*_ROWS, "reference", "difference", "relative", "lower", "upper", "p_value", "q_value", "better"]


def _metrics(words: Words, units: dict[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Return what the page says of each metric; `units` are those of (param, metric)."""
    found = []
    for name in words["metric"]:
        metric = METRICS.get(name)
        found.append(
            {
                "long": metric.long_name if metric else "",
                "better": BETTER[metric.better] if metric else "",
                "target": metric.target if metric else None,
                "units": [unit(units.get((param, name), "")) for param in words["param"]],
            }
        )
    return found


def _labels(spec: ReportSpec, words: Words) -> list[dict[str, Any]]:
    order = [source.source_id for source in spec.sources]
    return [
        {"label": visible(spec.label_of(one)), "style": order.index(one) if one in order else len(order) + place}
        for place, one in enumerate(words["source"])
    ]


def draw_dashboard(spec: ReportSpec, tables: ScoreTables) -> list[Page]:
    """Draw the page of all scores, or none where there is no score."""
    if not tables.exist:
        return []
    scores = tables.table(SCORES, _SCORES)
    if not scores.num_rows:
        return []
    columns = scores.select(["param", "metric", "units"]).group_by(["param", "metric", "units"]).aggregate([])
    units = {(row["param"], row["metric"]): row["units"] for row in columns.to_pylist()}
    about, texts = encode(spec, scores, tables.table(DIFFERENCES, _DIFFERENCES))
    words = about["words"]
    about |= {
        "experiment": spec.experiment_id,
        "metrics": _metrics(words, units),
        "sources": _labels(spec, words),
        "headlines": [name for name in HEADLINES if name in words["metric"]] or words["metric"][:1],
        "level": spec.level,
        "rate": spec.false_discovery_rate,
        "min_days": spec.min_days,
    }
    text = render(NAME, spec=spec, about=script_data(about), texts=texts)
    write_text(spec.results, NAME, text)
    return [Page(NAME, "dashboard", "all scores over lead time, with filters")]
