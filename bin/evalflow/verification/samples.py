"""The common sample: the init times and points on which all sources are compared.

A point that one source lacks at an init time and lead time is left out for all of them there. An
init time that one lacks at a lead time is left out there too, unless the source has so few of them
(`min_coverage`) that it would cut the others. Such a source takes neither init times nor points
from them: it is compared with each reference alone, on what the two share, and marked.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evalflow.documents import Document
from evalflow.errors import UserError
from evalflow.reading.opening import lead_times_of
from evalflow.scores.sums import mask_digest
from evalflow.store.layout import init_time_name, init_time_of
from evalflow.verification.found import DomainFound
from evalflow.verification.map_files import Cell
from evalflow.verification.maps import blocks_lacking, common_cells
from evalflow.verification.packs import Pack, Packs, make_packs
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.truth import minutes_of
from evalflow.verification.wanted import MaskDigests, Wanted
from evalflow.verification.without import find_without

_MOST_LINES = 20


class Differing(NamedTuple):
    """Where the points of sources differ: the common ones, and which sources have more.

    Attributes
    ----------
    digest : of the mask of the common points, 16 hex digits
    """

    digest: str
    points: int
    more: list[int]


DifferingAt = dict[str, dict[str, dict[int, Differing]]]
"""Init time → param → lead time in minutes → where the points of some sources differ."""


class Compared(Document):
    """Who is compared on what: a param at some lead times."""

    param: str = Field(description="The param.")
    lead_times: list[int] = Field(description="Lead times in minutes.")
    together: list[int] = Field(description="Numbers of the sources that are compared on the same init times.")
    alone: list[int] = Field([], description="Those with too few init times: each is compared with the references.")

    def pairs(self, references: list[int]) -> list[tuple[int, int]]:
        """Return which two sources are compared beside the common sample, numbers rising.

        Each that is alone is compared with each reference; where it is one itself, all others are
        compared with it.
        """
        there = {*self.together, *self.alone}
        known = there & set(references)
        found: set[tuple[int, int]] = set()
        for number in self.alone:
            others = there if number in known else known
            found.update((min(number, other), max(number, other)) for other in others - {number})
        return sorted(found)


class Samples(Document):
    """The common sample of one truth."""

    truth: int = Field(description="Number of the truth.")
    compared: list[Compared] = Field(description="Who is compared on which init times.")
    differing: DifferingAt = Field(
        description="Init time → param → lead time in minutes → where points are left out for all."
    )
    pairs: dict[str, DifferingAt] = Field(
        {}, description="Numbers of two sources that are compared with each other alone, `0 2` → the same of these."
    )
    maps: dict[str, dict[int, list[str]]] = Field(
        {}, description="Param → lead time in minutes → init times that score maps are of."
    )
    packs: list[Pack] = Field(description="What is to be computed again over the common points.")
    without: dict[str, dict[str, str]] = Field(
        {}, description="source_id → init time → why there is nothing of a forecast, or what it lacks."
    )
    notes: list[str] = Field([], description="What was left out, a line each.")

    def common(self, source: int, name: str, partner: int | None = None) -> MaskDigests:
        """Return (param, minutes) → digest of the common points, where a source has more.

        Parameters
        ----------
        name : of an init time
        partner : number of the source that it is compared with alone; None: all others
        """
        differing = self.differing if partner is None else self.pairs.get(_pair_name((source, partner)), {})
        return _digests_of(differing, source, name)

    def wanted(self, source: int, name: str) -> list[tuple[str, MaskDigests]]:
        """Return over which points a source is summed up again at an init time, each once.

        With each is the pair that they are for; for the sample of all, that is an empty text.
        """
        found: list[tuple[str, MaskDigests]] = []
        for key, differing in {"": self.differing, **self.pairs}.items():
            digests = _digests_of(differing, source, name)
            if digests and digests not in [known for _, known in found]:
                found.append((key, digests))
        return found

    def members(self, pair: str) -> Callable[[tuple[str, int]], list[int]]:
        """Return a function: (param, minutes) → numbers of the sources of a pair, or of the sample of all."""
        together = {(one.param, lead): one.together for one in self.compared for lead in one.lead_times}
        return (lambda _: [int(number) for number in pair.split()]) if pair else together.__getitem__

    def mapped(self, source: int, cell: Cell) -> set[str] | None:
        """Return the init times that a score map is of, or None where this source is in none."""
        param, minutes = cell
        for one in self.compared:
            if one.param == param and minutes in one.lead_times and source in one.together:
                return set(self.maps[param][minutes])
        return None


def _pair_name(pair: tuple[int, int]) -> str:
    return f"{min(pair)} {max(pair)}"


def _digests_of(differing: DifferingAt, source: int, name: str) -> dict[tuple[str, int], str]:
    return {
        (param, minutes): one.digest
        for param, leads in differing.get(name, {}).items()
        for minutes, one in leads.items()
        if source in one.more
    }


def reference_numbers(spec: VerificationSpec) -> list[int]:
    """Return the numbers of the sources that differences are taken to."""
    places = {source.source_id: number for number, source in enumerate(spec.sources)}
    return [places[one] for one in spec.references]


@dataclass(frozen=True)
class _Param:
    """The points of all fields of one param.

    Attributes
    ----------
    digests : of the masks, [sources, inits, leads]; 0 where there is no field with a point
    there : whether there is one
    held : whether there is one, with a point or without
    """

    digests: NDArray[np.uint64]
    there: NDArray[np.bool_]
    held: NDArray[np.bool_]

    @cached_property
    def coverage(self) -> NDArray[np.int64]:
        """Number of init times, [sources, leads]."""
        return self.there.sum(axis=1)

    @cached_property
    def verified(self) -> NDArray[np.int64]:
        """Number of init times that any source has, [leads]."""
        return self.there.any(axis=0).sum(axis=0)

    def differing(self, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where those of some sources [sources, leads] that have a field have other points, [inits, leads]."""
        there, most = self.there & members[:, None], np.iinfo(np.uint64).max
        return np.where(there, self.digests, most).min(axis=0) < np.where(there, self.digests, 0).max(axis=0)


