"""Trace one number of scores.parquet to the statistics in the store that it is made of.

The number is made again by what made the tables, of the same files. Nothing in the store changes:
the domain is defined in a temporary folder, and a damaged file is named before anything would move
it out of the way.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalflow.errors import UserError
from evalflow.reading.opening import find_sealed
from evalflow.scores.aggregate import Block, aggregate
from evalflow.scores.names import Score, parse_threshold
from evalflow.scores.series import Series, Wanted
from evalflow.scores.stored import read_sums
from evalflow.scores.strata import Stratum
from evalflow.scores.sums import Sums
from evalflow.scores.table import GROUPS, METRICS, Metric
from evalflow.store.layout import comparison_folder, init_time_of, statistics_folder
from evalflow.texts import show
from evalflow.verification.aggregate import TABLES, Aggregator, Verified, partner_of
from evalflow.verification.domain import define_domain
from evalflow.verification.holdings import HOLDING, Holding, list_statistics, statistics_name
from evalflow.verification.samples import Compared, compare_samples
from evalflow.verification.spec import SourceEntry, TruthEntry, VerificationSpec
from evalflow.verification.tables import About, Tables
from evalflow.verification.truth import minutes_of

_CLOSE = 1e-9
"""Relative difference of two computers that add in another order, and far below any change."""
_CLOSE_HOURS = 1e-3
_DEFAULTS: dict[str, Any] = {"case": None, "region": "all", "season": "all", "init_hour": "all", "valid_hour": "all"}
_ORDER = ("param", "metric", "truth", "source", "lead_time", "threshold", "scale", *_DEFAULTS)
"""Keys in the order in which a row is looked for: what a line says there is, is of those before."""


@dataclass(frozen=True)
class Part:
    """What one init time gives to a number.

    Attributes
    ----------
    value : the score of this init time alone; NaN where that is undefined
    sums : name → mean sum of this init time
    pairs : number of pairs of forecast and truth
    files : its statistics
    forecast : where the forecast is, or what it is made of
    """

    init_time: datetime
    value: float
    sums: dict[str, float]
    pairs: int
    files: list[Path]
    forecast: str


@dataclass(frozen=True)
class Number:
    """A score, and what it is of."""

    value: float
    inits: int
    days: int
    pairs: int

    def same_as(self, other: "Number") -> bool:
        """Return whether both are one number, but for rounding, of the same init times."""
        undefined = math.isnan(self.value) and math.isnan(other.value)
        close = undefined or math.isclose(self.value, other.value, rel_tol=_CLOSE)
        return close and (self.inits, self.days, self.pairs) == (other.inits, other.days, other.pairs)

    def __str__(self) -> str:
        """Return it as text."""
        value = "undefined" if math.isnan(self.value) else f"{self.value:.12g}"
        return f"{value} (n_inits {self.inits}, n_days {self.days}, n_pairs {self.pairs})"


@dataclass(frozen=True)
class Explained:
    """What a number of scores.parquet is made of.

    Attributes
    ----------
    row : of the table
    stored : the number there
    recomputed : the number that the statistics give now; None: they give none
    sums : name → mean sum that the formula takes
    compared : labels of the sources whose common sample it is on
    parts : what each init time gives
    """

    row: dict[str, Any]
    metric: Metric
    truth: TruthEntry
    stored: Number
    recomputed: Number | None = None
    sums: dict[str, float] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def check(self) -> None:
        """Raise UserError where the statistics do not give the number of the table."""
        if self.recomputed is None or not self.recomputed.same_as(self.stored):
            raise UserError(
                f"{TABLES[0]}: {name_of(self.row)} is {self.stored} there, and the statistics in the store give "
                f"{self.recomputed or 'nothing for it'}: files changed since; launch again"
            )


def name_of(row: dict[str, Any]) -> str:
    """Return what a row is called: `T_2M RMSE of tinycast at 12 h`."""
    scale = f" at {row['scale']:g} km" if row["scale"] else ""
    threshold = f" {row['threshold']}" if row["threshold"] else ""
    return f"{row['param']}{threshold} {row['metric']}{scale} of {row['label']} at {row['lead_time']:g} h"


def find_row(results: Path, keys: dict[str, Any]) -> dict[str, Any]:
    """Return the row of scores.parquet that keys name; keys that are None are not given.

    Where a key is not given, it is that of all pairs at the grid, or the only one that there is.

    Raises
    ------
    UserError
        Where there is no such row or more than one: with what there is.
    """
    path = results / TABLES[0]
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name the folder of results of an experiment with scores") from None
    except pa.ArrowException as error:
        raise UserError(f"{path}: cannot be read as Parquet ({error}); launch again") from None
    keys = {**keys, "threshold": keys.get("threshold") and parse_threshold(keys["threshold"]).text}
    for key in _ORDER:
        table = _narrow(table, key, keys.get(key))
    if table.num_rows != 1:
        raise UserError(f"{path}: {table.num_rows} rows have these keys; launch again")
    return table.to_pylist()[0]


def _narrow(table: pa.Table, key: str, given: Any) -> pa.Table:
    """Return the rows with a key."""
    if key == "source":
        return _of_source(table, given)
    column = table.column(key)
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    there = column.unique().to_pylist()
    if key in ("lead_time", "scale") and given is not None:
        close = [one for one in there if abs(one - given) < _CLOSE_HOURS]
        chosen = close[0] if close else given
    else:
        chosen = given if given is not None else _default(key, there)
    if chosen not in there:
        raise UserError(f"{key} {show(chosen)}: there is no such score; there is {_listed(there)}")
    return table.filter(pc.is_null(column) if chosen is None else pc.equal(column, chosen))


def _default(key: str, there: list) -> Any:
    """Return what a key is that nobody has given."""
    default = {**_DEFAULTS, "scale": 0.0}.get(key, there[0])
    if len(there) == 1:
        return there[0]
    if default in there and (key in _DEFAULTS or key == "scale"):
        return default
    raise UserError(f"{key}: name one of {_listed(there)} with --{key}")


def _of_source(table: pa.Table, given: str | None) -> pa.Table:
    """Return the rows of a source, which is given by its label or its id."""
    source, label = (table.column(key).cast(pa.string()) for key in ("source", "label"))
    labels = dict(zip(source.to_pylist(), label.to_pylist(), strict=True))
    if given is None and len(labels) > 1:
        raise UserError(f"source: name one of {_listed(labels.values())} with --source")
    ids = [key for key, one in labels.items() if given in (None, key, one)]
    if not ids:
        raise UserError(f"source {show(given)}: there is no such score; there is {_listed(labels.values())}")
    if len(ids) > 1 and given not in ids:
        raise UserError(f"source {show(given)}: {len(ids)} sources have this label; name one of {_listed(ids)}")
    return table.filter(pc.equal(source, given if given in ids else ids[0]))


def _listed(values: Iterable[Any]) -> str:
    known = sorted({value for value in values if value is not None})
    return (
        "; ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in known)
        or "only that without one"
    )


@dataclass(frozen=True, eq=False)
class _Traced(Verified):
    """A truth of which one row is scored."""

    row: dict[str, Any] = field(default_factory=dict)

    def scores(self, param: str) -> list[Score]:
        row = self.row
        return [
            one
            for one in super().scores(param)
            if (one.metric, one.scale, one.threshold.text if one.threshold else None)
            == (row["metric"], row["scale"], row["threshold"])
        ]

    def strata(self, wanted: Wanted) -> list[Stratum]:
        row, keys = self.row, ("season", "init_hour", "valid_hour")
        return [
            one
            for one in super().strata(wanted)
            if all(getattr(one, key) == row[key] for key in keys)
            and (one.case.name if one.case else None) == row["case"]
        ]


class _Sink(Tables):
    """Keeps the block that a source's scores are from, in place of a table."""

    def __init__(self, source_id: str) -> None:
        super().__init__()
        self.source_id = source_id
        self.found: tuple[Block, About] | None = None

    def add(self, block: Block, about: About) -> None:
        if self.source_id in [about.sources[place][0] for place in about.scored]:
            self.found = block, about


