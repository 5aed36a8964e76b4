"""The tables of scores: what other programs read. docs/output.md says what the columns mean."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalflow.scores.aggregate import Block, Differences
from evalflow.scores.intervals import false_discovery_rates
from evalflow.scores.table import METRICS, units_of

KEYS = (
    "source", "label", "kind", "truth", "param", "units", "metric", "threshold", "region", "season", "init_hour",
    "valid_hour", "case",
)  # fmt: skip
"""Columns of text that both tables begin with."""
_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class About:
    """What the rows of some blocks have in common.

    Attributes
    ----------
    sources : (source_id, label, kind) of each source of the blocks
    truth : label
    param, units : of the scores
    lead_times : hours, of the axis "leads"
    scored : which sources get rows of scores
    sample : `common`: on the init times of all sources; `alone`: of one with few, on what it shares
        with another
    """

    sources: list[tuple[str, str, str]]
    truth: str
    param: str
    units: str
    lead_times: NDArray[np.float64]
    scored: list[int]
    sample: str = "common"


@dataclass
class Columns:
    """Columns that grow block by block: texts as codes, numbers as they are."""

    texts: dict[str, list[NDArray[np.int32]]] = field(default_factory=dict)
    words: dict[str, dict[str | None, int]] = field(default_factory=dict)
    numbers: dict[str, list[NDArray]] = field(default_factory=dict)

    def add_text(self, name: str, values: Iterable[str | None], shape: tuple[int, ...], axis: int | None) -> None:
        """Add a text per place along an axis of `shape`; with no axis, one for all."""
        known = self.words.setdefault(name, {})
        codes = np.array([known.setdefault(value, len(known)) for value in values], np.int32)
        if axis is not None:
            codes = codes.reshape([-1 if place == axis else 1 for place in range(len(shape))])
        self.texts.setdefault(name, []).append(np.broadcast_to(codes, shape).ravel())

    def add_number(self, name: str, values: NDArray, shape: tuple[int, ...]) -> None:
        """Add numbers that can be broadcast to `shape`."""
        self.numbers.setdefault(name, []).append(np.broadcast_to(values, shape).ravel())

    def column(self, name: str) -> NDArray:
        """Return a column of numbers, or the codes of one of texts."""
        return np.concatenate(self.texts.get(name) or self.numbers[name])

    def table(self, names: Iterable[str]) -> pa.Table:
        """Return the columns as a table in the order of `names`."""
        arrays = []
        for name in names:
            if name in self.words:
                words = list(self.words[name])
                codes = self.column(name)
                missing = self.words[name].get(None)
                indices = pa.array(codes, pa.int32(), mask=None if missing is None else codes == missing)
                arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array([word or "" for word in words])))
            else:
                values = self.column(name)
                if values.dtype == np.float64:
                    arrays.append(pa.array(values, from_pandas=True))
                elif values.dtype == np.int8:
                    arrays.append(pa.array(values > 0, mask=values == 0))
                else:
                    arrays.append(pa.array(values))
        return pa.Table.from_arrays(arrays, names=list(names))


SCORES = (
    *KEYS,
    "lead_time",
    "scale",
    "value",
    "lower",
    "upper",
    "n_inits",
    "n_days",
    "n_pairs",
    "sample",
    "deviations",
)
DIFFERENCES = (
    *KEYS, "reference", "reference_label", "lead_time", "scale", "difference", "relative", "lower", "upper", "p_value",
    "q_value", "better", "detectable", "days_needed", "n_inits", "n_days", "n_pairs", "sample",
    "deviations",
)  # fmt: skip


class Tables:
    """Collects blocks of scores and writes them as tables."""

    def __init__(self) -> None:
        self.scores, self.differences = Columns(), Columns()

    def add(self, block: Block, about: About) -> None:
        """Add a block of scores and its differences."""
        if about.scored:
            rows = np.array(about.scored)
            shape = block.value[rows].shape
            self._add_keys(self.scores, block, about, about.scored)
            for name, values in (("value", block.value), ("lower", block.lower), ("upper", block.upper)):
                self.scores.add_number(name, values[rows], shape)
            self._add_counts(self.scores, block, rows, shape)
        for one in block.differences:
            others = [row for row in range(len(about.sources)) if row != one.reference]
            if others:
                self._add_differences(block, about, one, others)

    def _add_differences(self, block: Block, about: About, one: Differences, others: list[int]) -> None:
        rows = np.array(others)
        shape = block.value[rows].shape
        columns, reference = self.differences, about.sources[one.reference]
        self._add_keys(columns, block, about, others)
        columns.add_text("reference", [reference[0]], shape, None)
        columns.add_text("reference_label", [reference[1]], shape, None)
        parts = {
            "difference": one.value, "relative": one.relative, "lower": one.lower, "upper": one.upper, "p_value": one.p,
            "detectable": one.detectable, "days_needed": one.days_needed,
        }  # fmt: skip
        for name, values in parts.items():
            columns.add_number(name, values[rows].astype(np.float64), shape)
        columns.add_number("better", one.gain[rows], shape)
        self._add_counts(columns, block, rows, shape)

    def _add_keys(self, columns: Columns, block: Block, about: About, rows: list[int]) -> None:
        source, score, _, region = range(4)
        shape = block.value[rows].shape
        some = [about.sources[row] for row in rows]
        for place, name in enumerate(("source", "label", "kind")):
            columns.add_text(name, [one[place] for one in some], shape, source)
        columns.add_text("truth", [about.truth], shape, None)
        columns.add_text("param", [about.param], shape, None)
        columns.add_text("units", [units_of(METRICS[one.metric], about.units) for one in block.scores], shape, score)
        columns.add_text("metric", [one.metric for one in block.scores], shape, score)
        thresholds = [one.threshold.text if one.threshold else None for one in block.scores]
        columns.add_text("threshold", thresholds, shape, score)
        columns.add_text("region", block.regions, shape, region)
        stratum = block.stratum
        for name in ("season", "init_hour", "valid_hour"):
            columns.add_text(name, [getattr(stratum, name)], shape, None)
        columns.add_text("case", [stratum.case.name if stratum.case else None], shape, None)
        columns.add_text("sample", [about.sample], shape, None)
        columns.add_text("deviations", [block.deviations], shape, None)
        columns.add_number("lead_time", about.lead_times[:, None], shape)
        scales = np.array([one.scale for one in block.scores], np.float64)
        columns.add_number("scale", scales[:, None, None], shape)

    def _add_counts(self, columns: Columns, block: Block, rows: NDArray, shape: tuple[int, ...]) -> None:
        columns.add_number("n_inits", block.inits.astype(np.int32), shape)
        columns.add_number("n_days", block.days.astype(np.int32), shape)
        columns.add_number("n_pairs", block.pairs[rows][:, None].astype(np.int64), shape)

    def finish(self) -> tuple[pa.Table, pa.Table]:
        """Return the tables of scores and differences; q is over a reference, truth and stratum."""
        if not self.scores.texts:
            return _empty(SCORES), _empty(DIFFERENCES)
        scores = self.scores.table(SCORES)
        if not self.differences.texts:
            return scores, _empty(DIFFERENCES)
        groups = [
            self.differences.column(name)
            for name in ("reference", "truth", "region", "season", "init_hour", "valid_hour", "case")
        ]
        _, group = np.unique(np.stack(groups), axis=1, return_inverse=True)
        p, q = self.differences.column("p_value"), np.full(len(group.ravel()), np.nan)
        for number in range(group.max() + 1):
            rows = np.flatnonzero(group.ravel() == number)
            q[rows] = false_discovery_rates(p[rows])
        self.differences.numbers["q_value"] = [q]
        return scores, self.differences.table(DIFFERENCES)


_WHOLE = {"n_inits": pa.int32(), "n_days": pa.int32(), "n_pairs": pa.int64()}


def _empty(names: Iterable[str]) -> pa.Table:
    """Return a table without rows."""

    def kind(name: str) -> Any:
        if name in KEYS or name in ("sample", "deviations") or name.startswith("reference"):
            return _TEXT
        if name == "better":
            return pa.bool_()
        return _WHOLE.get(name, pa.float64())

    return pa.schema([(name, kind(name)) for name in names]).empty_table()


def write_table(table: pa.Table, path: Path, about: dict[str, str]) -> None:
    """Write a table as Parquet, with texts about the whole of it as metadata."""
    pq.write_table(table.replace_schema_metadata(about), path, compression="zstd")
