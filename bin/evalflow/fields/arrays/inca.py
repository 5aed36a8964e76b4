"""Archives of INCA, MeteoSwiss's nowcasting, in NetCDF.

A file has one variable: `{root}/{YYYY}/{MM}/{VAR}_INCA_{YYYYmmddHHMM}.nc`. Two things of the source
are known and undone here. Temperature and dew point of runs at full hours are wrong from 1 h on:
the run of ten minutes before is read instead. Precipitation says "mm/h" and is the amount of the
ten minutes before.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from pyproj import Transformer

from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.arrays.named import Arrays, Variable, as_timedelta, packing_of, times_of, units_of
from evalflow.fields.arrays.netcdf import open_netcdf
from evalflow.fields.grids import Grid
from evalflow.fields.params import convert, convert_distance, param_named
from evalflow.fields.reader import NotThere, member_index
from evalflow.fields.specs import SourceSpec
from evalflow.fields.units import conversion
from evalflow.fields.winds import wind_to_east, wind_to_north

# Param → variable, unit where the file's is not one that evalflow knows.
_VARIABLES = {
    "T_2M": ("TT", "degC"),
    "TD_2M": ("TD", "degC"),
    "TOT_PREC": ("RR", "mm"),
    "SP_10M": ("FF", "m s-1"),
    "DD_10M": ("DD", "degree"),
    "VMAX_10M": ("WG", "m s-1"),
    "CLCT": ("CT", "%"),
}
_WIND_PARTS = {"U_10M": wind_to_east, "V_10M": wind_to_north}
_WRONG_AT_FULL_HOURS = ("T_2M", "TD_2M")
_TEN_MINUTES, _HOUR = timedelta(minutes=10), timedelta(hours=1)
_TOPOGRAPHY = "INCA1km_topography_parameters.nc"
_CH1903 = "EPSG:21781"

Place = tuple[Arrays, int]
"""A file, and the place in it along time."""


def forecast(source: SourceSpec, init_time: datetime, files: list[Path]) -> "IncaForecast":
    """Return the forecast of an init time.

    The archive's layout says which files it is in: `files` does not count.
    """
    return IncaForecast(source.root, init_time, Told(units=source.units))


class IncaForecast:
    """One forecast of an INCA archive; see `reader.Forecast`.

    A file that is missing is missing values.
    """

    def __init__(self, root: Path, init_time: datetime, told: Told) -> None:
        """Look for the files.

        Parameters
        ----------
        root : holds `{YYYY}/{MM}/…` and `INCA1km_topography_parameters.nc`
        init_time : of the forecast
        told : what the config says of units

        Raises
        ------
        NotThere
            Where the archive has no file of this init time.
        """
        self.notes: list[str] = []
        self._root, self._init_time, self._told = root, init_time, told
        self._files: dict[Path, Arrays] = {}
        self._found: dict[str, dict[timedelta, Place]] = {}
        if not any(self._path(param, init_time).exists() for param in _VARIABLES):
            raise NotThere(f"{root}: no forecast of {init_time:%Y-%m-%d %H:%M} UTC")

    def _path(self, param: str, time: datetime) -> Path:
        return self._root / f"{time:%Y}" / f"{time:%m}" / f"{_VARIABLES[param][0]}_INCA_{time:%Y%m%d%H%M}.nc"

    def _open(self, param: str, time: datetime) -> Arrays | None:
        path = self._path(param, time)
        if path not in self._files:
            if not path.exists():
                line = f"{path}: no such file: its values are missing"
                self.notes += [line] if line not in self.notes else []
                return None
            self._files[path] = open_netcdf(path)
        return self._files[path]

    def params(self) -> set[str]:
        """Return the params that the init time's month has files of, and the parts of the wind."""
        return self._params

    @cached_property
    def _params(self) -> set[str]:
        folder = self._root / f"{self._init_time:%Y}" / f"{self._init_time:%m}"
        found = {
            param
            for param, (name, _) in _VARIABLES.items()
            if next(folder.glob(f"{name}_INCA_{self._init_time:%Y%m}*.nc"), None)
        }
        return found | (set(_WIND_PARTS) if {"SP_10M", "DD_10M"} <= found else set())

    def members(self, param: str) -> list[str]:
        """Return no members."""
        return []

    def describe(self, param: str, time: timedelta | None = None) -> str:
        """Return the file and the units of a param."""
        held = "SP_10M" if param in _WIND_PARTS else param
        if held not in self.params():
            raise UserError(f"{self._root}: no {param}; there are {', '.join(sorted(self.params()))}")
        return f"{self._path(held, self._init_time)}: {_VARIABLES[held][0]}"

    def _places(self, param: str) -> dict[timedelta, Place]:
        """Return where the values of each lead time are."""
        if param not in self._found:
            self.describe(param)
            found = self._of_run(param, self._init_time)
            if param in _WRONG_AT_FULL_HOURS and self._init_time.minute == 0:
                before = self._of_run(param, self._init_time - _TEN_MINUTES)
                # A run's steps are hours after its own start, ten minutes off, unless it has the
                # full hours themselves.
                shifted = {lead + _TEN_MINUTES: place for lead, place in before.items()} | before
                found = {lead: place for lead, place in found.items() if lead < _HOUR}
                found |= {
                    lead: place for lead, place in shifted.items() if lead >= _HOUR and lead % _HOUR == timedelta(0)
                }
            self._found[param] = found
        return self._found[param]

    def _of_run(self, param: str, time: datetime) -> dict[timedelta, Place]:
        """Return lead times, counted from this forecast's init time, of a run's file."""
        arrays = self._open(param, time)
        if arrays is None:
            return {}
        leads = times_of(self._variable(arrays, "time"), arrays.path).ravel() - np.datetime64(self._init_time, "us")
        return {as_timedelta(lead): (arrays, place) for place, lead in enumerate(leads)}

    def _variable(self, arrays: Arrays, name: str) -> Variable:
        if name not in arrays.variables:
            raise UserError(f"{arrays.path}: has no variable {name}; allowed: a file of INCA")
        return arrays.variables[name]

    def lead_times(self, param: str) -> list[timedelta]:
        """Return the lead times of a param, sorted."""
        found = set.intersection(*(set(self._places(one)) for one in _parts_of(param)))
        return sorted(lead for lead in found if lead >= timedelta(0))

    def accumulation(self, param: str, lead_time: timedelta) -> timedelta | None:
        """Return ten minutes for precipitation: the amounts follow each other."""
        if param != "TOT_PREC":
            return None
        times = sorted(self._places(param))
        return times[1] - times[0] if len(times) > 1 else _TEN_MINUTES

    def packing(self, param: str, lead_time: timedelta) -> float:
        """Return how far two values of a param at a lead time are apart in the file; 0: not packed, or derived."""
        place = self._places(param).get(lead_time)
        if place is None or param in _WIND_PARTS:
            return 0.0
        variable = self._variable(place[0], _VARIABLES[param][0])
        return convert_distance(packing_of(variable), self._units(param, variable), param_named(param), place[0].path)

    def files(self, params: Iterable[str], lead_times: Iterable[timedelta]) -> list[Path]:
        """Return the files that hold some params at lead times."""
        times = list(lead_times)
        held = {one for param in params for one in _parts_of(param)}
        found = {Path(place[0].path) for one in held for time, place in self._places(one).items() if time in times}
        return sorted(found)

    def read(self, param: str, lead_time: timedelta, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a lead time.

        Raises
        ------
        UserError
            Where there is no such param or lead time.
        """
        member_index([], member, str(self._root))
        if param in _WIND_PARTS:
            return _WIND_PARTS[param](self.read("SP_10M", lead_time), self.read("DD_10M", lead_time))
        place = self._places(param).get(lead_time)
        if place is None:
            raise UserError(f"{self.describe(param)}: no lead time {lead_time}")
        arrays, index = place
        name, _ = _VARIABLES[param]
        variable = self._variable(arrays, name)
        values = variable.read({variable.dims[0]: index}).astype(np.float32)
        values = np.transpose(values, [variable.dims[1:].index(dim) for dim in ("chy", "chx")]).ravel()
        return convert(values, self._units(param, variable), param_named(param), f"{arrays.path}: {name}")

    def _units(self, param: str, variable: Variable) -> str:
        (name, usual), kind, said = _VARIABLES[param], param_named(param), units_of(variable) or ""
        own = said if conversion(said, kind.quantity) else usual
        return self._told.units_for(name, kind) or own

    def grid(self, param: str) -> Grid:
        """Return the points of the Swiss grid, which all params share."""
        self.describe(param)
        return self._grid

    @cached_property
    def _grid(self) -> Grid:
        arrays = next(found for param in _VARIABLES if (found := self._open_if_there(param)))
        east, north = (np.asarray(self._variable(arrays, name).read(), dtype=np.float64) for name in ("chx", "chy"))
        transform = Transformer.from_crs(_CH1903, "EPSG:4326", always_xy=True)
        longitudes, latitudes = transform.transform(*np.meshgrid(east, north))
        return Grid(latitudes, longitudes, "projected", (north.size, east.size), self._elevation(east, north))

    def _open_if_there(self, param: str) -> Arrays | None:
        return self._open(param, self._init_time) if self._path(param, self._init_time).exists() else None

    def _elevation(self, east: np.ndarray, north: np.ndarray) -> np.ndarray | None:
        """Return the archive's topography at the points (m, bilinear), or None."""
        path = self._root / _TOPOGRAPHY
        if not path.exists():
            self.notes.append(f"{path}: no such file: the elevation is not known")
            return None
        arrays = open_netcdf(path)
        heights = self._variable(arrays, "DEM")
        values = np.asarray(heights.read(), dtype=np.float64)
        values = values if heights.dims == ("p_i", "p_j") else values.T
        axes: Mapping[str, np.ndarray] = {
            name: np.asarray(self._variable(arrays, name).read(), dtype=np.float64).ravel() for name in ("y", "x")
        }
        return _bilinear(values, axes, north, east).astype(np.float32)


def _parts_of(param: str) -> tuple[str, ...]:
    return ("SP_10M", "DD_10M") if param in _WIND_PARTS else (param,)


def _bilinear(values: np.ndarray, axes: Mapping[str, np.ndarray], north: np.ndarray, east: np.ndarray) -> np.ndarray:
    """Return values [y, x] at each north and east, missing outside."""
    for axis, (name, wanted) in enumerate((("y", north), ("x", east))):
        order = np.argsort(axes[name])
        known, values = axes[name][order], np.take(values, order, axis)
        after = np.clip(np.searchsorted(known, wanted), 1, known.size - 1)
        share = (wanted - known[after - 1]) / (known[after] - known[after - 1])
        share = np.where((share < 0) | (share > 1), np.nan, share)
        share = share[:, None] if axis == 0 else share
        values = np.take(values, after - 1, axis) * (1 - share) + np.take(values, after, axis) * share
    return values