def explain_score(spec: VerificationSpec, results: Path, keys: dict[str, Any]) -> Explained:
    """Return what a number of scores.parquet is made of; see `find_row` for the keys.

    Raises
    ------
    UserError
        Where there is no such number, or its truth or statistics are gone or damaged.
    """
    row = find_row(results, keys)
    number = next((place for place, one in enumerate(spec.truths) if one.label == row["truth"]), None)
    source = next((place for place, one in enumerate(spec.sources) if one.source_id == row["source"]), None)
    if number is None or source is None:
        raise UserError(f"{results}: its plan.json is of a launch without {name_of(row)}; launch again")
    truth = _trace(spec, number, row)
    sink = _Sink(row["source"])
    for compared in truth.samples.compared:
        if compared.param == row["param"] and _minutes(row) in compared.lead_times:
            Aggregator(truth, sink).add(compared)
            break
    stored = Number(math.nan if row["value"] is None else row["value"], row["n_inits"], row["n_days"], row["n_pairs"])
    made = Explained(row, METRICS[row["metric"]], spec.truths[number], stored)
    return made if sink.found is None else _filled(made, truth, (source, compared), sink.found)


def _minutes(row: dict[str, Any]) -> int:
    return minutes_of(timedelta(hours=row["lead_time"]))


def _trace(spec: VerificationSpec, number: int, row: dict[str, Any]) -> _Traced:
    """Return the truth of a row, with its domain and common sample as they are now."""
    with TemporaryDirectory() as folder:
        found = define_domain(spec.model_copy(update={"store": Path(folder)}), number)
    kept = comparison_folder(spec.store, found.verif_id)
    if not kept.is_dir():
        raise UserError(
            f"{kept}: there is no such comparison, which truth, sources and settings as they are now would have; "
            "launch again"
        )
    for source in spec.sources:
        files = list_statistics(statistics_folder(spec.store, found.verif_id, source.source_id))
        for name in spec.init_times:
            for path in files.get(name, []):
                _check_file(path)
    return _Traced(spec, found, compare_samples(spec, found), row=row)


