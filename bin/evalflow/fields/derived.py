"""Params that are made of others: speed and direction of winds, amounts of precipitation."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.fields.params import find_param
from evalflow.fields.reader import Archive, Forecast, Reader

LOWEST_AMOUNT = -0.1
"""kg m-2. Packing makes none below: the field is no sum of the kind that its file says."""
_TIMES_AT_ONCE = 48
"""Of an archive: how many times are gone through together, so that memory stays small."""

Time = TypeVar("Time", timedelta, datetime)
"""Lead times of a forecast, valid times of an archive."""


def wind_speed(to_east: np.ndarray, to_north: np.ndarray) -> np.ndarray:
    """Return the speed of winds, √(u² + v²)."""
    return np.hypot(to_east, to_north)


def wind_direction(to_east: np.ndarray, to_north: np.ndarray) -> np.ndarray:
    """Return where winds come from, degrees clockwise from north in [0, 360)."""
    return np.rad2deg(np.arctan2(-to_east, -to_north)) % 360


_OF_WINDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"SP": wind_speed, "DD": wind_direction}


class _Derived(Generic[Time]):
    """What forecasts and archives share.

    Attributes
    ----------
    clipped : param → how many negative amounts within packing noise became 0
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._held = reader.params()
        self._amounts = sorted(
            (param for param in self._held if _is_amount(param)), key=lambda param: (len(param), param)
        )
        self._used: dict[str, np.ndarray] = {}
        self.clipped: Counter[str] = Counter()

    @property
    def notes(self) -> list[str]:
        """Return the reader's notes, and how many amounts were clipped."""
        return self._reader.notes + [f"{param}: {n} negative amounts became 0" for param, n in self.clipped.items()]

    def params(self) -> set[str]:
        """Return the params that are held, and speed and direction of the winds.

        Amounts of precipitation are not listed.
        """
        held = self._held
        levels = {name[2:] for name in held if name.startswith("U_")} & {
            name[2:] for name in held if name.startswith("V_")
        }
        return held | {f"{kind}_{level}" for kind in _OF_WINDS for level in levels}

    def members(self, param: str) -> list[str]:
        """Return the ensemble members of a param."""
        return self._reader.members(self._source_of(param))

    def grid(self, param: str) -> Grid:
        """Return the points that values of a param belong to."""
        return self._reader.grid(self._source_of(param))

    def describe(self, param: str, time: Time | None = None) -> str:
        """Return where a param (at a time) comes from."""
        return self._reader.describe(self._source_of(param), time)

    def packing(self, param: str, time: Time) -> float:
        """Return how far two values of a param at a time are apart in the files; 0: not packed, or a wind's.

        An amount is a sum of fields, each off by half of its own distance at most.
        """
        if _winds_of(param) and param not in self._held:
            return 0.0
        return self.packing_of(self._made_of(param, time))

    def packing_of(self, terms: Iterable[tuple[int, str, Time]]) -> float:
        """Return the same of a sum of fields."""
        return sum(self._reader.packing(one, at) for _, one, at in terms if one in self._held)

    def files(self, params: Iterable[str], times: Iterable[Time]) -> list[Path]:
        """Return the files that params at some times are made of."""
        times = list(times)
        needed: set[tuple[str, Time]] = set()
        for param in params:
            for time in times:
                needed.update((one, at) for _, one, at in self._made_of(param, time) if one in self._held)
        return sorted({file for one, at in needed for file in self._reader.files([one], [at])})

    def _made_of(self, param: str, time: Time) -> list[tuple[int, str, Time]]:
        """Return the fields that a param at a time is made of: itself where it is held."""
        raise NotImplementedError

    def use_only(self, param: str, points: np.ndarray) -> None:
        """Say which points of a param's grid are used: amounts elsewhere are not checked.

        A model may write its parts outside of the domain in another unit than its files say.

        Parameters
        ----------
        points : bool [n]
        """
        self._used[self._source_of(param)] = points

    def _source_of(self, param: str) -> str:
        """Return a param that is held whose members and points a param has."""
        if param in self._held:
            return param
        winds = _winds_of(param)
        if winds and winds[0] in self._held:
            return winds[0]
        return self._amounts[0] if self._amounts and _is_amount(param) else param

    def _combine(self, param: str, fields: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
        """Return a derived field of the fields of its terms."""
        kind = param.partition("_")[0]
        if kind in _OF_WINDS:
            return _OF_WINDS[kind](fields[0][1], fields[1][1])
        if [sign for sign, _ in fields] == [1]:
            return self._checked(param, fields[0][1])
        total = np.sum([sign * field.astype(np.float64) for sign, field in fields], axis=0)
        return self._checked(param, total.astype(np.float32))

    def _checked(self, param: str, amounts: np.ndarray) -> np.ndarray:
        """Return amounts without negative ones."""
        negative = amounts < 0  # a comparison with NaN is false
        used = self._used.get(self._source_of(param))
        counted = negative if used is None else negative & used
        lowest = float(amounts[counted].min(initial=0))
        if lowest < LOWEST_AMOUNT:
            raise UserError(
                f"{self.describe(param)}: {param} would be {lowest:.2f} kg m-2: the field is not a sum of the time that its "
                "file says"
            )
        if counted.any():
            self.clipped[param] += int(np.count_nonzero(counted))
        return np.where(negative, np.float32(0), amounts)

    def _starts(self, end: Time, until: Time) -> dict[Time, list[tuple[str, Time]]]:
        """Return the times from which sums reach up to `end` without a gap, and by which fields.

        Times before `until` are where a sum that crosses it starts; nothing is looked up beyond.
        """
        found: dict[Time, list[tuple[str, Time]]] = {end: []}
        queue = [end]
        for time in queue:
            if time <= until:
                continue
            for param, length in self._sums_at(time):
                start = time - length
                if length > timedelta(0) and start not in found:
                    found[start] = found[time] + [(param, time)]
                    queue.append(start)
        return found

    def _sums_at(self, time: Time) -> list[tuple[str, timedelta]]:
        """Return the amounts that are held at a time, and what length of time each is a sum of."""
        raise NotImplementedError

    def terms_of_sum(self, start: Time, end: Time) -> list[tuple[int, str, Time]] | None:
        """Return the fields whose signed sum is the amount between two times, or None.

        Sums of any kind do: since the start (one minus another), of each interval (one after the
        other), running or starting anew at times. From both ends a chain of sums goes back in time;
        where the two meet the rest cancels.
        """
        ahead = self._starts(end, start)
        behind: dict[Time, list[tuple[str, Time]]] = {start: []}
        if start not in ahead:
            behind = self._starts(start, min(ahead))
        meeting = min(ahead.keys() & behind.keys(), key=lambda time: len(ahead[time]) + len(behind[time]), default=None)
        if meeting is None:
            return None
        added = [(1, param, time) for param, time in ahead[meeting]]
        return added + [(-1, param, time) for param, time in behind[meeting]]


def _winds_of(param: str) -> tuple[str, str] | None:
    """Return the parts of the wind that a param is derived from, or None."""
    kind, _, level = param.partition("_")
    return (f"U_{level}", f"V_{level}") if kind in _OF_WINDS else None


def _is_amount(param: str) -> bool:
    found = find_param(param)
    return found is not None and found.accumulated


def _hours_of(param: str) -> timedelta | None:
    found = find_param(param)
    return timedelta(hours=found.hours) if found and found.hours else None


class DerivedForecast(_Derived[timedelta]):
    """A forecast with params derived; see `reader.Forecast`.

    Parameters
    ----------
    reader : of what the files hold
    steps : the lead times that are wanted; none: all
    """

    def __init__(self, reader: Forecast, steps: Sequence[timedelta] = ()) -> None:
        super().__init__(reader)
        self._forecast = reader
        self._steps = set(steps)
        self._times: dict[str, set[timedelta]] = {}

    def _held_at(self, param: str) -> set[timedelta]:
        if param not in self._times:
            self._times[param] = set(self._forecast.lead_times(param)) if param in self._held else set()
        return self._times[param]

    def _sums_at(self, time: timedelta) -> list[tuple[str, timedelta]]:
        held = [param for param in self._amounts if time in self._held_at(param)]
        lengths = {param: self._forecast.accumulation(param, time) for param in held}
        return [(param, length) for param, length in lengths.items() if length is not None]

    def lead_times(self, param: str) -> list[timedelta]:
        """Return the wanted lead times at which a param can be had, sorted.

        `TOT_PREC` is the amount since the start, `TOT_PREC<N>` that of the N hours before, which
        begins at N hours.
        """
        winds = _winds_of(param)
        if _is_amount(param):
            times = set().union(*(self._held_at(one) for one in self._amounts))
            times = {time for time in self._wanted(times) if self._terms(param, time)}
        elif winds and param not in self._held:
            times = self._held_at(winds[0]) & self._held_at(winds[1])
        else:
            times = self._held_at(param)
        return sorted(self._wanted(times))

    def _wanted(self, times: set[timedelta]) -> set[timedelta]:
        return times & self._steps if self._steps else times

    def _terms(self, param: str, time: timedelta) -> list[tuple[int, str, timedelta]] | None:
        if _is_amount(param):
            start = time - (_hours_of(param) or time)
            return self.terms_of_sum(start, time) if start >= timedelta(0) and time > timedelta(0) else None
        winds = _winds_of(param)
        if winds and time not in self._held_at(param):
            return [(1, wind, time) for wind in winds]
        return None

    def _made_of(self, param: str, time: timedelta) -> list[tuple[int, str, timedelta]]:
        if _is_amount(param):
            return self._terms(param, time) or []
        return self._terms(param, time) or ([(1, param, time)] if time in self._held_at(param) else [])

    def read(self, param: str, lead_time: timedelta, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a lead time.

        Raises
        ------
        UserError
            Where they cannot be had, or an amount is below -0.1 kg m-2.
        """
        terms = self._terms(param, lead_time)
        if terms:
            return self._combine(param, [(sign, self._forecast.read(one, time, member)) for sign, one, time in terms])
        if _is_amount(param):
            raise UserError(f"{self.describe(param)}: no {param} can be made of it at lead time {lead_time}")
        return self._forecast.read(param, lead_time, member)

    def accumulation(self, param: str, lead_time: timedelta) -> timedelta | None:
        """Return the length of the time that the values at a lead time are a sum of, or None."""
        return (_hours_of(param) or lead_time) if _is_amount(param) else None


class DerivedArchive(_Derived[datetime]):
    """An archive with params derived; see `reader.Archive`.

    `TOT_PREC` is not among them: it has no start here.
    """

    def __init__(self, reader: Archive) -> None:
        super().__init__(reader)
        self._archive = reader

    @property
    def uuid(self) -> str | None:
        """Return the archive's own id, where it has one that stays when it grows."""
        return getattr(self._reader, "uuid", None)

    def _sums_at(self, time: datetime) -> list[tuple[str, timedelta]]:
        lengths = {param: self._archive.accumulation(param, time) for param in self._amounts}
        return [(param, length) for param, length in lengths.items() if length is not None]

    def _made_of(self, param: str, time: datetime) -> list[tuple[int, str, datetime]]:
        hours = _hours_of(param)
        if hours is not None:
            return self.terms_of_sum(time - hours, time) or []
        winds = _winds_of(param)
        if winds and param not in self._held:
            return [(1, wind, time) for wind in winds]
        return [(1, param, time)]

    def valid_times(self, param: str) -> list[datetime] | None:
        """Return the valid times of what a param is made of, sorted; None: see `reader.Archive`."""
        return self._archive.valid_times(self._source_of(param))

    def read(self, param: str, valid_time: datetime, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a valid time: missing where a part is missing."""
        found = [values for _, _, values in self.read_many([param], [valid_time], member)]
        return found[0] if found else np.full(self.grid(param).size, np.nan, dtype=np.float32)

    def read_sum(self, start: datetime, end: datetime, member: str | None = None) -> np.ndarray:
        """Return the precipitation between two times (kg m-2, float32 [points]).

        It is missing where the archive lacks a part.
        """
        param, terms = "TOT_PREC", self.terms_of_sum(start, end)
        if terms is None:
            return np.full(self.grid(param).size, np.nan, dtype=np.float32)
        return self._combine(param, [(sign, self._archive.read(one, time, member)) for sign, one, time in terms])

    def read_many(
        self, params: Iterable[str], valid_times: Iterable[datetime], member: str | None = None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        """Yield (param, valid time, values) of what is there.

        The archive is gone through once for 48 times.
        """
        names, times = list(dict.fromkeys(params)), sorted(set(valid_times))
        for first in range(0, len(times), _TIMES_AT_ONCE):
            yield from self._read_some(names, times[first : first + _TIMES_AT_ONCE], member)

    def _read_some(
        self, names: list[str], times: list[datetime], member: str | None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        terms = {(name, time): self._made_of(name, time) for name in names for time in times}
        needed_by: dict[tuple[str, datetime], list[tuple[str, datetime]]] = {}
        for target, needed in terms.items():
            for _, one, time in needed:
                needed_by.setdefault((one, time), []).append(target)
        found: dict[tuple[str, datetime], dict[tuple[str, datetime], np.ndarray]] = {}
        held = [name for name in dict.fromkeys(name for name, _ in needed_by) if name in self._held]
        for one, time, values in self._archive.read_many(held, {time for _, time in needed_by}, member):
            for target in needed_by.get((one, time), []):
                parts = found.setdefault(target, {})
                parts[(one, time)] = values
                if len(parts) == len(terms[target]):
                    made = self._made(target[0], [(sign, parts[(name, at)]) for sign, name, at in terms[target]])
                    yield *target, made
                    del found[target]

    def _made(self, param: str, fields: list[tuple[int, np.ndarray]]) -> np.ndarray:
        if param in self._held and not _is_amount(param):
            return fields[0][1]
        return self._combine(param, fields)

    def accumulation(self, param: str, valid_time: datetime) -> timedelta | None:
        """Return the length of the time that the values at a valid time are a sum of, or None."""
        if not _is_amount(param):
            return None
        return _hours_of(param) or self._archive.accumulation(param, valid_time)
