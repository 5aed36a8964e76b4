"""What a truth and the first forecasts of each source show: points, params, mapping."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from evalflow.errors import UserError
from evalflow.fields.derived import DerivedArchive
from evalflow.fields.grids import Grid
from evalflow.fields.members import OneMember
from evalflow.fields.open import open_truth
from evalflow.fields.points.domain import regular_grid
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.points.neighbours import find_mapping
from evalflow.fields.specs import TruthSpec
from evalflow.reading.opening import has_lead_times, has_param, lead_times_of
from evalflow.verification.opening import Forecasts, init_times_of, truth_spec
from evalflow.verification.spec import ComparingSpec, SourceEntry, TruthEntry, VerificationSpec

LOOKED_INTO = 3
"""Forecasts of a source that are looked into for its params: the first one may lack some."""


@dataclass
class Said:
    """What there is to say: what was left out, and what the config names and what cannot be had."""

    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Seen:
    """A source as its first forecasts show it: points, params, mapping; `name` is for people."""

    name: str
    source: SourceEntry
    grid: Grid | None
    params: frozenset[str]
    mapping: Mapping | None


@dataclass(frozen=True, eq=False)
class SeenTruth:
    """A truth.

    Attributes
    ----------
    archive, opened_with : its reader, and what that was opened with
    params : those that are wanted and that it has
    grid : its points
    target : the points at which forecasts meet it
    to_target : how these are filled from it
    said : what there is to say, here and in what follows
    """

    spec: VerificationSpec
    entry: TruthEntry
    opened_with: TruthSpec
    archive: DerivedArchive
    params: list[str]
    grid: Grid
    target: Grid
    to_target: Mapping
    said: Said

    def leave_out(self, param: str, line: str) -> None:
        """Say that a param is left out: a problem where the config names it, else a note."""
        (self.said.problems if param in self.spec.named_params else self.said.notes).append(line)

    def lacking_times(self) -> list[str]:
        """Return a line on params of which the truth lacks valid times of the forecasts."""
        leads = {lead for one in self.spec.sources for lead in lead_times_of(one)}
        pairs = Counter(init + lead for init in init_times_of(self.spec.init_times) for lead in leads)
        lacks: dict[tuple[datetime, ...], list[str]] = {}
        for param in self.params:
            there = self.archive.valid_times(param)
            if there is not None and (gone := sorted(set(pairs) - set(there))):
                lacks.setdefault(tuple(gone), []).append(param)
        return [
            f"truth {self.entry.label}: has no {', '.join(params)} at {len(gone)} of {len(pairs)} valid times, the first "
            f"{gone[0]:%Y-%m-%dT%H:%M} and the last {gone[-1]:%Y-%m-%dT%H:%M}: {sum(pairs[time] for time in gone)} pairs of "
            "init and lead time are missing"
            for gone, params in lacks.items()
        ]


def mapping_options(comparing: ComparingSpec) -> dict[str, Any]:
    """Return what `find_mapping` is told of a config."""
    distance = None if comparing.max_distance == "none" else comparing.max_distance
    return {"method": comparing.mapping, "max_distance": distance}


def see_truth(spec: VerificationSpec, number: int) -> SeenTruth:
    """Return what a truth shows.

    Raises
    ------
    UserError
        Where it cannot be read or has none of the params.
    """
    entry = spec.truths[number]
    opened_with = truth_spec(spec, entry)
    archive = open_truth(opened_with)
    there = ", ".join(sorted(archive.params())) or "none that is known"
    params, lines = [], {}
    for param in spec.params:
        try:
            has = has_param(archive, param)
        except UserError as error:  # the param is there and cannot be read
            lines[param] = f"{param}: truth {entry.label}: {error}"
        else:
            if has:
                params.append(param)
            else:
                lines[param] = f"{param}: truth {entry.label} has no such param; it has {there}"
    if not params:
        unread = [line for line in lines.values() if not line.endswith(f"it has {there}")]
        none = f"truth {entry.label}: has none of the params {', '.join(spec.params)}; it has {there}"
        raise UserError(unread[0] if unread else none)
    grid = archive.grid(params[0])
    degrees = spec.comparing.verification_grid
    target = grid if degrees is None else regular_grid(degrees)
    to_target = find_mapping(grid, target, **mapping_options(spec.comparing))
    truth = SeenTruth(spec, entry, opened_with, archive, params, grid, target, to_target, Said())
    for param, line in lines.items():
        truth.leave_out(param, line)
    return truth


def name_of(spec: VerificationSpec, source: SourceEntry) -> str:
    """Return the label of a source, with its id where another one has the same label."""
    same = [other for other in spec.sources if other.label == source.label]
    return source.label if len(same) == 1 else f"{source.label} ({source.source_id})"


def see_source(truth: SeenTruth, source: SourceEntry) -> Seen:
    """Return what the first forecasts of a source that can be read show.

    Where there is none, or none that can be used, the truth's `said` gets a line.
    """
    spec, name = truth.spec, name_of(truth.spec, source)
    if source.builtin:
        return Seen(name, source, truth.grid, frozenset(truth.params), truth.to_target)
    opened = Forecasts(spec, source)
    try:
        found = _look_into(islice(opened, LOOKED_INTO), truth)
    except UserError as error:
        truth.said.problems.append(f"{name}: {error}")
        return Seen(name, source, None, frozenset(), None)
    if found is None:
        line, fault = _why_nothing(truth, name, opened)
        (truth.said.problems if fault else truth.said.notes).append(line)
        return Seen(name, source, None, frozenset(), None)
    grid, params = found
    return Seen(
        name, source, grid, frozenset(params), find_mapping(grid, truth.target, **mapping_options(spec.comparing))
    )


def _look_into(forecasts: Iterable[OneMember], truth: SeenTruth) -> tuple[Grid, set[str]] | None:
    """Return the grid of the first forecast that has a param, and params of the first ones."""
    grid, params = None, set[str]()
    for forecast in forecasts:
        here = [param for param in truth.params if has_lead_times(forecast, param)]
        if here and grid is None:
            grid = forecast.grid(here[0])
        params.update(here)
        if params == set(truth.params):
            break
    return None if grid is None else (grid, params)


def _why_nothing(truth: SeenTruth, name: str, opened: Forecasts) -> tuple[str, bool]:
    """Return why a source cannot be verified, and whether that is a fault (not a failed run)."""
    if opened.last is not None:
        there = ", ".join(sorted(opened.last.params())) or "none that is known"
        return f"{name}: has none of the params {', '.join(truth.params)} at its lead times; it has {there}", True
    if opened.refused:
        return f"{name}: no forecast can be read: {opened.refused}", True
    of_run = opened.source.kind == "run"
    where = "" if of_run else f" in {opened.source.root}"
    return f"{name}: there is no forecast of any of the {len(truth.spec.init_times)} init times{where}", not of_run
