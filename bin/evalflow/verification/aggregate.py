"""From statistics to tables: scores per stratum, and differences, in the folder of results."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from evalflow import __version__
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.fields.params import param_named
from evalflow.fields.points.atoms import ALL
from evalflow.scores.aggregate import Block, Significance, aggregate
from evalflow.scores.names import Score, Threshold, parse_threshold
from evalflow.scores.series import Series, Wanted, gather
from evalflow.scores.strata import Case, Stratum, all_strata
from evalflow.scores.sums import Sums
from evalflow.scores.table import METRICS
from evalflow.store.files import to_json, write_over
from evalflow.store.layout import DIFFERENCES, SCORES, init_time_of, statistics_folder
from evalflow.verification import wanted as wanting
from evalflow.verification.aggregated import Aggregated
from evalflow.verification.arrays import write_arrays_file
from evalflow.verification.files import write_result
from evalflow.verification.found import DomainFound
from evalflow.verification.headline import find_headline
from evalflow.verification.holdings import list_statistics
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.samples import Compared, Samples, reference_numbers
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.tables import About, Tables, write_table
from evalflow.verification.without import merge_without

TABLES = (SCORES, DIFFERENCES, "scores.nc")
MADE_FROM = "verification.json"
"""In the folder of results: what the tables there were made from."""
VERSION = 2
"""Raise it when the same statistics would give other tables."""
_BYTES = 128_000_000
"""Memory for the sums of all sources; with more of them, params are read one after the other."""
_NOT_SHOWN = {"awaited", "unseen", "verify_store", "results", "store", "maps", "folders"}
"""Fields of the spec that no table depends on."""


def partner_of(number: int, numbers: Sequence[int]) -> int:
    """Return which of at most two sources the other one is; where there is none, it is itself."""
    return next((other for other in numbers if other != number), number)


@dataclass(frozen=True, eq=False)
class Verified:
    """One truth, with what was found of it and the common sample."""

    spec: VerificationSpec
    found: DomainFound
    samples: Samples

    @property
    def label(self) -> str:
        """Label of the truth."""
        return self.spec.truths[self.found.truth].label

    @cached_property
    def statistics(self) -> list[SourceStatistics]:
        """The statistics of each source."""
        wanted = wanting.Wanted(self.spec, self.found)
        return [SourceStatistics(wanted, source) for source in self.spec.sources]

    @property
    def case_regions(self) -> set[str]:
        """Regions that only cases are scored in."""
        return {case.region for case in self.spec.cases if case.region == f"case {case.name}"}

    def wanted(self, compared: Compared) -> Wanted:
        """Return the axes of the series of a param."""
        return self._axes([compared.param], compared.lead_times)

    def _axes(self, params: Sequence[str], minutes: Iterable[int]) -> Wanted:
        return Wanted(
            init_times=tuple(init_time_of(name) for name in sorted(self.spec.init_times)),
            lead_times=tuple(timedelta(minutes=one) for one in sorted(set(minutes))),
            regions=(ALL, *self.found.regions),
            thresholds={param: self.thresholds(param) for param in params},
            scales=tuple(self.found.scales),
        )

    def thresholds(self, param: str) -> list[Threshold]:
        """Return the thresholds of a param."""
        return [parse_threshold(text) for text in self.spec.thresholds.get(param, [])]

    def scores(self, param: str) -> list[Score]:
        """Return all scores of a param that its statistics allow."""
        with_climatology = any(source.reference for source in self.spec.sources)
        scores = []
        for metric in METRICS.values():
            if metric.categorical:
                scores += [Score(metric.name, threshold) for threshold in self.thresholds(param)]
            elif metric.group != "anomaly" or with_climatology:
                scores.append(Score(metric.name))
                scores += [Score(metric.name, scale=scale) for scale in self.found.scales if metric.at_scales]
        return scores

    def strata(self, wanted: Wanted) -> list[Stratum]:
        """Return what scores are computed of: all, seasons, hours, what is crossed, cases."""
        strata = all_strata(wanted.init_times, wanted.lead_times, self.spec.crossed)
        for case in self.spec.cases:
            start, end = datetime.fromisoformat(case.start), datetime.fromisoformat(case.end)
            if case.region in wanted.regions:
                strata.append(Stratum(case=Case(case.name, start, end, case.region)))
        return strata

    def series(self, compared: Compared, numbers: Sequence[int], *, alone: bool = False) -> dict[int, Series]:
        """Return number of a source → its sums, of those that have any.

        Parameters
        ----------
        alone : over the points that two sources share, or all of one; else over those that all share
        """
        leads, found = self.wanted(compared).lead_times, {}
        for number in numbers:
            one = self._series(number, compared.param, partner_of(number, numbers) if alone else None)
            if one is not None:
                found[number] = one.at_leads(leads)
        return found

    def _series(self, number: int, param: str, partner: int | None) -> Series | None:
        params = self._together(param)
        key = number, params[0], partner
        if key not in self._kept:
            for other in [one for one in self._kept if one[1] != params[0]]:
                del self._kept[other]
            leads = [one for compared in self.samples.compared for one in compared.lead_times]
            self._kept[key] = gather(self._sums(number, params, partner), params, self._axes(params, leads))
        return self._kept[key].get(param)

    @cached_property
    def _kept(self) -> dict[tuple[int, str, int | None], dict[str, Series]]:
        """Numbers of a source and its partner, the first of some params → series: files are opened once for them."""
        return {}

    def _together(self, param: str) -> list[str]:
        """Return the params that are read with one: as many as memory allows."""
        params, sources = self.found.params, len(self.spec.sources)
        leads = len({one for compared in self.samples.compared for one in compared.lead_times})
        events = max(len(self.thresholds(one)) for one in params)
        cells = len(self.spec.init_times) * leads * (1 + len(self.found.regions)) * sources
        many = max(1, _BYTES // (8 * cells * (14 + len(self.found.scales) + 5 * events)))
        first = params.index(param) // many * many
        return params[first : first + many]

    def _sums(self, number: int, params: list[str], partner: int | None) -> Iterator[Sums]:
        for name in self.spec.init_times:
            common = self.samples.common(number, name, partner)
            yield from self.statistics[number].sums(init_time_of(name), common, params)

    @cached_property
    def references(self) -> list[int]:
        """Numbers of the sources that differences are taken to."""
        return reference_numbers(self.spec)


class Aggregator:
    """Fills the tables of one truth.

    Attributes
    ----------
    days : the most days that a score is of
    """

    def __init__(self, truth: Verified, tables: Tables) -> None:
        self.truth, self.tables = truth, tables
        limits = truth.spec.significance
        self.significance = Significance(limits.level, limits.min_days)
        self.days = 0

    def add(self, compared: Compared) -> None:
        """Add the scores of one param at lead times at which the same sources are compared."""
        truth = self.truth
        together = truth.series(compared, compared.together)
        self._compare(together, scored=list(together), of=truth.references)
        there = {*compared.together, *compared.alone}
        for number in compared.alone:
            # Its scores are of what it shares with the first reference; where that is itself, of all it has.
            first = next((one for one in truth.references if one != number and one in there), number)
            of_two = truth.series(compared, sorted({number, first}), alone=True)
            self._compare(of_two, scored=[number], of=[], alone=True)
        for pair in compared.pairs(truth.references):
            of_two = truth.series(compared, pair, alone=True)
            self._compare(of_two, scored=[], of=[one for one in pair if one in truth.references], alone=True)

    def _compare(self, series: dict[int, Series], *, scored: list[int], of: list[int], alone: bool = False) -> None:
        """Add the scores of the sources `scored`, and the differences of all to those `of`."""
        if not series:
            return
        numbers, spec = list(series), self.truth.spec
        first = series[numbers[0]]
        about = About(
            sources=[(spec.sources[one].source_id, spec.sources[one].label, spec.sources[one].kind) for one in numbers],
            truth=self.truth.label,
            param=first.param,
            units=param_named(first.param).units,
            lead_times=np.array([lead.total_seconds() / 3600 for lead in first.wanted.lead_times]),
            scored=[numbers.index(one) for one in scored if one in numbers],
            sample="alone" if alone else "common",
        )
        blocks = aggregate(
            list(series.values()),
            self.truth.scores(first.param),
            self.truth.strata(first.wanted),
            references=[numbers.index(one) for one in of if one in numbers],
            significance=self.significance,
        )
        for block in blocks:
            self.days = max(self.days, int(block.days.max(initial=0)))
            self.tables.add(self._shown(block), about)

    def _shown(self, block: Block) -> Block:
        """Return a block without the regions of cases, unless it is a case's."""
        hidden = self.truth.case_regions
        shown = [place for place, name in enumerate(block.regions) if block.stratum.case or name not in hidden]
        return block if len(shown) == len(block.regions) else block.at_regions(shown)


