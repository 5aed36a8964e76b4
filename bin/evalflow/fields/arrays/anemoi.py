"""What anemoi writes: datasets of analyses (Zarr), and the units of anemoi-inference's output."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.arrays.named import Arrays, Variable, as_timedelta, microseconds_in, times_of
from evalflow.fields.grids import Grid, Kind
from evalflow.fields.params import Param, convert, find_param, param_named
from evalflow.fields.reader import member_index
from evalflow.fields.units import STANDARD_GRAVITY

_DIMS = ("time", "variable", "ensemble", "cell")
_HOUR = timedelta(hours=1)


def units_of_name(name: str, param: Param) -> str:
    """Return the units that a variable has by its name, where a dataset records none.

    Names are COSMO/ICON's or IFS's. Both have the units of the table of params but for
    precipitation, which is in metres, and IFS's cloud cover, which is a fraction.
    """
    if param.quantity == "percentage" and name != param.name:
        return "1"
    return "m" if param.accumulated else param.units


def output_units(arrays: Arrays) -> dict[str, str]:
    """Return the units of anemoi-inference's output by variable.

    It records none, and names are those of the training data.
    """
    found = {}
    for name, variable in arrays.variables.items():
        param = find_param(name) if variable.dims == ("time", "values") and "units" not in variable.attrs else None
        if param is not None:
            found[name] = units_of_name(name, param)
    return found


def is_dataset(arrays: Arrays) -> bool:
    """Return whether a Zarr store is an anemoi dataset."""
    return "data" in arrays.variables and "variables" in arrays.attrs


@dataclass(frozen=True)
class _Column:
    """One variable of a dataset."""

    place: int
    name: str
    param: Param
    units: str
    sum_of: timedelta | None


class AnemoiArchive:
    """Analyses of an anemoi dataset, by valid time; see `reader.Archive`."""

    def __init__(self, arrays: Arrays, *, told: Told | None = None) -> None:
        """Read what the dataset holds.

        Parameters
        ----------
        arrays : the store, opened by `zarrs.open_zarr`
        told : what the config says of names and units

        Raises
        ------
        UserError
            Where the store is no dataset of analyses.
        """
        self.notes: list[str] = []
        self._arrays = arrays
        self._data = arrays.variables["data"]
        if len(self._data.shape) != 4:
            raise UserError(f"{arrays.path}: data has {len(self._data.shape)} dimensions; allowed: {', '.join(_DIMS)}")
        # The order is what counts: older datasets name the dimensions otherwise.
        self._dims = dict(zip(_DIMS, self._data.dims, strict=True))
        self._columns = self._find_columns(told or Told())
        dates = times_of(self._variable("dates"), arrays.path)
        lacking = np.array(arrays.attrs.get("missing_dates") or [], dtype="datetime64[us]")
        self._dates = {date: place for place, date in enumerate(dates) if date not in lacking}

    def _find_columns(self, told: Told) -> dict[str, _Column]:
        metadata = self._arrays.attrs.get("variables_metadata") or {}
        found: dict[str, _Column] = {}
        for place, name in enumerate(self._arrays.attrs["variables"]):
            param = param_named(told.columns[name]) if name in told.columns else find_param(name)
            if param is None or param.name in found:
                continue
            recorded = metadata.get(name) or {}
            units = told.units_for(name, param) or recorded.get("units") or units_of_name(name, param)
            found[param.name] = _Column(place, name, param, units, _sum_of(param, recorded))
        return found

    def _variable(self, *names: str) -> Variable:
        for name in names:
            if name in self._arrays.variables:
                return self._arrays.variables[name]
        raise UserError(f"{self._arrays.path}: has no {names[0]}; allowed: an anemoi dataset of analyses")

    @property
    def uuid(self) -> str | None:
        """Return the dataset's own id, which stays when dates are appended, or None."""
        return self._arrays.attrs.get("uuid")

    def params(self) -> set[str]:
        """Return the params that are held directly."""
        return set(self._columns)

    def _column(self, param: str) -> _Column:
        if param not in self._columns:
            there = ", ".join(sorted(self._columns)) or "no param that is known"
            raise UserError(f"{self._arrays.path}: no {param}; there are {there}")
        return self._columns[param]

    def valid_times(self, param: str) -> list[datetime]:
        """Return the valid times, sorted."""
        self._column(param)
        return [date.astype(datetime) for date in sorted(self._dates)]

    def members(self, param: str) -> list[str]:
        """Return the ensemble members; none where there is one."""
        self._column(param)
        size = self._data.shape[2]
        return [f"{member:03d}" for member in range(size)] if size > 1 else []

    def describe(self, param: str, time: datetime | None = None) -> str:
        """Return store, variable and units of a param."""
        column = self._column(param)
        return f"{self._arrays.path}: {column.name} [{column.units}]"

    def accumulation(self, param: str, valid_time: datetime) -> timedelta | None:
        """Return the length of the time that the values at a valid time are a sum of, or None."""
        return self._column(param).sum_of

    def packing(self, param: str, time: datetime) -> float:
        """Return 0: the values are floats."""
        return 0.0

    def grid(self, param: str) -> Grid:
        """Return the points, which all params share."""
        self._column(param)
        return self._grid

    @cached_property
    def _grid(self) -> Grid:
        latitudes = np.asarray(self._variable("latitudes", "latitude").read())
        longitudes = np.asarray(self._variable("longitudes", "longitude").read())
        recorded: list[int] = list(self._arrays.attrs.get("field_shape") or ())
        shape: tuple[int, int] | None = None
        kind: Kind = "unstructured"
        if len(recorded) == 2 and recorded[0] * recorded[1] == latitudes.size:
            shape = (int(recorded[0]), int(recorded[1]))
            rows = latitudes.reshape(shape)
            columns = longitudes.reshape(shape)
            regular = np.allclose(rows, rows[:, :1], atol=1e-4) and np.allclose(columns, columns[:1], atol=1e-4)
            kind = "regular" if regular else "projected"
        try:
            return Grid(latitudes, longitudes, kind, shape, self._elevation())
        except ValueError as error:
            raise UserError(f"{self._arrays.path}: {error}") from None

    def _elevation(self) -> np.ndarray | None:
        """Return the elevation (m): itself, or the first date's surface geopotential / 9.80665."""
        for name in ("HSURF", "FIS"):
            column = self._columns.get(name)
            if column is not None and self._dates:
                values = self._read([min(self._dates.values())], [column.place], 0)[0, 0]
                values = convert(values, column.units, column.param, self.describe(name))
                return values if name == "HSURF" else values / np.float32(STANDARD_GRAVITY)
        return None

    def read(self, param: str, valid_time: datetime, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a valid time, missing where there is none."""
        for _, _, values in self.read_many([param], [valid_time], member):
            return values
        return np.full(self._data.shape[3], np.nan, dtype=np.float32)

    def read_many(
        self, params: Iterable[str], valid_times: Iterable[datetime], member: str | None = None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        """Yield (param, valid time, values) of what is there, in order of time.

        A chunk holds all variables of its dates, and is read once.
        """
        columns = sorted({self._column(param) for param in params}, key=lambda column: column.place)
        wanted = {self._dates[time]: time for time in _sorted_times(valid_times) if time in self._dates}
        if not columns or not wanted:
            return
        which = member_index(self.members(columns[0].param.name), member, self._arrays.path)
        length = self._data.chunk(self._dims["time"])
        for chunk in sorted({place // length for place in wanted}):
            places = [place for place in sorted(wanted) if place // length == chunk]
            values = self._read(places, [column.place for column in columns], which)
            for row, place in enumerate(places):
                for number, column in enumerate(columns):
                    found = convert(values[row, number], column.units, column.param, self.describe(column.param.name))
                    yield column.param.name, wanted[place].astype(datetime), found

    def files(self, params: Iterable[str], valid_times: Iterable[datetime]) -> list[Path]:
        """Return the chunks that hold values of some params and times."""
        variables = [self._column(param).place for param in params]
        dates = [self._dates[time] for time in _sorted_times(valid_times) if time in self._dates]
        index = {self._dims["time"]: np.array(dates, dtype=int), self._dims["variable"]: np.array(variables, dtype=int)}
        return sorted(self._data.files(index))

    def _read(self, dates: list[int], variables: list[int], member: int) -> np.ndarray:
        """Return values [dates, variables, points], float32, in the dataset's units."""
        index: dict[str, Any] = {"time": np.array(dates), "variable": np.array(variables), "ensemble": member}
        return self._data.read({self._dims[dim]: at for dim, at in index.items()}).astype(np.float32, copy=False)


def _sorted_times(times: Iterable[datetime]) -> list[np.datetime64]:
    return sorted({np.datetime64(time, "us") for time in times})


def _sum_of(param: Param, recorded: Mapping[str, Any]) -> timedelta | None:
    """Return the time that values are sums of: by name, as recorded, else the hour before."""
    if not param.accumulated:
        return None
    if param.hours is not None:
        return param.hours * _HOUR
    period = recorded.get("period")
    if period is None:
        return _HOUR
    start, end = (_length(edge) for edge in period)
    return end - start


def _length(edge: Any) -> timedelta:
    """Return a lead time as anemoi writes it: `6h`, `30m`, or a number of hours."""
    match = re.fullmatch(r"(\d+)([a-zA-Z]*)", str(edge).strip())
    # `m` is minutes there.
    unit = {"m": "min", "": "h"}.get(match[2], match[2]) if match else ""
    length = microseconds_in(unit)
    if match is None or length is None:
        raise UserError(f'a period of accumulation is recorded as "{edge}"; allowed: hours such as 6h')
    return as_timedelta(np.timedelta64(int(int(match[1]) * length), "us"))
