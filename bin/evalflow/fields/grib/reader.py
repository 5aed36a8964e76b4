"""Readers of GRIB: forecasts by lead time, analyses by valid time."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.grib.grids import FindGrid, angle_of_winds, grid_of, turn_winds
from evalflow.fields.grib.index import Field, Message
from evalflow.fields.grib.params import param_of
from evalflow.fields.grib.values import Values
from evalflow.fields.grids import Grid, join
from evalflow.fields.params import Param, convert, convert_distance, param_named
from evalflow.fields.reader import member_index

_CACHE_BYTES = 64 << 20
"""Decoded fields that are kept: winds need one again at once, amounts of rain hours later."""
_ECMWF = 98
_SINCE_START = {(128, 228), (228, 228)}
"""Fields of ECMWF's in GRIB1 that are sums since the start, although their time is a moment."""

Time = TypeVar("Time", timedelta, datetime)
Slot = dict[str, Message]
"""The messages of one param, time and member by grid: there may be several grids."""


class Catalogue(Protocol[Time]):
    """The messages of a source by time, read when they are asked for.

    Attributes
    ----------
    notes : for the user to see
    where : names the source in messages
    """

    notes: list[str]
    where: str

    @property
    def times(self) -> list[Time]:
        """Return all times, sorted."""

    def messages(self, time: Time) -> list[Message]:
        """Return the messages of a time."""

    def sample(self) -> list[Time]:
        """Return times that show what there is: all, where that costs nothing more."""