def _made_from(truths: Sequence[Verified]) -> str:
    """Return a digest of all that the tables depend on."""
    parts: list = []
    for truth in truths:
        spec, found = truth.spec, truth.found
        for source in spec.sources:
            files = list_statistics(statistics_folder(spec.store, found.verif_id, source.source_id))
            parts.append({name: [path.name for path in files.get(name, [])] for name in spec.init_times})
        parts += [found.model_dump(mode="json"), truth.samples.model_dump(mode="json", exclude={"packs", "maps"})]
    parts.append(truths[0].spec.model_dump(mode="json", exclude=_NOT_SHOWN) if truths else {})
    return digest([VERSION, parts])


def _known(spec: VerificationSpec, made_from: str) -> Aggregated | None:
    """Return what the tables in the results are made from, if they are up to date."""
    path = spec.results / MADE_FROM
    try:
        known = Aggregated.from_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, UserError):
        return None
    whole = known.made_from == made_from and all((spec.results / name).exists() for name in TABLES)
    return known.model_copy(update={"computed": False}) if whole else None


def aggregate_experiment(spec: VerificationSpec, found: list[tuple[DomainFound, Samples]]) -> Aggregated:
    """Write the tables of an experiment to its folder of results, unless they are up to date.

    Parameters
    ----------
    found : the domain and the common sample of each truth
    """
    truths = [Verified(spec, domain, samples) for domain, samples in found]
    made_from = _made_from(truths)
    known = _known(spec, made_from)
    if known is not None:
        return known
    tables, days = Tables(), 0
    for truth in truths:
        aggregator = Aggregator(truth, tables)
        for compared in truth.samples.compared:
            aggregator.add(compared)
        days = max(days, aggregator.days)
    scores, differences = tables.finish()
    about = {"evalflow": __version__, "experiment_id": spec.experiment_id, "made_from": made_from}
    done = Aggregated(
        evalflow=__version__,
        made_from=made_from,
        tables=[str(spec.results / name) for name in TABLES],
        rows={TABLES[0]: scores.num_rows, TABLES[1]: differences.num_rows},
        headline=find_headline(scores),
        domains=[domain.table for domain, _ in found],
        notes=[
            line for domain, samples in found for line in (*domain.notes, domain.lapse_rate, *samples.notes) if line
        ],
        problems=[line for domain, _ in found for line in domain.problems],
        without=merge_without(samples.without for _, samples in found),
        days=days,
    )
    # First, what the tables were made from: of a launch that ends amid this, nobody takes them for
    # those of another.
    (spec.results / MADE_FROM).unlink(missing_ok=True)
    write_result(spec.results / TABLES[0], lambda path: write_table(scores, path, about))
    write_result(spec.results / TABLES[1], lambda path: write_table(differences, path, about))
    write_result(spec.results / TABLES[2], lambda path: write_arrays_file(scores, path, about))
    write_over(spec.results / MADE_FROM, to_json(done.model_dump(mode="json")))
    return done
