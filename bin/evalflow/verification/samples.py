"""The common sample: the init times and points on which all sources are compared.

A point that one source lacks at an init time and lead time is left out for all of them there. An
init time that one lacks at a lead time is left out there too, unless the source has so few of them
(`min_coverage`) that it would cut the others: then it is compared with the references alone, on
what it shares with each, and marked.
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
from evalflow.scores.sums import mask_digest
from evalflow.store.layout import init_time_name, init_time_of
from evalflow.verification.found import DomainFound
from evalflow.verification.map_files import Cell
from evalflow.verification.maps import blocks_lacking, common_cells
from evalflow.verification.opening import lead_times_of
from evalflow.verification.packs import Pack, Packs, make_packs
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.truth import minutes_of
from evalflow.verification.wanted import MaskDigests, Wanted

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


class Compared(Document):
    """Who is compared on what: a param at some lead times."""

    param: str = Field(description="The param.")
    lead_times: list[int] = Field(description="Lead times in minutes.")
    together: list[int] = Field(description="Numbers of the sources that are compared on the same init times.")
    alone: list[int] = Field([], description="Those with too few init times: each is compared with the references.")


class Samples(Document):
    """The common sample of one truth."""

    truth: int = Field(description="Number of the truth.")
    compared: list[Compared] = Field(description="Who is compared on which init times.")
    differing: dict[str, dict[str, dict[int, Differing]]] = Field(
        description="Init time → param → lead time in minutes → where points are left out."
    )
    maps: dict[str, dict[int, list[str]]] = Field(
        {}, description="Param → lead time in minutes → init times that score maps are of."
    )
    packs: list[Pack] = Field(description="What is to be computed again over the common points.")
    notes: list[str] = Field([], description="What was left out, a line each.")

    def common(self, source: int, name: str) -> MaskDigests:
        """Return (param, minutes) → digest of the common points, where a source has more."""
        return {
            (param, minutes): one.digest
            for param, leads in self.differing.get(name, {}).items()
            for minutes, one in leads.items()
            if source in one.more
        }

    def mapped(self, source: int, cell: Cell) -> set[str] | None:
        """Return the init times that a score map is of, or None where this source is in none."""
        param, minutes = cell
        for one in self.compared:
            if one.param == param and minutes in one.lead_times and source in one.together:
                return set(self.maps[param][minutes])
        return None


@dataclass(frozen=True)
class _Param:
    """The points of all fields of one param.

    Attributes
    ----------
    digests : of the masks, [sources, inits, leads]; 0 where there is no field with a point
    there : whether there is one
    """

    digests: NDArray[np.uint64]
    there: NDArray[np.bool_]

    @cached_property
    def coverage(self) -> NDArray[np.int64]:
        """Number of init times, [sources, leads]."""
        return self.there.sum(axis=1)

    def differing(self) -> NDArray[np.bool_]:
        """Return where the sources that have a field have other points, [inits, leads]."""
        most = np.iinfo(np.uint64).max
        return np.where(self.there, self.digests, most).min(axis=0) < np.where(self.there, self.digests, 0).max(axis=0)


class _Comparer:
    """Compares the samples of a truth's sources; looks at masks only where digests differ."""

    def __init__(self, spec: VerificationSpec, found: DomainFound) -> None:
        self.spec, self.found = spec, found
        wanted = Wanted(spec, found)
        self.statistics = [SourceStatistics(wanted, source) for source in spec.sources]
        self.inits = [init_time_of(name) for name in spec.init_times]
        leads = {minutes_of(lead) for source in spec.sources for lead in lead_times_of(source)}
        self.leads = sorted(leads)
        shape = len(spec.sources), len(self.inits), len(self.leads)
        self.params = {param: _Param(np.zeros(shape, np.uint64), np.zeros(shape, bool)) for param in found.params}
        for number in range(len(spec.sources)):
            self._note_digests(number)

    def _note_digests(self, number: int) -> None:
        places = {lead: place for place, lead in enumerate(self.leads)}
        for init, init_time in enumerate(self.inits):
            for sums in self.statistics[number].own_sample(init_time):
                for name, one in sums.params.items():
                    for lead, digest, count in zip(one.lead_times, one.digests, one.counts, strict=True):
                        place = number, init, places[minutes_of(lead)]
                        if count:
                            self.params[name].digests[place] = digest
                            self.params[name].there[place] = True

    def divide(self) -> list[Compared]:
        """Return who is compared on the same init times, and who has too few for that."""
        groups: dict[tuple[str, tuple[int, ...], tuple[int, ...]], list[int]] = {}
        for name, param in self.params.items():
            for place, lead in enumerate(self.leads):
                counts = param.coverage[:, place]
                enough = counts >= max(1, self.spec.comparing.min_coverage * counts.max(initial=0) - 1e-9)
                some = tuple(np.flatnonzero(enough).tolist()), tuple(np.flatnonzero((counts > 0) & ~enough).tolist())
                if some[0]:
                    groups.setdefault((name, *some), []).append(lead)
        return [
            Compared(param=name, lead_times=leads, together=list(together), alone=list(alone))
            for (name, together, alone), leads in groups.items()
        ]

    def differing(self) -> dict[str, dict[str, dict[int, Differing]]]:
        """Return where sources have other points than all have in common."""
        cells = {name: param.differing() for name, param in self.params.items()}
        found: dict[str, dict[str, dict[int, Differing]]] = {}
        for init, init_time in enumerate(self.inits):
            where = {
                (name, self.leads[place])
                for name, here in cells.items()
                for place in np.flatnonzero(here[init]).tolist()
            }
            if not where:
                continue
            masks = masks_of(self.statistics, init_time)
            of_init = found.setdefault(init_time_name(init_time), {})
            for name, lead in sorted(where):
                common = np.logical_and.reduce(list(masks[name, lead].values()))
                more = [number for number, mask in masks[name, lead].items() if (mask & ~common).any()]
                differing = Differing(f"{mask_digest(common):016x}", int(common.sum()), more)
                of_init.setdefault(name, {})[lead] = differing
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
            for name in samples.differing:
                common = samples.common(number, name)
                if common and statistics.lacks(init_time_of(name), common):
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


