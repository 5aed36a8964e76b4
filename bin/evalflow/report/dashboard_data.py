"""The scores and their differences as compressed arrays that the dashboard decodes."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalflow.report.spec import ReportSpec
from evalflow.scores.strata import SEASONS
from evalflow.scores.table import METRICS

STRATA = ("region", "season", "init_hour", "valid_hour", "case")
KEYS = ("metric", "threshold", "scale", *STRATA, "source")
"""What names a series of scores over lead time, within a truth and a param."""
MANY = 500_000
"""Scores from which on the page is large, so that fewer bits are kept."""
BITS = {False: (23, 10), True: (17, 8)}
"""Whether there are many → bits of the mantissa of a score (23: all of a float32) and of the half-width of a band."""

Words = dict[str, list[Any]]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """Rows of a table as series over lead time.

    Attributes
    ----------
    keys : codes of what names each series, [columns, series]
    place : the series of each row
    lead : the place of each row's lead time
    """

    keys: Codes
    place: Codes
    lead: Codes
    leads: int

    def spread(self, values: NDArray, fill: float) -> NDArray:
        """Return the values of the rows as [series, leads]."""
        found = np.full((self.keys.shape[1], self.leads), fill, values.dtype)
        found[self.place, self.lead] = values
        return found


def find_words(spec: ReportSpec, scores: pa.Table) -> Words:
    """Return the values of each column of keys, in the order in which the page shows them."""
    wanted: Words = {
        "source": [source.source_id for source in spec.sources],
        "truth": [truth.label for truth in spec.truths],
        "param": spec.params,
        "metric": list(METRICS),
        "region": ["all"],
        "season": ["all", *SEASONS],
        "init_hour": ["all"],
        "valid_hour": ["all"],
        "case": [""],
        "threshold": [""],
    }
    found: Words = {}
    for column in (*KEYS, "truth", "param", "lead_time"):
        there = ["" if one is None else one for one in pc.unique(scores[column]).to_pylist()]
        first = wanted.get(column, [])
        rest = [one for one in there if one not in first]
        found[column] = [one for one in first if one in there] + (rest if column == "region" else sorted(rest))
    return found


def _codes(table: pa.Table, column: str, words: list[Any]) -> Codes:
    """Return the place of each row's value among the words, −1 where it is none of them."""
    places = {word: place for place, word in enumerate(words)}
    array = table[column].unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if not isinstance(array, pa.DictionaryArray):
        array = array.dictionary_encode()
    of = np.array([places.get(word, -1) for word in array.dictionary.to_pylist()] + [places.get("", -1)])
    return of[array.indices.fill_null(len(of) - 1).to_numpy(zero_copy_only=False).astype(np.int64)]


def _series(columns: list[Codes], lead: Codes, leads: int) -> Series:
    sizes = [int(column.max(initial=0)) + 1 for column in columns]
    joined = np.ravel_multi_index(tuple(columns), tuple(sizes))
    unique, place = np.unique(joined, return_inverse=True)
    return Series(np.array(np.unravel_index(unique, tuple(sizes))), place, lead, leads)


def _shuffled(values: NDArray) -> bytes:
    """Return the first bytes of all values, then the second ones, and so on: they deflate better so."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return flat.view(np.uint8).reshape(flat.size, flat.itemsize).T.tobytes()


def _rounded(values: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Return values with so many bits of mantissa."""
    if bits == 23:
        return values
    dropped = 23 - bits
    whole = values.view(np.uint32).astype(np.uint64) + (1 << (dropped - 1))
    kept = ((whole >> dropped) << dropped).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(values), kept, np.float32(np.nan)).astype(np.float32)


def _column(table: pa.Table, name: str, kind: type) -> NDArray:
    return table[name].to_numpy().astype(kind)


def _of_parts(table: pa.Table, words: Words, columns: tuple[str, ...]) -> tuple[Codes, list[Codes], Codes]:
    """Return per row the part (truth, param), the codes of its keys, and its lead time."""
    part = _codes(table, "truth", words["truth"]) * len(words["param"]) + _codes(table, "param", words["param"])
    keys = [_codes(table, name, words["source" if name == "reference" else name]) for name in columns]
    return part, keys, _codes(table, "lead_time", words["lead_time"])


def _counts(series: Series, table: pa.Table, names: tuple[str, ...]) -> list[bytes]:
    return [_shuffled(series.spread(_column(table, name, np.uint32), 0)) for name in names]


def _distances(keys: Codes, values: NDArray, metrics: list[str]) -> NDArray:
    """Return what differences are taken of: |value − best value| of metrics that have one, else the value."""
    targets = [METRICS[name].target if name in METRICS else None for name in metrics]
    best = np.array([np.nan if one is None else one for one in targets], np.float32)[keys[0]][:, None]
    return np.where(np.isnan(best), values, np.abs(values - np.nan_to_num(best)))