class _GribReader(Generic[Time]):
    """What forecasts and archives share: params, members, grids and values."""

    def __init__(
        self, catalogue: Catalogue[Time], *, units: Mapping[str, str] | None = None, find_grid: FindGrid | None = None
    ) -> None:
        self.notes = catalogue.notes
        self._catalogue: Catalogue[Time] = catalogue
        self._units = {param_named(name).name: unit for name, unit in (units or {}).items()}
        self._find_grid = find_grid
        self._values = Values()
        self._params: dict[Field, tuple[Param, str] | None] = {}
        self._slots: dict[str, dict[Time, dict[int, Slot]]] = {}
        self._looked_into: set[Time] = set()
        self._has_sample = False
        self._firsts: dict[str, Message] = {}
        self._members: dict[str, set[int]] = {}
        self._layouts: dict[str, dict[str, np.ndarray | None]] = {}
        self._grids: dict[str, Grid] = {}
        self._cache: OrderedDict[tuple, np.ndarray] = OrderedDict()
        self._cached_bytes = 0

    def _rank(self, message: Message) -> tuple:
        """Return what the best of several messages of one field has the smallest of."""
        raise NotImplementedError

    def _param(self, field: Field) -> tuple[Param, str] | None:
        if field not in self._params:
            self._params[field] = param_of(field)
        return self._params[field]

    def _look_into(self, times: Iterable[Time]) -> None:
        """Take up the fields of some times: of several messages the best, of equals the last."""
        for time in times:
            if time in self._looked_into:
                continue
            self._looked_into.add(time)
            for message in self._catalogue.messages(time):
                known = self._param(message.field)
                if known is None:
                    continue
                name, member = known[0].name, message.member or 0
                self._members.setdefault(name, set()).add(member)
                slot = self._slots.setdefault(name, {}).setdefault(time, {}).setdefault(member, {})
                before = slot.get(message.grid)
                if before is None or self._rank(message) <= self._rank(before):
                    slot[message.grid] = message

    def _at(self, param: str, time: Time) -> dict[int, Slot]:
        """Return the fields of a param at a time, by member."""
        self._look_into([time])
        return self._slots.get(param, {}).get(time, {})

    def _known(self, param: str) -> dict[Time, dict[int, Slot]]:
        """Return the fields of a param by time and member, as far as they are known."""
        if not self._has_sample:
            self._look_into(self._catalogue.sample())
            self._has_sample = True
        return self._slots.get(param, {})

    def _known_slots(self, param: str) -> list[Slot]:
        """Return the fields of a param in order of time."""
        return [slot for _, members in sorted(self._known(param).items()) for slot in members.values()]

    def _first(self, param: str) -> Message:
        if param not in self._firsts:
            slots = self._known_slots(param)
            if not slots:
                there = ", ".join(sorted(self.params())) or "no param that is known"
                raise UserError(f"{self._catalogue.where}: no {param}; there are {there}")
            self._firsts[param] = next(iter(slots[0].values()))
        return self._firsts[param]

    def params(self) -> set[str]:
        """Return the params that are held directly."""
        self._known("")
        return set(self._slots)

    def members(self, param: str) -> list[str]:
        """Return the ensemble members of a param as three digits; none: no ensemble."""
        numbers = self._numbers(param)
        return [] if numbers in ([], [0]) else [f"{number:03d}" for number in numbers]

    def _numbers(self, param: str) -> list[int]:
        self._known(param)
        return sorted(self._members.get(param, ()))

    def files(self, params: Iterable[str], times: Iterable[Time]) -> list[Path]:
        """Return the files that hold params at some times."""
        slots = [slot for time in set(times) for param in set(params) for slot in self._at(param, time).values()]
        return sorted({message.path for slot in slots for message in slot.values()})

    def packing(self, param: str, time: Time) -> float:
        """Return how far two values of a param at a time are apart at most in the file; 0: not packed."""
        messages = [message for slot in self._at(param, time).values() for message in slot.values()]
        return max(
            (
                convert_distance(self._values.packing(one), self._unit(one), param_named(param), one.where)
                for one in messages
            ),
            default=0.0,
        )

    def describe(self, param: str, time: Time | None = None) -> str:
        """Return file, message and units of a param (at a time)."""
        message = self._first(param) if time is None else self._one_of(param, time)
        return f"{message.where} [{self._units.get(param) or self._known_param(message)[1]}]"

    def grid(self, param: str) -> Grid:
        """Return the points of all grids of a param that are not missing by construction."""
        if param not in self._grids:
            parts = []
            for digest, used in self._layout(param).items():
                grid = self._with_elevation(self._message_on(param, digest))
                parts.append(grid if used is None else grid.take(used))
            self._grids[param] = join(parts)
        return self._grids[param]

    def _message_on(self, param: str, digest: str) -> Message:
        return next(slot[digest] for slot in self._known_slots(param) if digest in slot)

    def _with_elevation(self, message: Message) -> Grid:
        """Return a message's grid, with the elevation that the source itself has on it."""
        grid = grid_of(message, self._values, self._find_grid)
        for name in ("HSURF", "FIS"):
            found = next((slot[message.grid] for slot in self._known_slots(name) if message.grid in slot), None)
            if found is not None:
                elevation = convert(self._decode(found), self._unit(found), param_named("HSURF"), found.where)
                return replace(grid, elevation=elevation)
        return grid

    def _layout(self, param: str) -> dict[str, np.ndarray | None]:
        """Return the grids of a param, and which points of each are used (bool [n]; None: all)."""
        if param not in self._layouts:
            first, slots = self._first(param), self._known_slots(param)
            full = max(slots, key=len)
            for message in (message for slot in slots for message in slot.values()):
                _check_grid(message, full, param, first)
            alone = len(full) == 1
            self._layouts[param] = {one: None if alone else self._used(one, slots) for one in full}
        return self._layouts[param]

    def _used(self, digest: str, slots: list[Slot]) -> np.ndarray:
        """Return which points of one of several grids are used: those that are not missing.

        Amounts may be missing everywhere at the start: the first field that has values decides.
        """
        for slot in slots:
            if digest in slot:
                used = ~np.isnan(self._decode(slot[digest]))
                if used.any():
                    return used
        return used

    def _number(self, param: str, member: str | None) -> int:
        numbers = self._numbers(param) or [0]
        return numbers[member_index(self.members(param), member, self._first(param).where)]

    def _read(self, param: str, time: Time, member: str | None) -> np.ndarray:
        layout, number = self._layout(param), self._number(param, member)
        slot = self._at(param, time).get(number, {})
        for message in slot.values():
            _check_grid(message, layout, param, self._first(param))
        parts = []
        for digest, used in layout.items():
            if digest in slot:
                values = self._to_east_and_north(param, time, number, slot[digest])
                values = values if used is None else values[used]
            else:
                grid = grid_of(self._message_on(param, digest), self._values, self._find_grid)
                values = np.full(grid.size if used is None else np.count_nonzero(used), np.nan, dtype=np.float32)
            parts.append(values)
        return np.concatenate(parts)  # always a copy: decoded fields are kept

    def _to_east_and_north(self, param: str, time: Time, number: int, message: Message) -> np.ndarray:
        """Return a message's values in the param's unit, winds along a grid's axes turned."""
        values = self._in_own_unit(param, message)
        kind, _, rest = param.partition("_")
        if kind not in ("U", "V"):
            return values
        angle = angle_of_winds(message, self._values, self._find_grid)
        if angle is None:
            return values
        partner = f"{'V' if kind == 'U' else 'U'}_{rest}"
        other = self._at(partner, time).get(number, {}).get(message.grid)
        if other is None:
            raise UserError(
                f"{message.where}: {param} is along the grid's axes, and there is no {partner} to turn it with"
            )
        across = self._in_own_unit(partner, other)
        return turn_winds(values, across, angle)[0] if kind == "U" else turn_winds(across, values, angle)[1]

    def _known_param(self, message: Message) -> tuple[Param, str]:
        """Return the param of a message that is known to be of one."""
        found = self._param(message.field)
        assert found is not None
        return found

    def _unit(self, message: Message) -> str:
        param, units = self._known_param(message)
        return self._units.get(param.name, units)

    def _in_own_unit(self, param: str, message: Message) -> np.ndarray:
        return convert(self._decode(message), self._unit(message), param_named(param), message.where)

    def _decode(self, message: Message) -> np.ndarray:
        key = (message.path, message.pieces)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        values = self._values.read(message)
        values.flags.writeable = False
        self._cache[key] = values
        self._cached_bytes += values.nbytes
        while len(self._cache) > 1 and self._cached_bytes > _CACHE_BYTES:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return values

    def _one_of(self, param: str, time: Time) -> Message:
        """Return a message of a param at a time; where there is none, any."""
        slots = list(self._at(param, time).values())
        return next(iter(slots[0].values())) if slots else self._first(param)

    def _sum_length(self, message: Message, since_start: timedelta) -> timedelta | None:
        param = self._known_param(message)[0]
        if not param.accumulated:
            return None
        if message.interval is not None:
            return message.interval
        if not message.lead_time or (message.field.centre == _ECMWF and message.field.numbers in _SINCE_START):
            return since_start
        raise UserError(f"{message.where}: {param.name} is a sum, and the message does not say of what time")


