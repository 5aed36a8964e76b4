"""Readers of NetCDF and Zarr: forecasts by lead time, analyses and stations by valid time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.arrays.anemoi import output_units
from evalflow.fields.arrays.cf import Field, Told, coordinate_in, coordinate_of, find_fields, sum_length
from evalflow.fields.arrays.grids import FindGrid, at_stations, grid_of
from evalflow.fields.arrays.named import Arrays, Variable, as_timedelta, durations_of, packing_of, text, times_of
from evalflow.fields.grids import Grid
from evalflow.fields.params import convert_distance
from evalflow.fields.reader import NotThere, member_index

_BLOCK_BYTES = 512 << 20
"""Chunks of several times or members are kept until the next is read, up to this size."""


@dataclass(frozen=True)
class _Source:
    """A field and the file that holds it."""

    arrays: Arrays
    field: Field


@dataclass(frozen=True)
class _Place:
    """Where the values of one time are: a field, and the places along its roles."""

    source: _Source
    at: dict[str, int]


class _Reader:
    """What forecasts and archives share: the files' fields, points, members and blocks of values.

    Times are looked up when a param is first asked for: stores with 90,000 times and a hundred
    fields open at once.
    """

    def __init__(self, files: Iterable[Arrays], told: Told | None, find_grid: FindGrid | None) -> None:
        self.notes: list[str] = []
        self._told = told or Told()
        self._find_grid = find_grid
        self._sources: dict[str, list[_Source]] = {}
        self._places: dict[str, dict[Any, _Place]] = {}
        self._grids: dict[tuple, tuple[Grid, tuple[str, ...]]] = {}
        self._decoded: dict[tuple[str, str], np.ndarray] = {}
        self._sums: dict[int, np.ndarray | np.timedelta64 | None] = {}
        self._block: tuple[tuple, np.ndarray] | None = None
        for arrays in files:
            self._add(arrays)

    def _add(self, arrays: Arrays) -> None:
        fields, notes = find_fields(arrays, self._known(arrays), at_stations=at_stations(arrays))
        self.notes += notes
        for name, one in fields.items():
            if self._is_of_use(arrays, one):
                self._sources.setdefault(name, []).append(_Source(arrays, one))

    def _known(self, arrays: Arrays) -> Told:
        """Return what is known of names and units: by the config, else by who wrote the file."""
        return Told(self._told.columns, {**output_units(arrays), **self._told.units})

    def _is_of_use(self, arrays: Arrays, one: Field) -> bool:
        """Return whether a field has values of the times that are read here; constants have not."""
        raise NotImplementedError

    def _times(self, source: _Source) -> dict[Any, dict[str, int]]:
        """Return the times of a field (timedelta64 or datetime64), and its places at them."""
        raise NotImplementedError

    def _values_of(self, arrays: Arrays, coordinate: Variable | None, *, lengths: bool) -> np.ndarray:
        assert coordinate is not None  # a field without is not of use
        key = (arrays.path, coordinate.name)
        if key not in self._decoded:
            self._decoded[key] = (durations_of if lengths else times_of)(coordinate, arrays.path).ravel()
        return self._decoded[key]

    def params(self) -> set[str]:
        """Return the params that are held directly."""
        return set(self._sources)

    def _first(self, param: str) -> _Source:
        if param not in self._sources:
            there = ", ".join(sorted(self._sources)) or "no param that is known"
            paths = {source.arrays.path for sources in self._sources.values() for source in sources}
            raise UserError(f"{min(paths, default='the files')}: no {param}; there are {there}")
        return self._sources[param][0]

    def _all(self, param: str) -> dict[Any, _Place]:
        self._first(param)
        if param not in self._places:
            found = self._places[param] = {}
            for source in self._sources[param]:
                for time, at in self._times(source).items():
                    found.setdefault(time, _Place(source, at))
        return self._places[param]

    def grid(self, param: str) -> Grid:
        """Return the points that values of a param belong to."""
        return self._points(self._first(param))[0]

    def _points(self, source: _Source) -> tuple[Grid, tuple[str, ...]]:
        one = source.field
        shape = tuple(one.variable.shape[one.variable.dims.index(dim)] for dim in one.space)
        # Fields between grid points have the same dimensions and name other coordinates.
        key = (one.space, shape, text(one.variable.attrs.get("coordinates", "")))
        if key not in self._grids:
            told = self._known(source.arrays)
            self._grids[key] = grid_of(source.arrays, one, told, self._find_grid, self.notes)
        return self._grids[key]

    def describe(self, param: str, time: timedelta | datetime | None = None) -> str:
        """Return file, variable and units of a param."""
        one = self._first(param).field
        return f"{one.where()} [{one.units or 'no units'}]"

    def packing(self, param: str, time: timedelta | datetime) -> float:
        """Return how far two values of a param are apart in the file; 0: not packed."""
        one = self._first(param).field
        return convert_distance(packing_of(one.variable), one.units, one.param, one.where())

    def members(self, param: str) -> list[str]:
        """Return the ensemble members of a param: three digits where they are numbers.

        None: it is no ensemble.
        """
        source = self._first(param)
        dim = source.field.axes.get("member")
        if dim is None:
            return []
        coordinate = coordinate_of(source.arrays, dim, "member")
        if coordinate is None:
            size = source.field.variable.shape[source.field.variable.dims.index(dim)]
            return [f"{member:03d}" for member in range(size)]
        return [member_name(value) for value in np.asarray(coordinate.read()).ravel()]

    def _read(self, param: str, place: _Place, member: str | None) -> np.ndarray:
        """Return one time's values, out of the block that holds them.

        What is stored together is read once.
        """
        one, at = place.source.field, place.at
        ensemble = "member" in one.axes
        which = member_index(self.members(param) if ensemble else [], member, one.where())
        if ensemble:
            at = {**at, "member": which}
        grid, space = self._points(place.source)
        chunks = {role: one.variable.chunk(one.axes[role]) for role in at}
        if 4 * grid.size * int(np.prod(list(chunks.values()), initial=1)) > _BLOCK_BYTES:
            chunks = dict.fromkeys(chunks, 1)
        first = {role: where // chunks[role] * chunks[role] for role, where in at.items()}
        key = (id(place.source), tuple(first.items()))
        if self._block is None or self._block[0] != key:
            slices = {role: slice(where, where + chunks[role]) for role, where in first.items()}
            self._block = (key, one.read(slices, space))
        in_order = sorted(at, key=lambda role: one.variable.dims.index(one.axes[role]))
        return self._block[1][tuple(at[role] - first[role] for role in in_order)].copy()

    def files(self, params: Iterable[str], times: Iterable[timedelta | datetime]) -> list[Path]:
        """Return the files (of a Zarr store the chunks) that hold params at lead or valid times."""
        found: set[Path] = set()
        wanted = [
            np.datetime64(time, "us") if isinstance(time, datetime) else np.timedelta64(time, "us") for time in times
        ]
        for param in params:
            places = self._all(param)
            for time in wanted:
                if time in places:
                    one = places[time].source.field
                    index = {dim: places[time].at.get(role, slice(None)) for role, dim in one.axes.items()}
                    found.update(one.variable.files(index | dict(one.fixed)))
        return sorted(found)

    def _sum_length(self, place: _Place) -> timedelta | None:
        one = place.source.field
        role = next((role for role in ("lead", "time") if role in place.at), None)
        if id(place.source) not in self._sums:
            dim = one.axes[role] if role else "time"
            self._sums[id(place.source)] = sum_length(place.source.arrays, one, dim)
        found = self._sums[id(place.source)]
        if isinstance(found, np.ndarray):
            return as_timedelta(found[place.at[role] if role else 0])
        return None if found is None else as_timedelta(found)


class CfForecast(_Reader):
    """The forecast of one init time; see `reader.Forecast`.

    It is in one file or many, or in a store of many init times.
    """

    def __init__(
        self,
        files: Sequence[Arrays],
        init_time: datetime,
        *,
        told: Told | None = None,
        find_grid: FindGrid | None = None,
        of_one_init_time: bool = True,
    ) -> None:
        """Read what the files hold.

        Parameters
        ----------
        files : opened by `netcdf.open_netcdf` or `zarrs.open_zarr`
        init_time : the one to read
        told : what the config says of names and units
        find_grid : grids for files without coordinates
        of_one_init_time : the files' names say that they are of `init_time`; else they must say it

        Raises
        ------
        UserError
            Where the files do not say what they hold, or belong to another init time.
        NotThere
            Where a store of many init times lacks this one.
        """
        self._init_time = np.datetime64(init_time, "us")
        self._of_one_init_time = of_one_init_time
        self._lacks = ""
        super().__init__(files, told, find_grid)
        if not self._sources and self._lacks:
            raise NotThere(f"{self._lacks}: no forecast of {_time_text(self._init_time)}")

    def _is_of_use(self, arrays: Arrays, one: Field) -> bool:
        if _coordinate(arrays, one, "lead")[0] is None and _coordinate(arrays, one, "time")[0] is None:
            return False
        init, along = _coordinate(arrays, one, "init")
        if init is None:
            return True
        times = self._values_of(arrays, init, lengths=False)
        if self._init_time in times:
            return True
        if not along:
            there, wanted = _time_text(times[0]), _time_text(self._init_time)
            raise UserError(f"{arrays.path}: holds a forecast of {there}, not of {wanted}")
        self._lacks = arrays.path
        return False

    def _times(self, source: _Source) -> dict[Any, dict[str, int]]:
        arrays, one = source.arrays, source.field
        init, along = _coordinate(arrays, one, "init")
        at: dict[str, int] = {}
        if init is not None and along:
            at["init"] = int(np.flatnonzero(self._values_of(arrays, init, lengths=False) == self._init_time)[0])
        lead, along = _coordinate(arrays, one, "lead")
        role = "lead"
        if lead is not None:
            leads = self._values_of(arrays, lead, lengths=True)
        else:
            role = "time"
            time, along = _coordinate(arrays, one, "time")
            if init is None and not self._of_one_init_time:
                raise UserError(
                    f"{arrays.path}: {one.variable.name} has valid times and no init times; allowed: a store with "
                    "both init and lead time, or files of one init time each, with `pattern`"
                )
            leads = self._values_of(arrays, time, lengths=False) - self._init_time
        return {
            lead: {**at, role: place} if along else at
            for place, lead in enumerate(leads)
            if lead >= np.timedelta64(0, "us")
        }

    def lead_times(self, param: str) -> list[timedelta]:
        """Return the lead times of a param, sorted."""
        return [as_timedelta(lead) for lead in sorted(self._all(param))]

    def read(self, param: str, lead_time: timedelta, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a lead time.

        Raises
        ------
        UserError
            Where there is no such param, lead time or member, or the file cannot be read.
        """
        return self._read(param, self._at(param, lead_time), member)

    def accumulation(self, param: str, lead_time: timedelta) -> timedelta | None:
        """Return the length of the time that the values at a lead time are a sum of, or None."""
        return self._sum_length(self._at(param, lead_time))

    def _at(self, param: str, lead_time: timedelta) -> _Place:
        found = self._all(param).get(np.timedelta64(lead_time, "us"))
        if found is None:
            raise UserError(f"{self._first(param).field.where()}: no lead time {lead_time}")
        return found


