"""From statistics to tables: the scores of all sources per stratum, and their differences, in the folder of results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from evalflow import __version__
from evalflow.digests import digest
from evalflow.fields.params import param_named
from evalflow.fields.points.atoms import ALL
from evalflow.scores.aggregate import Significance, aggregate
from evalflow.scores.names import Score, Threshold, parse_threshold
from evalflow.scores.series import Series, Wanted, gather
from evalflow.scores.strata import Case, Stratum, all_strata
from evalflow.scores.table import METRICS
from evalflow.store.files import new_in_place_of, read_json, to_json, write_over
from evalflow.store.layout import init_time_of, statistics_folder
from evalflow.verification.aggregated import Aggregated
from evalflow.verification.arrays import write_arrays_file
from evalflow.verification.domain import DomainFound
from evalflow.verification.headline import find_headline
from evalflow.verification.holdings import list_statistics
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.samples import Samples
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.tables import About, Tables, write_table

TABLES = ("scores.parquet", "differences.parquet", "scores.nc")
MADE_FROM = "verification.json"
"""In the folder of results: what the tables there were made from."""
VERSION = 1
"""Raise it when the same statistics would give other tables."""


@dataclass(frozen=True, eq=False)
class _Truth:
    """One truth with what was found of it."""

    spec: VerificationSpec
    found: DomainFound
    samples: Samples

    @property
    def label(self) -> str:
        return self.spec.truths[self.found.truth].label

    def numbers(self, ids: list[str]) -> list[int]:
        """Return the numbers of sources."""
        places = {source.source_id: number for number, source in enumerate(self.spec.sources)}
        return [places[one] for one in ids]


def _thresholds(spec: VerificationSpec, param: str) -> list[Threshold]:
    return [parse_threshold(text) for text in spec.thresholds.get(param, [])]


def _scores(spec: VerificationSpec, found: DomainFound, param: str) -> list[Score]:
    """Return all scores of a param that its statistics allow."""
    with_climatology = any(source.reference for source in spec.sources)
    scores = []
    for metric in METRICS.values():
        if metric.categorical:
            scores += [Score(metric.name, threshold) for threshold in _thresholds(spec, param)]
        elif metric.group != "anomaly" or with_climatology:
            scores.append(Score(metric.name))
            scores += [Score(metric.name, scale=scale) for scale in found.scales if metric.at_scales]
    return scores


def _wanted(truth: _Truth, param: str, numbers: Sequence[int]) -> Wanted:
    spec = truth.spec
    hours = sorted({hours for number in numbers for hours in spec.sources[number].lead_times})
    return Wanted(
        init_times=tuple(init_time_of(name) for name in sorted(spec.init_times)),
        lead_times=tuple(timedelta(hours=one) for one in hours),
        regions=(ALL, *truth.found.regions),
        thresholds={param: _thresholds(spec, param)},
        scales=tuple(truth.found.scales),
    )


def _strata(truth: _Truth, wanted: Wanted) -> list[Stratum]:
    spec = truth.spec
    strata = all_strata(wanted.init_times, wanted.lead_times, spec.crossed)
    for case in spec.cases:
        start, end = datetime.fromisoformat(case.start), datetime.fromisoformat(case.end)
        if case.region in (ALL, *truth.found.regions):
            strata.append(Stratum(case=Case(case.name, start, end, case.region)))
    return strata


def _gather(truth: _Truth, param: str, number: int, wanted: Wanted) -> Series | None:
    source = truth.spec.sources[number]
    statistics = SourceStatistics(truth.spec, truth.found, source)
    return gather(statistics.sums(truth.samples.masks_of(number)), [param], wanted).get(param)


def _at_leads(series: Series, places: NDArray[np.intp]) -> Series:
    """Return a series of some lead times."""
    wanted = replace(series.wanted, lead_times=tuple(series.wanted.lead_times[place] for place in places))
    return replace(
        series,
        wanted=wanted,
        moments=series.moments[:, :, places],
        anomalies=series.anomalies[:, :, places],
        boxes={scale: values[:, places] for scale, values in series.boxes.items()},
        tables={threshold: values[:, :, places] for threshold, values in series.tables.items()},
    )


def _comparable(series: dict[int, Series]) -> Iterator[tuple[list[int], NDArray[np.intp]]]:
    """Yield sources and the lead times at which just these have data: one that ends early does not cut the others later."""
    have = {number: one.pairs[:, :, 0].any(axis=0) for number, one in series.items()}
    numbers = list(series)
    patterns = np.stack([have[number] for number in numbers])
    for pattern in np.unique(patterns.T, axis=0):
        if pattern.any():
            places = np.flatnonzero((pattern == patterns.T).all(axis=1))
            yield [number for number, there in zip(numbers, pattern, strict=True) if there], places


class _Aggregator:
    """Fills the tables of one truth."""

    def __init__(self, truth: _Truth, tables: Tables) -> None:
        self.truth, self.tables = truth, tables
        limits = truth.spec.significance
        self.significance = Significance(limits.level, limits.min_days)
        self.days = 0

    def add(self, param: str) -> None:
        """Add the scores of one param."""
        samples = self.truth.samples
        complete = self.truth.numbers(samples.complete.get(param, []))
        partial = self.truth.numbers(samples.partial.get(param, []))
        if not complete:
            return
        wanted = _wanted(self.truth, param, [*complete, *partial])
        found = {number: _gather(self.truth, param, number, wanted) for number in (*complete, *partial)}
        series = {number: one for number, one in found.items() if one is not None}
        scores = _scores(self.truth.spec, self.truth.found, param)
        for numbers, places in _comparable({number: series[number] for number in complete if number in series}):
            self._compare(
                param, numbers, numbers, {number: _at_leads(series[number], places) for number in numbers}, scores
            )
        self._add_partial(param, [number for number in partial if number in series], series, scores)

    def _references(self, numbers: list[int]) -> list[int]:
        wanted = self.truth.numbers(self.truth.spec.references)
        return [numbers.index(number) for number in wanted if number in numbers]

    def _add_partial(self, param: str, partial: list[int], series: dict[int, Series], scores: list[Score]) -> None:
        """Add sources with few init times, each on what it shares with the reference."""
        for number in partial:
            reference = next((one for one in self.truth.numbers(self.truth.spec.references) if one in series), number)
            pair = list(dict.fromkeys([number, reference]))
            for numbers, places in _comparable({one: series[one] for one in pair}):
                if number in numbers:
                    cut = {one: _at_leads(series[one], places) for one in numbers}
                    self._compare(param, numbers, [number], cut, scores)

    def _compare(
        self, param: str, numbers: list[int], rows: list[int], series: dict[int, Series], scores: list[Score]
    ) -> None:
        spec = self.truth.spec
        first = series[numbers[0]]
        about = About(
            sources=[(spec.sources[one].source_id, spec.sources[one].label, spec.sources[one].kind) for one in numbers],
            truth=self.truth.label,
            param=param,
            units=param_named(param).units,
            lead_times=np.array([lead.total_seconds() / 3600 for lead in first.wanted.lead_times]),
            rows=[numbers.index(row) for row in rows],
        )
        blocks = aggregate(
            [series[number] for number in numbers],
            scores,
            _strata(self.truth, first.wanted),
            references=self._references(numbers),
            significance=self.significance,
        )
        for block in blocks:
            self.days = max(self.days, int(block.days.max(initial=0)))
            self.tables.add(block, about)


def _made_from(truths: list[_Truth]) -> str:
    """Return a digest of all that the tables depend on."""
    parts: list[object] = []
    for truth in truths:
        spec, found = truth.spec, truth.found
        for source in spec.sources:
            files = list_statistics(statistics_folder(spec.store, found.verif_id, source.source_id))
            wanted = {name: [path.name for path in files.get(name, [])] for name in spec.init_times}
            parts.append([found.verif_id, source.source_id, source.label, wanted])
        parts += [found.to_json(), truth.samples.to_json()]
    left_out = {"awaited", "verify_store", "results", "store"}
    parts.append(truths[0].spec.model_dump(mode="json", exclude=left_out) if truths else {})
    return digest([VERSION, parts])


def aggregate_experiment(spec: VerificationSpec, found: list[tuple[DomainFound, Samples]]) -> Aggregated:
    """Write the tables of an experiment to its folder of results, where they are not what they would be already.

    Parameters
    ----------
    found : the domain and the common sample of each truth
    """
    truths = [_Truth(spec, domain, samples) for domain, samples in found]
    made_from = _made_from(truths)
    known = read_json(spec.results / MADE_FROM)
    if known and known.get("made_from") == made_from and all((spec.results / name).exists() for name in TABLES):
        return Aggregated(**known).model_copy(update={"computed": False})
    tables, days = Tables(), 0
    for truth in truths:
        aggregator = _Aggregator(truth, tables)
        for param in truth.found.params:
            aggregator.add(param)
        days = max(days, aggregator.days)
    scores, differences = tables.finish()
    about = {"evalflow": __version__, "experiment_id": spec.experiment_id, "made_from": made_from}
    with new_in_place_of(spec.results / TABLES[0]) as path:
        write_table(scores, path, about)
    with new_in_place_of(spec.results / TABLES[1]) as path:
        write_table(differences, path, about)
    with new_in_place_of(spec.results / TABLES[2]) as path:
        write_arrays_file(scores, path, about)
    done = Aggregated(
        evalflow=__version__,
        made_from=made_from,
        tables=[str(spec.results / name) for name in TABLES],
        rows={TABLES[0]: scores.num_rows, TABLES[1]: differences.num_rows},
        headline=find_headline(scores),
        domains=[domain.table for domain, _ in found],
        notes=[line for domain, samples in found for line in (*domain.notes, domain.lapse_rate, *samples.notes)],
        problems=[line for domain, _ in found for line in domain.problems],
        days=days,
    )
    write_over(spec.results / MADE_FROM, to_json(done.model_dump(mode="json")))
    return done