def _check_grid(message: Message, grids: Collection[str], param: str, first: Message) -> None:
    if message.grid not in grids:
        raise UserError(f"{message.where}: {param} is on another grid than in {first.where}")


class GribForecast(_GribReader[timedelta]):
    """The forecast of one init time; see `reader.Forecast`."""

    def _rank(self, message: Message) -> tuple:
        # Sums since the start serve every amount; of extremes the shortest interval says most.
        since_start = message.interval == message.lead_time and self._known_param(message)[0].accumulated
        return not since_start, message.interval or timedelta(0)

    def lead_times(self, param: str) -> list[timedelta]:
        """Return the lead times of a param, sorted.

        Of files that were not looked into yet they are those of the files.
        """
        held = self._known(param)
        return [time for time in self._catalogue.times if time in held or time not in self._looked_into]

    def read(self, param: str, lead_time: timedelta, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a lead time.

        They are missing where it turns out that the file of a lead time has none.

        Raises
        ------
        UserError
            Where there is no such param, lead time or member, or the field cannot be decoded.
        """
        if lead_time not in self._catalogue.times:
            raise UserError(f"{self._first(param).path}: no {param} at lead time {lead_time}")
        return self._read(param, lead_time, member)

    def accumulation(self, param: str, lead_time: timedelta) -> timedelta | None:
        """Return the length of the time that the values at a lead time are a sum of, or None."""
        return self._sum_length(self._one_of(param, lead_time), lead_time)


class GribArchive(_GribReader[datetime]):
    """Analyses by valid time; see `reader.Archive`.

    Forecasts serve too: of several the one with the shortest lead time.
    """

    def _rank(self, message: Message) -> tuple:
        return message.lead_time, message.interval or timedelta(0)

    def valid_times(self, param: str) -> list[datetime]:
        """Return the valid times of a param, sorted."""
        return [time for time in self._catalogue.times if self._at(param, time)]

    def read(self, param: str, valid_time: datetime, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a valid time; all missing where there is none."""
        return self._read(param, valid_time, member)

    def read_many(
        self, params: Iterable[str], valid_times: Iterable[datetime], member: str | None = None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        """Yield (param, valid time, values) of what is there, in order of time."""
        names = list(dict.fromkeys(params))
        for time in sorted(set(valid_times)):
            for param in names:
                if self._number(param, member) in self._at(param, time):
                    yield param, time, self._read(param, time, member)

    def accumulation(self, param: str, valid_time: datetime) -> timedelta | None:
        """Return the length of the time that the values at a valid time are a sum of, or None."""
        message = self._one_of(param, valid_time)
        return self._sum_length(message, message.lead_time)
