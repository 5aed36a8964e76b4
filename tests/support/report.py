"""Tables of scores whose every number is made up here, and what the plan would say of their report."""

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from evalflow.report.spec import ReportSource, ReportSpec, ReportTruth, SectionSpec

LEADS = (6.0, 12.0, 24.0)
REGIONS = ("all", "alps")
UNITS = {"RMSE": {"T_2M": "K", "PMSL": "Pa"}, "BIAS": {"T_2M": "K", "PMSL": "Pa"}, "ETS": {"T_2M": "1", "PMSL": "1"}}
SOURCES = {"run-1": "candidate", "run-2": "other", "baseline-1": "persistence"}
FACTORS = {"run-1": 0.8, "run-2": 1.1, "baseline-1": 1.0}
WHOLE = {"season": "all", "init_hour": "all", "valid_hour": "all", "case": None, "sample": "common"}


def rmse(source: str, param: str, lead: float) -> float:
    """Return an RMSE: that of the baseline grows with lead time, the others are parts of it."""
    return FACTORS[source] * (1 if param == "T_2M" else 100) * (1 + lead / 6)


def bias(source: str, lead: float) -> float:
    return {"run-1": 0.5, "run-2": -0.1, "baseline-1": -0.3}[source] * lead / 6


def _keys(source: str, param: str, metric: str, threshold: str | None, region: str) -> dict:
    return {
        "source": source, "label": SOURCES[source], "kind": "baseline" if "base" in source else "run",
        "truth": "analyses", "param": param, "units": UNITS[metric][param], "metric": metric, "threshold": threshold,
        "region": region, **WHOLE,
    }  # fmt: skip


def score_rows() -> list[dict]:
    rows = []
    for source, param, region, lead in itertools.product(SOURCES, UNITS["RMSE"], REGIONS, LEADS):
        counts = {"lead_time": lead, "lower": None, "upper": None, "n_inits": 40, "n_days": 20, "n_pairs": 4000}
        for scale in (0.0, 200.0):
            value = rmse(source, param, lead) * (0.5 if scale else 1)
            keys = _keys(source, param, "RMSE", None, region)
            rows.append({**keys, **counts, "scale": scale, "value": value})
        keys = _keys(source, param, "BIAS", None, region)
        rows.append({**keys, **counts, "scale": 0.0, "value": bias(source, lead)})
        if param == "T_2M":
            keys = _keys(source, param, "ETS", "> 273.15", region)
            rows.append({**keys, **counts, "scale": 0.0, "value": 0.01 if source == "baseline-1" else 0.4})
    return rows


VIEWS = {"MSE_BIAS": "K2", "MSE_SPREAD": "K2", "MSE_CORR": "K2", "STD_F": "K", "STD_O": "K", "ACTIVITY": "1"}
"""Metrics of the views of the dashboard besides scores over lead time, and their units for T_2M."""
EVENTS = {"< 263": (0.1, 0.2), "< 273": (0.4, 0.6), "< 283": (0.8, 0.85)}
"""Events of T_2M → their frequency in the truth, and in forecasts of run-1."""


def view_rows() -> list[dict]:
    """Return rows of one param that the diagrams of the dashboard are drawn from."""
    rows = []
    for source, lead in itertools.product(SOURCES, LEADS):
        counts = {"lead_time": lead, "lower": None, "upper": None, "n_inits": 40, "n_days": 20, "n_pairs": 4000}
        keys = {**_keys(source, "T_2M", "RMSE", None, "all"), **counts, "scale": 0.0}
        values = {"MSE_BIAS": 1.0, "MSE_SPREAD": 2.0, "MSE_CORR": lead, "STD_F": 8.0, "STD_O": 10.0, "ACTIVITY": 0.8}
        rows += [{**keys, "metric": one, "units": VIEWS[one], "value": value} for one, value in values.items()]
        for threshold, (truth, forecast) in EVENTS.items():
            found = {"POD": 0.5 * FACTORS[source], "FAR": 0.2, "FREQ_F": forecast * FACTORS[source] / 0.8}
            found["FREQ_O"] = truth
            event = {**keys, "units": "1", "threshold": threshold}
            rows += [{**event, "metric": one, "value": value} for one, value in found.items()]
    return rows


def difference_rows(scores: list[dict], reference: str = "baseline-1") -> list[dict]:
    """Return the differences to a reference: run-1 is surely better at 6 h, perhaps at 12 h, and by chance at 24 h."""
    place = ("param", "metric", "threshold", "region", "lead_time", "scale")
    base = {tuple(row[key] for key in place): row["value"] for row in scores if row["source"] == reference}
    rows = []
    for row in scores:
        if row["source"] == reference:
            continue
        other = base[tuple(row[key] for key in place)]
        value = row["value"]
        if row["metric"] == "BIAS":
            value, other = abs(value), abs(other)
        difference = value - other
        relative = None if row["metric"] == "BIAS" else 100 * difference / other
        if row["scale"]:
            relative = -5.0  # what is left at the coarsest scale
        p = {6.0: 0.001, 12.0: 0.04, 24.0: 0.6}[row["lead_time"]]
        rows.append(
            {
                **{key: row[key] for key in row if key != "value"},
                "reference": reference, "reference_label": SOURCES[reference], "difference": difference,
                "relative": relative, "lower": difference - 1, "upper": difference + 1, "p_value": p,
                "q_value": {6.0: 0.002, 12.0: 0.3, 24.0: 0.7}[row["lead_time"]],
                "better": (difference > 0) == (row["metric"] == "ETS"), "detectable": 2.0, "days_needed": 7.0,
            }
        )  # fmt: skip
    return rows


def write_tables(folder: Path, scores: list[dict], differences: list[dict], made_from: str = "abc") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("scores", scores), ("differences", differences)):
        table = pa.Table.from_pylist(rows)
        text = pa.dictionary(pa.int32(), pa.string())
        wanted = pa.schema(
            [
                (one.name, text if pa.types.is_string(one.type) or pa.types.is_null(one.type) else one.type)
                for one in table.schema
            ]
        )
        if "lower" in wanted.names and rows and rows[0]["lower"] is None:
            wanted = wanted.set(wanted.get_field_index("lower"), pa.field("lower", pa.float64()))
            wanted = wanted.set(wanted.get_field_index("upper"), pa.field("upper", pa.float64()))
        table = pa.Table.from_pylist(rows, wanted)
        pq.write_table(table.replace_schema_metadata({"made_from": made_from}), folder / f"{name}.parquet")


def make_spec(root: Path, **changed) -> ReportSpec:
    about = {
        "evalflow": "0.2.0",
        "experiment_id": "trial_01234567",
        "question": "Is the candidate better?",
        "config": root / "trial.yaml",
        "config_text": "description: a trial\n",
        "store": root / "data",
        "results": root / "results" / "trial_01234567",
        "init_times": ["202401010000", "202401011200", "202401020000"],
        "sources": [
            ReportSource(
                source_id=one, label=label, kind="baseline" if "base" in one else "run", origin="x", lead_times=[6]
            )
            for one, label in SOURCES.items()
        ],
        "truths": [ReportTruth(label="analyses", origin="/archive")],
        "params": ["T_2M", "PMSL"],
        "references": ["baseline-1"],
        "sections": [SectionSpec(name="first", baseline="baseline-1", variables=["T_2M:RMSE,BIAS,ETS", "PMSL:RMSE"])],
        "level": 0.05,
        "false_discovery_rate": 0.1,
        "min_days": 10,
    }
    return ReportSpec(**(about | changed))