def _check_file(path: Path) -> None:
    """Raise UserError where a file of statistics is damaged or another than its name says."""
    sums = read_sums(path)
    holding = Holding.from_json(sums.attributes.get(HOLDING, ""), str(path))
    if statistics_name(sums.init_time, holding) != path.name:
        raise UserError(f"{path}: holds something else than its name says; remove it, and it is made again")


def _filled(made: Explained, truth: _Traced, scored: tuple[int, Compared], found: tuple[Block, About]) -> Explained:
    """Return the explanation with what a block of scores says.

    Parameters
    ----------
    scored : number of the source, and who is compared with it
    """
    row, (block, about), (source, compared) = made.row, found, scored
    numbers = {one.source_id: place for place, one in enumerate(truth.spec.sources)}
    shared = [numbers[source_id] for source_id, _, _ in about.sources]
    place = shared.index(source)
    lead = int(np.argmin(np.abs(about.lead_times - row["lead_time"])))
    if row["region"] not in block.regions:
        return made
    region = block.regions.index(row["region"])
    number, sums = _number_in(block, made.metric, (place, lead, region))
    alone = about.sample == "alone"
    series = [_cut(one, lead, row["region"]) for one in truth.series(compared, shared, alone=alone).values()]
    files = _files_of(truth, source, row, partner_of(source, shared) if alone else None)
    parts = [
        Part(
            init_time, one.value, of_init, one.pairs, files(init_time), _forecast(truth.spec.sources[source], init_time)
        )
        for init_time, one, of_init in _each_init(series, block, made.metric, place)
    ]
    made = replace(made, recomputed=number, sums=sums, parts=parts if number.inits else [])
    return replace(made, compared=[label for _, label, _ in about.sources])


def _number_in(block: Block, metric: Metric, at: tuple[int, int, int]) -> tuple[Number, dict[str, float]]:
    """Return a score of a block of one, and its mean sums; at: source, lead, region."""
    place, lead, region = at
    inits, days = (int(count[lead, region]) for count in (block.inits, block.days))
    number = Number(float(block.value[place, 0, lead, region]), inits, days, int(block.pairs[place, lead, region]))
    names = ("dd",) if block.scores[0].scale else GROUPS[metric.group]
    means = block.means[place, :, lead, region]
    return number, {name: float(means[names.index(name)]) for name in metric.needs}


def _cut(series: Series, lead: int, region: str) -> Series:
    """Return a series at one lead time and region."""
    wanted, place = series.wanted, series.wanted.regions.index(region)

    def cut(values: np.ndarray) -> np.ndarray:
        return values[..., lead : lead + 1, place : place + 1]

    return replace(
        series,
        wanted=replace(wanted, lead_times=(wanted.lead_times[lead],), regions=(region,)),
        moments=cut(series.moments),
        anomalies=cut(series.anomalies),
        boxes={scale: cut(values) for scale, values in series.boxes.items()},
        tables={threshold: cut(values) for threshold, values in series.tables.items()},
    )


def _each_init(
    series: list[Series], block: Block, metric: Metric, place: int
) -> Iterable[tuple[datetime, Number, dict[str, float]]]:
    """Yield each init time that counts, with its score and its mean sums.

    Parameters
    ----------
    series : of all sources on the common sample, at one lead time and region
    place : of the source among them
    """
    for init, init_time in enumerate(series[0].wanted.init_times):
        use = np.zeros((len(series[0].wanted.init_times), 1), bool)
        use[init] = True
        for one in aggregate(series, block.scores, [block.stratum], use=use):
            yield init_time, *_number_in(one, metric, (place, 0, 0))


def _files_of(
    truth: _Traced, source: int, row: dict[str, Any], partner: int | None
) -> Callable[[datetime], list[Path]]:
    """Return a function: init time → the files of statistics that a row of a source is of."""
    names = {init_time_of(name): name for name in truth.spec.init_times}
    threshold = parse_threshold(row["threshold"]).value if row["threshold"] else None

    def holds(sums: Sums) -> bool:
        one = sums.params.get(row["param"])
        return (
            one is not None
            and _minutes(row) in map(minutes_of, one.lead_times)
            and (threshold is None or any(math.isclose(threshold, value, rel_tol=_CLOSE) for value in one.values))
            and (not row["scale"] or row["scale"] in one.boxes)
        )

    def files(init_time: datetime) -> list[Path]:
        common = truth.samples.common(source, names[init_time], partner)
        read = truth.statistics[source].files(init_time, common, [row["param"]])
        return [path for path, sums in read if holds(sums)]

    return files


def _forecast(source: SourceEntry, init_time: datetime) -> str:
    """Return where a forecast is, or what it is made of."""
    if source.builtin:
        return f"{source.builtin}: made of the truth"
    if source.kind == "run":
        found = find_sealed(source, init_time)
        return f"{source.root}: no whole forecast now" if found is None else str(found[0])
    return str(Path(source.root or "") / init_time.strftime(source.pattern or ""))