class _Comparer:
    """Compares the samples of a truth's sources; looks at masks only where digests differ."""

    def __init__(self, spec: VerificationSpec, found: DomainFound) -> None:
        self.spec, self.found, self.wanted = spec, found, Wanted(spec, found)
        self.statistics = [SourceStatistics(self.wanted, source) for source in spec.sources]
        self.inits = [init_time_of(name) for name in spec.init_times]
        leads = {minutes_of(lead) for source in spec.sources for lead in lead_times_of(source)}
        self.leads = sorted(leads)
        shape = len(spec.sources), len(self.inits), len(self.leads)
        self.params = {
            param: _Param(np.zeros(shape, np.uint64), np.zeros(shape, bool), np.zeros(shape, bool))
            for param in found.params
        }
        for number in range(len(spec.sources)):
            self._note_digests(number)

    def _note_digests(self, number: int) -> None:
        places = {lead: place for place, lead in enumerate(self.leads)}
        for init, init_time in enumerate(self.inits):
            for sums in self.statistics[number].own_sample(init_time):
                for name, one in sums.params.items():
                    for lead, digest, count in zip(one.lead_times, one.digests, one.counts, strict=True):
                        place = number, init, places[minutes_of(lead)]
                        self.params[name].held[place] = True
                        if count:
                            self.params[name].digests[place] = digest
                            self.params[name].there[place] = True

    def divide(self) -> list[Compared]:
        """Return who is compared on the same init times, and who has too few for that."""
        groups: dict[tuple[str, tuple[int, ...], tuple[int, ...]], list[int]] = {}
        for name, param in self.params.items():
            for place, lead in enumerate(self.leads):
                counts = param.coverage[:, place]
                enough = counts >= self.spec.comparing.min_coverage * param.verified[place] - 1e-9
                together, alone = np.flatnonzero((counts > 0) & enough), np.flatnonzero((counts > 0) & ~enough)
                if counts.any():
                    groups.setdefault((name, tuple(together.tolist()), tuple(alone.tolist())), []).append(lead)
        return [
            Compared(param=name, lead_times=leads, together=list(together), alone=list(alone))
            for (name, together, alone), leads in groups.items()
        ]

    def members(self, compared: list[Compared]) -> dict[str, dict[str, NDArray[np.bool_]]]:
        """Return pair (empty: all that are compared together) → param → its sources, [sources, leads]."""
        found: dict[str, dict[str, NDArray[np.bool_]]] = {"": {}}
        references, shape = reference_numbers(self.spec), (len(self.spec.sources), len(self.leads))
        for one in compared:
            places = [self.leads.index(lead) for lead in one.lead_times]
            for pair, numbers in [("", one.together), *((_pair_name(pair), pair) for pair in one.pairs(references))]:
                members = found.setdefault(pair, {}).setdefault(one.param, np.zeros(shape, bool))
                members[np.ix_(list(numbers), places)] = True
        return found

    def differing(self, compared: list[Compared]) -> dict[str, DifferingAt]:
        """Return pair (empty: all that are compared together) → where its sources have other points than those in common."""
        members = self.members(compared)
        cells = {
            (pair, name): self.params[name].differing(some)
            for pair, params in members.items()
            for name, some in params.items()
        }
        found: dict[str, DifferingAt] = {pair: {} for pair in members}
        for init, init_time in enumerate(self.inits):
            where = [(*key, place) for key, here in cells.items() for place in np.flatnonzero(here[init]).tolist()]
            masks = masks_of(self.statistics, init_time) if where else {}
            for pair, name, place in where:
                lead = self.leads[place]
                numbers = np.flatnonzero(members[pair][name][:, place]).tolist()
                some = {number: mask for number, mask in masks[name, lead].items() if number in numbers}
                common = np.logical_and.reduce(list(some.values()))
                more = [number for number, mask in some.items() if (mask & ~common).any()]
                of_param = found[pair].setdefault(init_time_name(init_time), {}).setdefault(name, {})
                of_param[lead] = Differing(f"{mask_digest(common):016x}", int(common.sum()), more)
        return found

    def maps(self, compared: list[Compared]) -> dict[str, dict[int, list[str]]]:
        """Return param → minutes → the init times that all sources have which are compared together."""
        maps = self.spec.maps
        wanted = {round(hours * 60) for hours in maps.lead_times} if maps else set()
        found: dict[str, dict[int, list[str]]] = {}
        for group in compared:
            for minutes in wanted & set(group.lead_times) if maps and group.param in maps.params else []:
                there = np.all(
                    self.params[group.param].there[group.together, :, self.leads.index(minutes)], axis=0
                ).tolist()
                names = [name for name, one in zip(self.spec.init_times, there, strict=True) if one]
                found.setdefault(group.param, {})[minutes] = names
        return found

    def blocks_lacking(self, samples: Samples) -> dict[int, list[str]]:
        """Return number of a source → blocks of which score maps lack sums over the common points."""
        found = {
            number: blocks_lacking(one, partial(common_cells, one, number=number, samples=samples))
            for number, one in enumerate(self.statistics)
        }
        return {number: blocks for number, blocks in found.items() if blocks}

    def lacking(self, samples: Samples) -> dict[int, list[str]]:
        """Return number of a source → init times that lack sums over the common points."""
        found: dict[int, list[str]] = {}
        for number, statistics in enumerate(self.statistics):
            for name in self.spec.init_times:
                wanted = [common for _, common in samples.wanted(number, name)]
                if any(statistics.lacks(init_time_of(name), common) for common in wanted):
                    found.setdefault(number, []).append(name)
        return found

    def name(self, number: int) -> str:
        """Return the label of a source."""
        return self.spec.sources[number].label


