"""Tables as large as those of a year of five sources, of random numbers."""

from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from evalflow.report.spec import ReportSource, ReportSpec
from evalflow.scores.table import METRICS as METRICS_TABLE

from support.report import make_spec

PARAMS = ("T_2M", "TD_2M", "PMSL", "SP_10M", "PS", "TOT_PREC6")
METRICS = ("BIAS", "MAE", "MSE", "RMSE", "STDE", "CORR", "R2", "STD_F", "ACTIVITY", "MSE_CORR")
REGIONS = ("all", *(f"region {number}" for number in range(1, 8)))
LEADS = np.arange(0, 246, 6.0)
SOURCES = [f"source-{number}" for number in range(5)]
WHOLE = ("all", "all")
CROSSED = (
    WHOLE,
    *((season, "all") for season in ("DJF", "MAM", "JJA", "SON")),
    *(("all", f"{h:02}") for h in (0, 6, 12, 18)),
)


def _text(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def _write(path: Path, columns: dict[str, pa.Array | np.ndarray]) -> None:
    pq.write_table(pa.table(columns).replace_schema_metadata({"made_from": "random"}), path)


def large_tables(folder: Path, strata: tuple[tuple[str, str], ...] = (WHOLE,)) -> ReportSpec:
    """Write tables of 60 panels × 5 sources × 41 lead times × 8 regions × strata, and return the spec of a report."""
    spec = make_spec(
        folder,
        sources=[ReportSource(source_id=one, label=one, kind="run", origin="x", lead_times=[6]) for one in SOURCES],
        params=list(PARAMS),
        references=SOURCES[:1],
        sections=[],
    )
    spec.results.mkdir(parents=True)
    keys = list(product(SOURCES, PARAMS, METRICS, REGIONS, strata))
    generator = np.random.default_rng(1)
    value = generator.lognormal(size=(len(SOURCES), len(keys) // len(SOURCES), len(LEADS)))

    def columns(chosen: slice) -> dict[str, pa.Array | np.ndarray]:
        own = keys[chosen]
        number = len(own)
        parts: dict[str, list[str | None]] = {
            "source": [one[0] for one in own], "label": [one[0] for one in own], "kind": ["run"] * number,
            "truth": ["analyses"] * number, "param": [one[1] for one in own], "units": ["K"] * number,
            "metric": [one[2] for one in own], "threshold": [None] * number, "region": [one[3] for one in own],
            "season": [one[4][0] for one in own], "init_hour": [one[4][1] for one in own],
            "valid_hour": ["all"] * number, "case": [None] * number,
            "sample": ["common"] * number,
        }  # fmt: skip
        place = np.repeat(np.arange(number), len(LEADS))
        found: dict[str, pa.Array | np.ndarray] = {
            key: _text(texts).take(pa.array(place)) for key, texts in parts.items()
        }
        rows = len(place)
        counts = {"n_inits": 1460, "n_days": 365, "n_pairs": 331420000}
        found |= {"lead_time": np.tile(LEADS, number), "scale": np.zeros(rows)}
        return found | {key: np.full(rows, count, np.int64) for key, count in counts.items()}

    missing = np.full(value.size, np.nan)
    _write(
        spec.results / "scores.parquet",
        columns(slice(None)) | {"value": value.ravel(), "lower": missing, "upper": missing},
    )
    others = columns(slice(len(keys) // len(SOURCES), None))
    best = np.array([METRICS_TABLE[one[2]].target for one in keys[: value.shape[1]]], float)[None, :, None]
    distance = np.where(np.isnan(best), value, np.abs(value - np.nan_to_num(best)))
    difference = (distance[1:] - distance[:1]).ravel()
    relative = (100 * (distance[1:] - distance[:1]) / distance[:1]).ravel()
    half = generator.lognormal(size=difference.size)
    p = generator.uniform(size=difference.size)
    text = _text([SOURCES[0]]).take(pa.array(np.zeros(difference.size, int)))
    others |= {"reference": text, "reference_label": text, "difference": difference, "relative": relative}
    others |= {"lower": difference - half, "upper": difference + half, "p_value": p, "q_value": np.minimum(1, 2 * p)}
    _write(
        spec.results / "differences.parquet",
        others | {"better": pa.array(difference < 0), "detectable": half, "days_needed": half},
    )
    return spec