def _compared(own: Series, scored: Series, distances: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two scores, as distances, that each difference is of; NaN where a score is not in the table."""
    sizes = tuple(int(max(a.max(initial=0), b.max(initial=0))) + 1 for a, b in zip(scored.keys, own.keys, strict=False))
    sizes = (*sizes[:-1], max(sizes[-1], int(own.keys[-1].max(initial=0)) + 1))
    known = np.ravel_multi_index(tuple(scored.keys), sizes)  # sorted: the keys of series are

    def of(keys: Codes) -> NDArray:
        wanted = np.ravel_multi_index(tuple(keys), sizes)
        place = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        return np.where((known[place] == wanted)[:, None], distances[place], np.nan).astype(np.float64)

    source = len(KEYS) - 1
    return of(own.keys[: source + 1]), of(np.concatenate([own.keys[:source], own.keys[source + 1 :]]))


def _residuals(given: NDArray, predicted: NDArray, rounding: NDArray) -> NDArray[np.float32]:
    """Return what values are besides those predicted: 0 where the rounding of scores explains it.

    Where nothing can be predicted it is the value itself.
    """
    rest = given - np.where(np.isfinite(predicted), predicted, 0)
    return np.where(np.abs(rest) <= rounding, 0, np.where(np.isnan(rest), np.nan, rest)).astype(np.float32)


def _differences(own: Series, table: pa.Table, scores: tuple[NDArray, NDArray], bits: int) -> list[bytes]:
    """Return differences, and the same in percent, as what the two scores do not say: 0 where they are of the same pairs.

    `bits` are those of the scores.
    """
    first, second = scores
    rounding = 2.0 ** (2 - bits) * np.maximum(np.abs(first), np.abs(second))
    given = own.spread(_column(table, "difference", np.float64), np.nan)
    relative = own.spread(_column(table, "relative", np.float64), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = 100 / np.abs(second)
        parts = [
            _residuals(given, first - second, rounding),
            _residuals(relative, given * percent, rounding * percent),
        ]
    return [_shuffled(part) for part in parts]


def _marks(spec: ReportSpec, table: pa.Table) -> NDArray[np.uint8]:
    """Return bits: 1 p is small, 2 q is small, 4 better, 8 worse, 16 compared pairwise alone."""
    better = pc.fill_null(pc.cast(table["better"], pa.int8()), -1).to_numpy()
    with np.errstate(invalid="ignore"):
        small = [
            _column(table, "p_value", float) < spec.level,
            _column(table, "q_value", float) < spec.false_discovery_rate,
        ]
    bits = small[0] * 1 + small[1] * 2 + (better == 1) * 4 + (better == 0) * 8 + _alone(table) * 16
    return bits.astype(np.uint8)


def _alone(table: pa.Table) -> NDArray[np.uint8]:
    """Return 1 for rows of a source with few init times: of what it shares with another one."""
    return _codes(table, "sample", ["common", "alone"]).clip(0).astype(np.uint8)


def _encode(parts: list[bytes]) -> str:
    return base64.b64encode(zlib.compress(b"".join(parts), 6)).decode("ascii")


def encode(spec: ReportSpec, scores: pa.Table, differences: pa.Table) -> tuple[dict, list[str]]:
    """Return what the page must know of the arrays, and the arrays of each truth and param.

    Scores are float32, of which BITS are kept. A difference is given as what it is besides the
    difference of these two scores.
    """
    words = find_words(spec, scores)
    leads = len(words["lead_time"])
    bits, half_bits = BITS[scores.num_rows > MANY]
    score_part, score_keys, score_lead = _of_parts(scores, words, KEYS)
    part, keys, lead = _of_parts(differences, words, (*KEYS, "reference"))
    usable = np.all([code >= 0 for code in (*keys, lead)], axis=0)
    heads, texts = [], []
    for number in np.unique(score_part):
        rows = np.flatnonzero(score_part == number)
        table = scores.take(rows)
        series = _series([one[rows] for one in score_keys], score_lead[rows], leads)
        values = _rounded(series.spread(_column(table, "value", np.float32), np.nan), bits)
        blocks = [_shuffled(series.keys.astype(np.uint16)), _shuffled(values)]
        blocks += _counts(series, table, ("n_inits", "n_days", "n_pairs"))
        blocks += [_shuffled(series.spread(_alone(table), 0))]

        rows = np.flatnonzero((part == number) & usable)
        table = differences.take(rows)
        own = _series([one[rows] for one in keys], lead[rows], leads)
        half = (_column(table, "upper", float) - _column(table, "lower", float)) / 2
        compared = _compared(own, series, _distances(series.keys, values, words["metric"]))
        blocks += [_shuffled(own.keys.astype(np.uint16)), *_differences(own, table, compared, bits)]
        blocks += [_shuffled(_rounded(own.spread(half.astype(np.float32), np.nan), half_bits))]
        blocks += [_shuffled(own.spread(_marks(spec, table), 0))]
        blocks += _counts(own, table, ("n_days",))

        truth, param = divmod(int(number), len(words["param"]))
        panels = np.unique(series.keys[:2], axis=1).T.tolist()
        counts = {"scores": series.keys.shape[1], "differences": own.keys.shape[1]}
        heads.append({"truth": truth, "param": param, "panels": panels, **counts})
        texts.append(_encode(blocks))
    references = [
        words["source"].index(one) for one in pc.unique(differences["reference"]).to_pylist() if one in words["source"]
    ]
    strata = np.unique([score_keys[KEYS.index(name)] for name in STRATA], axis=1).T.tolist()
    about = {"words": words, "digits": 5 if bits < 23 else 7, "parts": heads, "references": references}
    return about | {"strata": strata, "alone": _sources_alone(scores, score_keys[-1])}, texts


def _sources_alone(scores: pa.Table, source: Codes) -> list[int]:
    """Return the places of sources that have scores besides the common sample."""
    return np.unique(source[_alone(scores) == 1]).tolist()