def masks_of(
    statistics: list[SourceStatistics], init_time: datetime
) -> dict[tuple[str, int], dict[int, NDArray[np.bool_]]]:
    """Return (param, minutes) → number of a source → its points, of fields that have any."""
    found: dict[tuple[str, int], dict[int, NDArray[np.bool_]]] = {}
    for number, one in enumerate(statistics):
        for sums in one.own_sample(init_time):
            for name, param in sums.params.items():
                for lead, count in zip(param.lead_times, param.counts, strict=True):
                    if count:
                        found.setdefault((name, minutes_of(lead)), {})[number] = sums.valid(name, lead)
    return found


def _missing_times(comparer: _Comparer, compared: list[Compared]) -> Iterator[str]:
    """Yield lines of init times that some sources lack."""
    for name, param in comparer.params.items():
        lacks: Counter[tuple[int, int, int, bool]] = Counter()
        for group in compared:
            for lead in group.lead_times if group.param == name else []:
                place = comparer.leads.index(lead)
                counts, most = param.coverage[:, place], int(param.verified[place])
                for number in [*group.together, *group.alone]:
                    if counts[number] < most:
                        lacks[number, int(counts[number]), most, number in group.alone] += 1
        for (number, has, most, alone), leads in sorted(lacks.items()):
            then = "it is compared with each reference alone" if alone else "those are left out for all"
            few = f", fewer than min_coverage {comparer.spec.comparing.min_coverage:g}" if alone else ""
            yield f"{name}: {comparer.name(number)} has {has} of {most} init times at {leads} lead times{few}; {then}"


