"""What a model wrote: whether its fields are those that were asked for, and what is odd about them.

A field is what its numbers, its level, its statistic, its member and its grid say, and its time is
exact: `fields` reads both. Everything else that a model leaves in its folder is its own business.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.archives import files_below
from evalflow.fields.contents import entries_of
from evalflow.fields.entries import Entry
from evalflow.processes import Crashed, call_apart

_SHOWN = 5
"""Fields that a message names."""
_START = timedelta(0)


@dataclass(frozen=True)
class Wanted:
    """What a model was asked for.

    Attributes
    ----------
    init_time : naive, UTC
    lead_times : hours
    same_fields : whether a field of one lead time after the start must be there at all later ones
    """

    init_time: datetime
    lead_times: Sequence[float]
    same_fields: bool

    @property
    def leads(self) -> list[timedelta]:
        """Return the lead times, sorted."""
        return sorted({timedelta(minutes=round(60 * hours)) for hours in self.lead_times})


@dataclass
class Found:
    """What there is.

    Attributes
    ----------
    leads : lead time in hours → number of fields
    warnings : a line for each thing that is odd
    """

    leads: dict[float, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def check_output(folder: Path, wanted: Wanted) -> Found:
    """Return what a model wrote.

    The files are read in a process of its own, so that a library that ends it takes nothing with
    it. A file that does that every time is left out, with a warning: the others may be whole.

    Parameters
    ----------
    folder : what the model wrote into
    wanted : what it was asked for

    Raises
    ------
    UserError
        Where a lead time that was asked for is not there, a field was lost on the way, a file is
        damaged, or nothing can be read.
    """
    files = _once(files_below(folder))
    try:
        return call_apart(examine, folder, files, wanted)
    except Crashed:
        pass
    good, warnings = [], []
    for path in files:
        try:
            call_apart(_look_into, path, wanted)
            good.append(path)
        except Crashed as crash:
            warnings.append(f"{path.relative_to(folder)}: is not counted: whoever reads it is ended ({crash})")
        except UserError:  # which is said below
            good.append(path)
    try:
        found = call_apart(examine, folder, good, wanted)
    except Crashed as crash:
        raise UserError(f"the check of what the model wrote was ended ({crash}), twice") from None
    except UserError as error:
        raise UserError("; ".join([str(error), *warnings])) from None
    return Found(found.leads, warnings + found.warnings)


def _once(files: Iterable[Path]) -> list[Path]:
    """Return what can be read, without further names of the same file: a link to the latest one."""
    known: dict[tuple[int, int], Path] = {}
    for path in files:
        if path.is_file() or path.is_dir():  # no pipe, no link to nowhere
            about = path.stat()
            known.setdefault((about.st_dev, about.st_ino), path)
    return list(known.values())


def _look_into(path: Path, wanted: Wanted) -> None:
    for one in entries_of([path], wanted.init_time, []):
        one.stored.is_missing()


def examine(folder: Path, files: Iterable[Path], wanted: Wanted) -> Found:
    """Return what is in files, which are told by their paths below a folder; see `check_output`."""
    try:
        found = _examine(files, wanted)
    except UserError as error:
        raise UserError(_below(folder, str(error))) from None
    return Found(found.leads, [_below(folder, warning) for warning in found.warnings])


def _examine(files: Iterable[Path], wanted: Wanted) -> Found:
    notes: list[str] = []
    try:
        entries = entries_of(files, wanted.init_time, notes)
    except UserError as error:
        raise UserError(f"the model wrote GRIB that cannot be read: {error}") from None
    notes = [f"{note}; it is not counted" for note in notes]
    if not entries:
        nothing = "the model ended without an error but wrote no GRIB file, nor NetCDF or Zarr, with fields"
        raise UserError("; ".join([nothing, *notes]))
    leads = _by_lead(entries, wanted)
    _refuse_missing(entries, leads, wanted, notes)
    groups = _by_field(one for lead in wanted.leads for one in leads[lead])
    lost, moved = _compare(groups, wanted)
    if lost and wanted.same_fields:
        raise UserError(lost)
    warnings = notes + _describe_foreign(entries, wanted) + moved + _describe_missing(groups.values())
    return Found({_hours(lead): len(leads[lead]) for lead in sorted(leads)}, warnings)


def _below(folder: Path, text: str) -> str:
    """Return a text with the paths below a folder as paths from there."""
    return text.replace(f"{folder}/", "")


def _hours(lead: timedelta) -> float:
    """Return a lead time in hours: a whole number wherever it is one, as in the config."""
    hours, rest = divmod(lead, timedelta(hours=1))
    return lead / timedelta(hours=1) if rest else hours


def _by_lead(entries: Iterable[Entry], wanted: Wanted) -> dict[timedelta, list[Entry]]:
    """Return lead time → the fields of this forecast; without times of arrays that nobody wrote."""
    leads: dict[timedelta, list[Entry]] = defaultdict(list)
    for one in entries:
        if one.reference_time == wanted.init_time:
            leads[one.lead_time].append(one)
    for lead in wanted.leads:
        if lead > _START and not any(one.stored.is_written() for one in leads.get(lead, ())):
            leads.pop(lead, None)
    return dict(leads)


def _refuse_missing(
    entries: list[Entry], leads: dict[timedelta, list[Entry]], wanted: Wanted, notes: list[str]
) -> None:
    missing = [lead for lead in wanted.leads if lead not in leads]
    if not missing:
        return
    shown = ", ".join(f"{_hours(lead):g}" for lead in missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
    lines = [f"no field for lead time {shown} h in what the model wrote"]
    others = [one for one in entries if one.reference_time != wanted.init_time]
    others += [one for one in entries if one.lead_time not in wanted.leads]
    if others:
        one = others[0]
        lines.append(
            f"the forecast is of {wanted.init_time} UTC, {one.where} of {one.reference_time}, valid {one.valid_time}"
        )
    elif any(one.lead_time in missing for one in entries):
        lines.append("there are places for it, and no value in them")
    raise UserError("; ".join(lines + notes))


def _by_field(entries: Iterable[Entry]) -> dict[Hashable, list[Entry]]:
    """Return each field → its entries, in order of time."""
    fields: dict[Hashable, list[Entry]] = defaultdict(list)
    for one in entries:
        fields[one.what].append(one)
    return fields


def _compare(groups: dict[Hashable, list[Entry]], wanted: Wanted) -> tuple[str | None, list[str]]:
    """Return the first lead time at which fields are lost, and which fields change their grid.

    A field that is there on two grids is two fields: the one does not stand for the other. The
    start may have more fields, or fewer.
    """
    later = [lead for lead in wanted.leads if lead > _START]
    lost: dict[timedelta, list[Entry]] = defaultdict(list)
    moved: dict[tuple[Hashable, Hashable], list[tuple[Entry, Entry]]] = defaultdict(list)
    for entries in groups.values():
        at: dict[timedelta, list[Entry]] = defaultdict(list)
        for one in entries:
            at[one.lead_time].append(one)
        known: dict[Hashable, Entry] = {}
        before: Counter[Hashable] = Counter()
        for lead in later:
            now: Counter[Hashable] = Counter(one.grid for one in at[lead])
            gone, new = list((before - now).elements()), [one for one in at[lead] if one.grid not in before]
            for grid, one in zip(gone, new, strict=False):
                moved[grid, one.grid].append((known[grid], one))
            lost[lead] += [known[grid] for grid in gone[len(new) :]]
            before = now
            known |= {one.grid: one for one in at[lead]}
    first = next((lead for lead in later if lost[lead]), None)
    problem = None
    if first is not None:
        names = _names(_on_grid(one, groups[one.what]) for one in lost[first])
        problem = f"{len(lost[first])} of the fields of earlier lead times are missing at {_hours(first):g} h: {names}"
    return problem, [_describe_move(pairs) for pairs in moved.values()]


def _on_grid(one: Entry, others: list[Entry]) -> str:
    """Return the name of a field, with its grid where it is there on others too."""
    several = len({other.grid for other in others}) > 1
    return f"{one.stored.name()} on {one.stored.grid_name()}" if several else one.stored.name()


def _names(names: Iterable[str]) -> str:
    """Return some names, each once, the first few of many."""
    found = sorted(set(names))
    return ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _describe_move(pairs: list[tuple[Entry, Entry]]) -> str:
    before, now = pairs[0][0].stored.grid_name(), pairs[0][1].stored.grid_name()
    if before == now:
        now = "another one of the same size"
    first = min(now.lead_time for _, now in pairs)
    return f"the grid changes at {_hours(first):g} h, from {before} to {now}: {_names(one.stored.name() for one, _ in pairs)}"


def _describe_foreign(entries: list[Entry], wanted: Wanted) -> list[str]:
    others = [one for one in entries if one.reference_time != wanted.init_time]
    if not others:
        return []
    one = others[0]
    first = f"{one.where} is of {one.reference_time}, valid {one.valid_time} UTC"
    return [f"{len(others)} fields of another init time are not counted: {first}"]


def _describe_missing(groups: Iterable[list[Entry]]) -> list[str]:
    """Return which fields have no value at all, at any lead time."""
    empty, problems = [], []
    for entries in groups:
        on: dict[Hashable, list[Entry]] = defaultdict(list)
        for one in entries:
            on[one.grid].append(one)
        for alike in on.values():
            try:
                if all(one.stored.is_missing() for one in alike):
                    empty.append(_on_grid(alike[0], entries))
            except UserError as error:
                problems.append(str(error))
    lines = [f"every value is missing at all lead times: {_names(empty)}"] if empty else []
    return lines + ([_names(problems)] if problems else [])