def common_masks(
    spec: VerificationSpec, found: DomainFound, samples: Samples, source: int
) -> Callable[[str], dict[tuple[str, int], NDArray[np.bool_]]]:
    """Return a function: name of an init time → a source's points, where others lack some.

    The function raises UserError where statistics were replaced since the samples were compared.
    """
    wanted = Wanted(spec, found)
    statistics = [SourceStatistics(wanted, one) for one in spec.sources]

    def masks_at(name: str) -> dict[tuple[str, int], NDArray[np.bool_]]:
        wanted, masks = samples.common(source, name), {}
        there = masks_of(statistics, init_time_of(name)) if wanted else {}
        for cell, digest in wanted.items():
            masks[cell] = np.logical_and.reduce(list(there.get(cell, {}).values()) or [np.zeros(found.points, bool)])
            if f"{mask_digest(masks[cell]):016x}" != digest:
                raise UserError(f"{cell[0]}: statistics were replaced while samples were compared; launch again")
        return masks

    return masks_at


def _missing_times(comparer: _Comparer, compared: list[Compared]) -> Iterator[str]:
    """Yield lines of init times that some sources lack."""
    for name, param in comparer.params.items():
        lacks: Counter[tuple[int, int, int, bool]] = Counter()
        for group in compared:
            for lead in group.lead_times if group.param == name else []:
                counts = param.coverage[:, comparer.leads.index(lead)]
                most = int(counts.max())
                for number in [*group.together, *group.alone]:
                    if counts[number] < most:
                        lacks[number, int(counts[number]), most, number in group.alone] += 1
        for (number, has, most, alone), leads in sorted(lacks.items()):
            then = "it is compared with the references alone" if alone else "those are left out for all"
            few = f", fewer than min_coverage {comparer.spec.comparing.min_coverage:g}" if alone else ""
            yield f"{name}: {comparer.name(number)} has {has} of {most} init times at {leads} lead times{few}; {then}"


def _other_points(comparer: _Comparer, samples: Samples) -> Iterator[str]:
    """Yield lines of init times and lead times at which sources have other points."""
    for init_time, params in samples.differing.items():
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
    samples = Samples(
        truth=found.truth,
        compared=compared,
        differing=comparer.differing(),
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
    return samples.model_copy(update={"packs": packs, "notes": notes})


def read_packs(text: str, name: str) -> tuple[list[Pack], Samples | None]:
    """Return the packs of a packs.json or of a samples.json, and with the latter the samples."""
    if '"differing"' not in text:
        return Packs.from_json(text, name).packs, None
    samples = Samples.from_json(text, name)
    return samples.packs, samples