def _other_points(comparer: _Comparer, samples: Samples) -> Iterator[str]:
    """Yield lines of init times and lead times at which sources that are compared have other points."""
    for differing in [samples.differing, *samples.pairs.values()]:
        for init_time, params in differing.items():
            for name, leads in params.items():
                for minutes, one in leads.items():
                    yield (
                        f"{name} {init_time} {timedelta(minutes=minutes) / timedelta(hours=1):g} h: {one.points:,} of "
                        f"{comparer.found.points:,} points are common; more have "
                        + ", ".join(comparer.name(number) for number in one.more)
                    )


def compare_samples(spec: VerificationSpec, found: DomainFound) -> Samples:
    """Return the common sample of a truth.

    Raises
    ------
    UserError
        With `common_sample: strict`, where sources have other init times or points: with the table
        of them.
    """
    if not found.points:
        return Samples(truth=found.truth, compared=[], differing={}, packs=[])
    comparer = _Comparer(spec, found)
    compared = comparer.divide()
    differing = comparer.differing(compared)
    together = differing.pop("")
    samples = Samples(
        truth=found.truth,
        compared=compared,
        differing=together,
        pairs=differing,
        maps=comparer.maps(compared),
        packs=[],
    )
    notes = list(_missing_times(comparer, compared))
    if spec.comparing.common_sample == "strict":
        lines = [*notes, *_other_points(comparer, samples)]
        if lines:
            more = [f"and {len(lines) - _MOST_LINES:,} more lines"] if len(lines) > _MOST_LINES else []
            head = "common_sample: strict: sources have other init times or points"
            raise UserError("\n".join([head, *lines[:_MOST_LINES], *more]))
    cells = sum(len(leads) for params in samples.differing.values() for leads in params.values())
    if cells:
        notes.append(
            f"at {cells:,} init and lead times of a param, some source lacks points: these points are left out for all"
        )
    packs = make_packs(spec, found.truth, comparer.lacking(samples), comparer.blocks_lacking(samples))
    notes += [
        f"{one.source.label}: {path} was damaged and is set aside; launch again to make it"
        for one in comparer.statistics
        for path in one.damaged
    ]
    without = find_without(comparer.wanted, {name: param.held for name, param in comparer.params.items()})
    return samples.model_copy(update={"packs": packs, "without": without, "notes": notes})


def read_packs(text: str, name: str) -> tuple[list[Pack], Samples | None]:
    """Return the packs of a packs.json or of a samples.json, and with the latter the samples."""
    if '"differing"' not in text:
        return Packs.from_json(text, name).packs, None
    samples = Samples.from_json(text, name)
    return samples.packs, samples
