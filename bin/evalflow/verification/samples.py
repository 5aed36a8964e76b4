"""The common sample: which init times and points count, so that all sources are compared on the same.

A point that one source lacks at an init time and lead time is left out for all of them there. An init time that one lacks is
left out too, unless the source has so few of them (`min_coverage`) that it would cut the others: then it is compared alone with
the reference, on what it shares with it, and marked.
"""

import base64
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from pydantic import Field

from evalflow.documents import Document
from evalflow.errors import UserError
from evalflow.scores.sums import mask_digest
from evalflow.store.layout import init_time_name, init_time_of
from evalflow.verification.domain import DomainFound
from evalflow.verification.packs import Pack, make_packs
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.spec import VerificationSpec

Cell = tuple[str, str, float]
"""Init time (name), param, lead time in hours."""
_MOST_LINES = 20


class Differing(Document):
    """What differs between sources at one init time and lead time of one param."""

    init_time: str = Field(description="`YYYYmmddHHMM`, UTC.")
    param: str = Field(description="The param.")
    lead_time: float = Field(description="Hours.")
    mask: int = Field(description="Number of the mask of points that all sources have, in masks.npz.")
    digest: str = Field(description="Digest of this mask.")
    points: int = Field(description="How many points that are.")
    sources: list[int] = Field(description="Numbers of the sources that have more points.")


class Samples(Document):
    """The common sample of one truth."""

    truth: int = Field(description="Number of the truth.")
    complete: dict[str, list[str]] = Field(description="Param → source_ids that are compared together.")
    partial: dict[str, list[str]] = Field(description="Param → source_ids that are compared with the reference alone.")
    differing: list[Differing] = Field(description="Where points are left out.")
    packs: list[Pack] = Field(description="What is to be computed again over the common points.")
    points: int = Field(description="Number of points of the domain.")
    masks: list[str] = Field(description="Masks of points, one bit each, compressed (zlib) and as base64.")
    notes: list[str] = Field([], description="What was left out, a line each.")

    def masks_of(self, source: int) -> dict[datetime, dict[tuple[str, float], str]]:
        """Return init time → (param, hours) → digest of the common mask, where a source has more points than that."""
        found: dict[datetime, dict[tuple[str, float], str]] = {}
        for one in self.differing:
            if source in one.sources:
                found.setdefault(init_time_of(one.init_time), {})[one.param, one.lead_time] = one.digest
        return found

    def masks_at(self, source: int, name: str) -> dict[tuple[str, float], np.ndarray]:
        """Return (param, hours) → points that count for a source at an init time, where it has more than all have."""
        return {
            (one.param, one.lead_time): self._mask(one.mask)
            for one in self.differing
            if one.init_time == name and source in one.sources
        }

    def _mask(self, number: int) -> np.ndarray:
        packed = np.frombuffer(zlib.decompress(base64.b64decode(self.masks[number])), np.uint8)
        return np.unpackbits(packed, count=self.points).astype(bool)


@dataclass
class _Masks:
    """Masks of points, each once, by digest."""

    packed: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, valid: np.ndarray) -> tuple[int, str]:
        digest = f"{mask_digest(valid):016x}"
        self.packed.setdefault(digest, np.packbits(valid))
        return list(self.packed).index(digest), digest