class CfArchive(_Reader):
    """Analyses or observations by valid time, in one file or many; see `reader.Archive`."""

    def __init__(self, files: Iterable[Arrays], *, told: Told | None = None, find_grid: FindGrid | None = None) -> None:
        """Read what the files hold. Parameters as of `CfForecast`."""
        super().__init__(files, told, find_grid)

    def _is_of_use(self, arrays: Arrays, one: Field) -> bool:
        if "lead" in one.axes or "init" in one.axes:
            raise UserError(f"{one.where()} is by init and lead time: forecasts; allowed: values by valid time")
        return _coordinate(arrays, one, "time")[0] is not None

    def _times(self, source: _Source) -> dict[Any, dict[str, int]]:
        time, along = _coordinate(source.arrays, source.field, "time")
        times = self._values_of(source.arrays, time, lengths=False)
        return {valid: {"time": place} if along else {} for place, valid in enumerate(times)}

    def valid_times(self, param: str) -> list[datetime]:
        """Return the valid times of a param, sorted."""
        return [time.astype(datetime) for time in sorted(self._all(param))]

    def read(self, param: str, valid_time: datetime, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a valid time, missing where there is none."""
        found = self._all(param).get(np.datetime64(valid_time, "us"))
        if found is None:
            return np.full(self.grid(param).size, np.nan, dtype=np.float32)
        return self._read(param, found, member)

    def read_many(
        self, params: Iterable[str], valid_times: Iterable[datetime], member: str | None = None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        """Yield (param, valid time, values) of what is there, param by param in order of time.

        Each chunk is read once.
        """
        wanted = sorted({np.datetime64(time, "us") for time in valid_times})
        for param in dict.fromkeys(params):
            places = self._all(param)
            for time in wanted:
                if time in places:
                    yield param, time.astype(datetime), self._read(param, places[time], member)

    def accumulation(self, param: str, valid_time: datetime) -> timedelta | None:
        """Return the length of the time that the values at a valid time are a sum of, or None."""
        places = self._all(param)
        found = places.get(np.datetime64(valid_time, "us")) or next(iter(places.values()))
        return self._sum_length(found)


def _coordinate(arrays: Arrays, one: Field, role: str) -> tuple[Variable | None, bool]:
    return coordinate_in(arrays, one.variable, one.axes, role)


def member_name(value: object) -> str:
    """Return a member as it is called here: three digits where it is a number."""
    name = text(value).strip().removesuffix(".0")
    return f"{int(name):03d}" if name.isdigit() else name


def _time_text(time: np.datetime64) -> str:
    return f"{time.astype(datetime):%Y-%m-%d %H:%M} UTC"
