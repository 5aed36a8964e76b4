"""Observations at stations: the stations, and a reader over whatever brings rows."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.grids import Grid
from evalflow.fields.observations.tables import Rows, open_table, read_places
from evalflow.fields.params import param_named
from evalflow.fields.reader import member_index
from evalflow.fields.winds import wind_to_east, wind_to_north

_MOVED_DEGREES = 0.05
"""Rows further from their station's place (about 5 km) are not its own: ships, ids given twice."""


_WIND_PARTS = {"U_10M": wind_to_east, "V_10M": wind_to_north}


class Source(Protocol):
    """What brings rows of observations: files, a command, a service."""

    where: str
    notes: list[str]

    def params(self) -> set[str]:
        """Return the params that there may be."""

    def valid_times(self, param: str) -> list[datetime] | None:
        """Return the times that there are, or None where only asking for them tells."""

    def spans(self, times: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
        """Return first and last of each part of the (sorted) times that is best loaded at once."""

    def around(self, time: datetime) -> tuple[datetime, datetime]:
        """Return first and last time of what is best loaded with one time.

        Others near it may be wanted next.
        """

    def files(self, params: Collection[str], times: Sequence[datetime]) -> list[Path]:
        """Return the files that rows of some params and times are in."""

    def load(self, params: Collection[str], first: datetime, last: datetime) -> Iterable[tuple[str, Rows]]:
        """Return tables of rows of some params and times, and where each is from."""


@dataclass(frozen=True)
class _Loaded:
    """Observations of a span of time.

    Attributes
    ----------
    first, last : the span
    times : time → row of the values
    values : param → float32 [times, stations]
    """

    first: datetime
    last: datetime
    times: dict[np.datetime64, int]
    values: dict[str, np.ndarray]

    def has(self, params: Collection[str], first: datetime, last: datetime) -> bool:
        """Return whether it has some params of a span of time."""
        return self.first <= first and last <= self.last and set(params) <= self.values.keys()


def station_key(name: str) -> str:
    """Return what two spellings of a station's id have in common: `06610` and `6610` are one."""
    return name.strip().lstrip("0") or "0" if name.strip().isdigit() else name.strip()


def stations_of(names: Sequence[str], places: np.ndarray) -> Grid:
    """Return stations as a grid, sorted by id: the order of rows in files must not count.

    Parameters
    ----------
    names : ids
    places : float64 [names, 3], latitude, longitude, elevation (m, or NaN)
    """
    order = sorted(range(len(names)), key=lambda index: station_key(names[index]))
    found = places[order]
    elevation = found[:, 2] if np.isfinite(found[:, 2]).any() else None
    return Grid(found[:, 0], found[:, 1], "stations", elevation=elevation, names=tuple(names[index] for index in order))


def read_stations(path: Path, told: Told) -> Grid:
    """Return the stations of a table of them: station, lat, lon, elevation.

    Parameters
    ----------
    path : Parquet or CSV
    told : what the config says of columns

    Raises
    ------
    UserError
        Where a column is missing, a place is none, or two rows of a station differ.
    """
    names, station, places = read_places(open_table(path, str(path)), str(path), told)
    if not station.size:
        raise UserError(f"{path}: has no stations")
    wrong = ~are_places(places)
    if wrong.any():
        raise UserError(f"{path}: station {names[station[np.argmax(wrong)]]} has no latitude and longitude")
    seen: dict[str, int] = {}
    for index, code in enumerate(station):
        other = seen.setdefault(station_key(names[code]), index)
        if not np.array_equal(places[other], places[index], equal_nan=True):
            raise UserError(f"{path}: station {names[code]} is there twice, at different places; keep one")
    kept = list(seen.values())
    return stations_of([names[station[index]] for index in kept], places[kept])


def are_places(places: np.ndarray) -> np.ndarray:
    """Return which of places [rows, 3] have a latitude and longitude, bool [rows]."""
    return (np.abs(places[:, 0]) <= 90) & (np.abs(places[:, 1]) <= 360)


def first_places(rows: Rows, known: dict[str, np.ndarray]) -> None:
    """Add the stations of rows to those known: a station is where its first row in time is.

    Parameters
    ----------
    rows : with places
    known : id → latitude, longitude, elevation; changed
    """
    assert rows.places is not None
    good = np.flatnonzero(are_places(rows.places))
    order = good[np.lexsort((rows.times[good], rows.station[good]))]
    codes, first = np.unique(rows.station[order], return_index=True)
    ends = np.append(first[1:], order.size)
    keys = {station_key(name) for name in known}
    for code, start, end in zip(codes, first, ends, strict=True):
        name = rows.stations[code]
        if station_key(name) not in keys:
            place = rows.places[order[start]].copy()
            heights = rows.places[order[start:end], 2]
            # Some reports lack the elevation.
            place[2] = next(iter(heights[np.isfinite(heights)]), np.nan)
            known[name] = place
            keys.add(station_key(name))


class StationArchive:
    """Observations by valid time; see `reader.Archive`.

    What was read last is kept: times in order cost one reading.
    """

    def __init__(
        self, source: Source, grid: Grid, *, ids: Sequence[str] | None = None, fixed_places: bool = True
    ) -> None:
        """Make a reader.

        Parameters
        ----------
        source : brings the rows
        grid : the stations
        ids : of the stations in the rows, where these are not their names
        fixed_places : they come from a table of stations, so that places in the rows do not count
        """
        self.notes = source.notes
        self._source = source
        self._grid = grid
        self._index = {station_key(name): place for place, name in enumerate(ids or grid.names or ())}
        self._fixed_places = fixed_places
        self._loaded: _Loaded | None = None

    def params(self) -> set[str]:
        """Return the params observed, and the parts of the wind if its speed and direction are."""
        observed = self._source.params()
        return observed | (set(_WIND_PARTS) if {"SP_10M", "DD_10M"} <= observed else set())

    def members(self, param: str) -> list[str]:
        """Return no members: observations are no ensemble."""
        return []

    def grid(self, param: str) -> Grid:
        """Return the stations, which all params share."""
        return self._grid

    def files(self, params: Iterable[str], valid_times: Iterable[datetime]) -> list[Path]:
        """Return the files that hold observations of some params and times."""
        return self._source.files(self._observed(params), sorted(set(valid_times)))

    def describe(self, param: str, time: datetime | None = None) -> str:
        """Return where a param comes from."""
        return f"{self._source.where}: {param}"

    def valid_times(self, param: str) -> list[datetime] | None:
        """Return the valid times of a param, sorted; None: a service knows them once asked."""
        self._check(param)
        return self._source.valid_times(param)

    def accumulation(self, param: str, valid_time: datetime) -> timedelta | None:
        """Return the length of the time that the values at a valid time are a sum of, or None."""
        self._check(param)
        found = param_named(param)
        if found.accumulated and found.hours is None:
            raise UserError(
                f"{self.describe(param)} is a sum over time, and nothing says of what time; name it {param}1, …"
            )
        return timedelta(hours=found.hours) if found.accumulated and found.hours else None

    def packing(self, param: str, time: datetime) -> float:
        """Return 0: a table does not say with how many digits its values were written."""
        return 0.0

    def _check(self, param: str) -> None:
        if param not in self.params():
            there = ", ".join(sorted(self.params())) or "no param that is known"
            raise UserError(f"{self._source.where}: no {param}; there are {there}")

    def read(self, param: str, valid_time: datetime, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [stations]) at a valid time, missing where there are none."""
        self._check(param)
        for _, _, values in self.read_many([param], [valid_time], member):
            return values
        return np.full(self._grid.size, np.nan, dtype=np.float32)

    def read_many(
        self, params: Iterable[str], valid_times: Iterable[datetime], member: str | None = None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        """Yield (param, valid time, values) of what there is, in order of time.

        Each file is read once.
        """
        names = list(dict.fromkeys(params))
        for param in names:
            self._check(param)
            member_index([], member, self.describe(param))
        times = sorted(set(valid_times))
        for first, last in self._source.spans(times) if times and names else []:
            loaded = self._loaded
            if loaded is None or not loaded.has(names, first, last):
                # A time alone is one of many that are asked for one after the other.
                loaded = self._load(names, *(self._source.around(first) if len(times) == 1 else (first, last)))
            for time in times:
                row = loaded.times.get(np.datetime64(time, "us")) if first <= time <= last else None
                if row is not None:
                    for param in names:
                        yield param, time, loaded.values[param][row].copy()

    def _observed(self, params: Iterable[str]) -> list[str]:
        """Return what is observed of params: of parts of the wind its speed and direction."""
        made = set(_WIND_PARTS) - self._source.params()
        parts = (("SP_10M", "DD_10M") if param in made else (param,) for param in params)
        return list(dict.fromkeys(chain.from_iterable(parts)))

    def _load(self, params: Sequence[str], first: datetime, last: datetime) -> _Loaded:
        names = self._observed(params)
        made = [name for name in params if name not in names]
        tables = list(self._source.load(names, first, last))
        times = np.unique(np.concatenate([rows.times for _, rows in tables] or [np.array([], "datetime64[us]")]))
        values = {name: np.full((times.size, self._grid.size), np.nan, dtype=np.float32) for name in names}
        for where, rows in tables:
            station = self._places_in_grid(rows, where)
            time = np.searchsorted(times, rows.times)
            for name in [one for one in names if one in rows.values]:
                which, found = rows.values[name]
                found = self._within_range(name, found, where)
                mine = (station[which] >= 0) & np.isfinite(found)
                which, found = which[mine], found[mine]
                self._fill(values[name], (time[which], station[which]), found, f"{where}: {name}", times)
        for name in made:
            values[name] = _WIND_PARTS[name](values["SP_10M"], values["DD_10M"])
        self._loaded = _Loaded(first, last, {time: row for row, time in enumerate(times)}, values)
        return self._loaded

    def _places_in_grid(self, rows: Rows, where: str) -> np.ndarray:
        """Return the place of each row's station in the grid, -1: none."""
        known = np.array([self._index.get(station_key(name), -1) for name in rows.stations] or [-1])
        if (known < 0).any() and rows.stations:
            unknown = [name for name, place in zip(rows.stations, known, strict=True) if place < 0]
            self._note(
                f"{where}: {len(unknown)} stations whose place is not known are left out, the first: {unknown[0]}"
            )
        station = known[rows.station]
        if rows.places is not None and not self._fixed_places and station.size:
            there = np.stack([self._grid.latitudes, self._grid.longitudes], axis=-1)[station]
            apart = np.abs(rows.places[:, :2] - there)
            apart[:, 1] = np.minimum(apart[:, 1], np.abs(360 - apart[:, 1])) * np.cos(np.deg2rad(there[:, 0]))
            moved = (station >= 0) & ~(apart.max(axis=1) <= _MOVED_DEGREES)
            if moved.any():
                first = rows.stations[rows.station[np.argmax(moved)]]
                self._note(
                    f"{where}: {int(moved.sum())} rows are left out whose place is not their station's first, "
                    f"such as one of {first}"
                )
            station = np.where(moved, -1, station)
        return station

    def _within_range(self, name: str, values: np.ndarray, where: str) -> np.ndarray:
        """Return values of which those outside the plausible range are missing.

        Observations have errors one by one.
        """
        param = param_named(name)
        wrong = ~((values >= param.valid_min) & (values <= param.valid_max))
        if not wrong.any():
            return values
        what = f"outside {param.valid_min:g} to {param.valid_max:g} {param.units}"
        if wrong.mean() > 0.5:
            raise UserError(
                f"{where}: {wrong.mean():.0%} of the values of {name} are {what}; the key `units` says their unit"
            )
        self._note(f"{where}: {int(wrong.sum())} values of {name} {what} are left out")
        return np.where(wrong, np.float32(np.nan), values)

    def _fill(
        self, target: np.ndarray, at: tuple[np.ndarray, np.ndarray], values: np.ndarray, where: str, times: np.ndarray
    ) -> None:
        """Write values to their times and stations. Rows that say the same twice count once."""
        before = target[at]
        target[at] = values
        there = np.where(np.isfinite(before), before, target[at])
        differs = there != values
        if differs.any():
            index = int(np.argmax(differs))
            row, station = int(at[0][index]), int(at[1][index])
            name = self._grid.names[station] if self._grid.names else station
            raise UserError(
                f"{where}: {int(differs.sum())} rows repeat a station and time with another value, the first: station "
                f"{name}, {times[row].astype(datetime):%Y-%m-%d %H:%M} ({values[index]:g} and {there[index]:g}); keep one"
            )
        distinct = np.zeros(target.shape, dtype=bool)
        distinct[at] = True
        repeated = values.size - int(np.count_nonzero(distinct))
        if repeated:
            self._note(f"{where}: {repeated} rows repeat others and count once")

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)