class _Comparer:
    """Compares the samples of the sources of one truth. Files are read once; masks only where digests differ."""

    def __init__(self, spec: VerificationSpec, found: DomainFound) -> None:
        self.spec, self.found = spec, found
        self.statistics = [SourceStatistics(spec, found, source) for source in spec.sources]
        self.masks = _Masks()
        self.differing: list[Differing] = []
        self.digests: dict[Cell, dict[int, int]] = {}
        for number, statistics in enumerate(self.statistics):
            if found.sources[statistics.source.source_id].params:
                self._note_digests(number, statistics)

    def _note_digests(self, number: int, statistics: SourceStatistics) -> None:
        """Note the digests of the points of all fields of a source that have any."""
        known = set(self.found.sources[statistics.source.source_id].params)
        for name in self.spec.init_times:
            for one in statistics.held(init_time_of(name)):
                for param in known & one.sums.params.keys():
                    held = one.sums.params[param]
                    for lead_time, digest, count in zip(held.lead_times, held.digests, held.counts, strict=True):
                        if count:
                            cell = (name, param, lead_time.total_seconds() / 3600)
                            self.digests.setdefault(cell, {})[number] = digest

    def coverage(self) -> dict[str, dict[int, set[str]]]:
        """Return param → number of a source → init times of which it has pairs."""
        found: dict[str, dict[int, set[str]]] = {param: {} for param in self.found.params}
        for (name, param, _), numbers in self.digests.items():
            for number in numbers:
                found[param].setdefault(number, set()).add(name)
        return found

    def compare(self, complete: dict[str, list[int]]) -> None:
        """Find where sources have other points than those that are compared together have in common."""
        for cell, digests in sorted(self.digests.items()):
            together = [number for number in complete[cell[1]] if number in digests]
            if together and len(set(digests.values())) > 1:
                self._compare_cell(cell, together)

    def _compare_cell(self, cell: Cell, together: list[int]) -> None:
        name, param, hours = cell
        valid = {number: self._valid(number, cell) for number in self.digests[cell]}
        common = np.logical_and.reduce([valid[number] for number in together])
        more = [number for number, mask in valid.items() if (mask & ~common).any()]
        if more:
            place, digest = self.masks.add(common)
            about = {"init_time": name, "param": param, "lead_time": hours, "mask": place, "digest": digest}
            self.differing.append(Differing(**about, points=int(common.sum()), sources=more))

    def lacking(self, samples: Samples) -> dict[int, list[str]]:
        """Return number of a source → init times of which the store lacks the sums over the common points."""
        found: dict[int, list[str]] = {}
        for number, statistics in enumerate(self.statistics):
            for init_time, masks in samples.masks_of(number).items():
                if statistics.lacks(init_time, masks):
                    found.setdefault(number, []).append(init_time_name(init_time))
        return found

    def _valid(self, number: int, cell: Cell) -> np.ndarray:
        name, param, hours = cell
        lead_time = timedelta(hours=hours)
        for one in self.statistics[number].held(init_time_of(name)):
            if param in one.sums.params and lead_time in one.sums.params[param].lead_times:
                return one.sums.valid(param, lead_time)
        raise UserError(f"statistics of {self.spec.sources[number].label} {name} were changed meanwhile; launch again")


def _divide(
    spec: VerificationSpec, coverage: dict[str, dict[int, set[str]]], notes: list[str]
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return which sources are compared together, and which have too few init times for that."""
    complete: dict[str, list[int]] = {}
    partial: dict[str, list[int]] = {}
    for param, times in coverage.items():
        most = max((len(some) for some in times.values()), default=0)
        enough = {number for number, some in times.items() if len(some) >= spec.comparing.min_coverage * most}
        complete[param] = sorted(enough)
        partial[param] = sorted(set(times) - enough)
        for number in partial[param]:
            notes.append(
                f"{param}: {spec.sources[number].label} has {len(times[number])} of {most} init times, fewer than "
                f"min_coverage {spec.comparing.min_coverage:g}; it is compared with the reference alone"
            )
    return complete, partial


def _describe(spec: VerificationSpec, differing: list[Differing], points: int) -> list[str]:
    lines = [
        f"{one.param} {one.init_time} {one.lead_time:g} h: {one.points:,} of {points:,} points are common; more have "
        + ", ".join(spec.sources[number].label for number in one.sources)
        for one in differing[:_MOST_LINES]
    ]
    more = len(differing) - len(lines)
    return [*lines, f"and {more} more"] if more > 0 else lines


def compare_samples(spec: VerificationSpec, found: DomainFound) -> Samples:
    """Return the common sample of a truth.

    Raises
    ------
    UserError
        With `common_sample: strict`, where sources have other points: with the table of them.
    """
    comparer = _Comparer(spec, found)
    notes: list[str] = []
    complete, partial = _divide(spec, comparer.coverage(), notes)
    comparer.compare(complete)
    differing = comparer.differing
    if differing and spec.comparing.common_sample == "strict":
        raise UserError(
            "\n".join(
                [
                    f"common_sample: strict: sources have other points in {len(differing):,} cells",
                    *_describe(spec, differing, found.points),
                ]
            )
        )
    if differing:
        notes.append(
            f"{len(differing):,} cells of init time, param and lead time lack points in some source: these points are left "
            "out for all"
        )
    ids = {number: source.source_id for number, source in enumerate(spec.sources)}
    samples = Samples(
        truth=found.truth,
        complete={param: [ids[number] for number in some] for param, some in complete.items()},
        partial={param: [ids[number] for number in some] for param, some in partial.items()},
        differing=differing,
        packs=[],
        points=found.points,
        masks=[base64.b64encode(zlib.compress(one.tobytes())).decode() for one in comparer.masks.packed.values()],
        notes=notes,
    )
    return samples.model_copy(update={"packs": make_packs(spec, found.truth, comparer.lacking(samples))})
