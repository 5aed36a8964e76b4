"""Which fields a file of named arrays holds, by the CF conventions and by habits without them.

Known layouts: CF forecasts of one init time or many (`forecast_reference_time`, `step`),
WeatherBench 2 (`time`, `prediction_timedelta`), earth2studio (`time`, `lead_time`),
anemoi-inference (`time`, `values`), ICON (`ncells`), stations.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.arrays.named import (
    Arrays,
    Variable,
    durations_of,
    is_duration,
    is_time,
    microseconds_in,
    text,
    times_of,
    units_of,
)
from evalflow.fields.params import Param, convert, find_param, param_named, param_of_standard_name

# What a dimension stands for, by the names of its coordinate; CF standard names come first.
_ROLES = {
    "init": ("forecast_reference_time", "init_time", "initial_time", "reference_time", "reftime", "init", "base_time"),
    "lead": ("forecast_period", "prediction_timedelta", "step", "lead_time", "leadtime", "lead", "timedelta"),
    "time": ("time", "valid_time", "date", "dates"),
    "member": ("realization", "member", "number", "ensemble", "ensemble_member", "ens"),
    "pressure": ("air_pressure", "isobaricinhpa", "plev", "pressure_level", "pressure", "isobaric", "level", "lev"),
    "height": ("height", "heightaboveground"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
_METHOD = re.compile(r": (\w+)(?: \(([^)]*)\))?")
_INTERVAL = re.compile(r"interval: ([\d.]+) ?(\w+)")
_LEVEL_IN_NAME = re.compile(r"^([tuvzqr])(\d{2,4})$")
"""`z500`, `t850`: earth2studio and others."""
_HUNDRED_METRES = {"u100", "v100"}
"""The winds at 100 m of ERA5's NetCDF, not at 100 hPa."""


@dataclass(frozen=True)
class Told:
    """What a config says of names and units in files.

    Attributes
    ----------
    columns : name in the file → param
    units : name in the file, or param → units, where the file does not say them or is wrong
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def units_for(self, name: str, param: Param) -> str | None:
        """Return the units that the config says of a variable, or None."""
        return self.units.get(name) or self.units.get(param.name) or self.units.get(param.name.rstrip("0123456789"))


@dataclass(frozen=True)
class Field:
    """One param in a file: a variable, or a level of one.

    Attributes
    ----------
    param, variable, path : what, where
    units : of the values in the file, None where nobody says them
    axes : role (init, lead, time, member) → dimension of the variable
    fixed : places along the dimensions that hold one level or nothing
    space : dimensions of the points
    """

    param: Param
    variable: Variable
    path: str
    units: str | None
    axes: Mapping[str, str]
    fixed: Mapping[str, int]
    space: tuple[str, ...]

    def where(self) -> str:
        """Return the place, for messages."""
        return f"{self.path}: {self.variable.name}"

    def read(self, places: Mapping[str, int | slice | np.ndarray], space: tuple[str, ...]) -> np.ndarray:
        """Return values in the param's unit.

        Parameters
        ----------
        places : role → place or places; roles that are left out must have one place
        space : dimensions of the points, in the order in which the grid has them

        Returns
        -------
        float32 [points], or [places, points] where one role has several places
        """
        index = {dim: places.get(role, 0) for role, dim in self.axes.items()} | dict(self.fixed)
        values = self.variable.read(index)
        left = [dim for dim in self.variable.dims if not np.isscalar(index.get(dim, slice(None)))]
        ahead = [dim for dim in left if dim not in space]
        values = np.transpose(values, [left.index(dim) for dim in (*ahead, *space)])
        values = values.reshape(*values.shape[: len(ahead)], -1).astype(np.float32, copy=False)
        return convert(values, self.units, self.param, self.where()).astype(np.float32, copy=False)


def role_of(arrays: Arrays, dim: str) -> str | None:
    """Return what a dimension stands for: init, lead, time, member, pressure, height.

    None: points, or not known.
    """
    own = arrays.variables.get(dim)
    if own is None:
        return _role_by_others(arrays, dim) or _ROLE_OF.get(dim.casefold())
    if _is_pressure(own):
        return "pressure"
    role = _standard_role(own) or _ROLE_OF.get(re.sub(r"_?\d+$", "", dim).casefold())
    if role == "pressure":
        # `level` in other units counts the model's own levels.
        return role if units_of(own) is None else None
    return role or ("time" if is_time(own) else "lead" if is_duration(own) else None)


def roles_of(arrays: Arrays, variable: Variable) -> dict[str, str | None]:
    """Return what each dimension of a variable stands for: see `role_of`."""
    roles = {dim: role_of(arrays, dim) for dim in variable.dims}
    if "lead" in roles.values():  # then `time` is when the forecasts start
        roles = {dim: "init" if role == "time" else role for dim, role in roles.items()}
    return roles


def _standard_role(variable: Variable) -> str | None:
    return _ROLE_OF.get(text(variable.attrs.get("standard_name", "")))


def _role_by_others(arrays: Arrays, dim: str) -> str | None:
    """Return the role of a dimension without a variable of its name, by those along it.

    `time(obs)` tells that `obs` counts times.
    """
    along = {_standard_role(one) for one in arrays.variables.values() if one.dims == (dim,)}
    return next((role for role in ("lead", "time", "init", "member") if role in along), None)


def coordinate_of(arrays: Arrays, dim: str, role: str) -> Variable | None:
    """Return the variable that holds the values of a dimension, or None."""
    along = [one for one in arrays.variables.values() if one.dims == (dim,)]
    own = [one for one in along if one.name == dim]
    return next(iter(own + [one for one in along if _standard_role(one) == role]), None)


def coordinate_in(
    arrays: Arrays, variable: Variable, axes: Mapping[str, str], role: str
) -> tuple[Variable | None, bool]:
    """Return what holds a variable's values of a role, and whether it is along a dimension.

    Parameters
    ----------
    axes : role → dimension of the variable; without the role, a scalar coordinate may have it

    Raises
    ------
    UserError
        Where a dimension has no values.
    """
    if role in axes:
        dim = axes[role]
        found = coordinate_of(arrays, dim, role)
        if found is None and role != "member":
            raise UserError(f"{arrays.path}: {variable.name} has a dimension {dim}, which has no values")
        return found, True
    named = text(variable.attrs.get("coordinates", "")).split()
    scalars = [var for var in arrays.variables.values() if not var.dims or (var.shape == (1,) and var.name in named)]
    scalars.sort(key=lambda var: var.name not in named)
    return next((var for var in scalars if role_of(arrays, var.name) == role), None), False


def _is_pressure(variable: Variable) -> bool:
    return units_of(variable) in {"hPa", "Pa", "millibar", "millibars", "mbar", "mb"}


def find_fields(arrays: Arrays, told: Told, *, at_stations: bool = False) -> tuple[dict[str, Field], list[str]]:
    """Return the fields of a file by canonical name, and a line for each that cannot be used.

    Parameters
    ----------
    arrays : the file
    told : what the config says of it
    at_stations : a standard name without a height is that of 2 m or 10 m, as stations measure
    """
    found: dict[str, Field] = {}
    notes: list[str] = []
    named: dict[str, Field] = {}
    for variable in arrays.variables.values():
        if variable.name in variable.dims or not variable.dims:
            continue
        for by_name, one in _fields_of(arrays, variable, told, at_stations, notes):
            # A name says more than a standard name, which means of an hour have as well.
            (named if by_name else found).setdefault(one.param.name, one)
    return found | named, notes


def _fields_of(arrays: Arrays, variable: Variable, told: Told, at_stations: bool, notes: list[str]):
    """Yield (whether its name told it, field) for a variable: one for each pressure level."""
    roles = roles_of(arrays, variable)
    pressure = [dim for dim, role in roles.items() if role == "pressure"]
    levels: list[float | None] = (
        list(_levels(arrays.variables.get(pressure[0]))) if pressure else [_level(arrays, variable)]
    )
    space = tuple(dim for dim, role in roles.items() if role is None)
    fixed = {dim: 0 for dim, role in roles.items() if role == "height"}
    for dim in space:
        if len(space) > 2 and variable.shape[variable.dims.index(dim)] == 1:
            space, fixed = tuple(one for one in space if one != dim), {**fixed, dim: 0}
    for place, level in enumerate(levels):
        param, by_name = _param_of(arrays, variable, level, told, at_stations)
        if param is None:
            continue
        if len(space) > 2 or any(variable.shape[variable.dims.index(dim)] != 1 for dim in fixed):
            notes.append(f"{arrays.path}: {variable.name} is left out: it has dimensions {', '.join(variable.dims)}")
            return
        axes = {role: dim for dim, role in roles.items() if role in ("init", "lead", "time", "member")}
        units = told.units_for(variable.name, param) or units_of(variable)
        at = fixed | ({pressure[0]: place} if pressure else {})
        yield by_name, Field(param, variable, arrays.path, units, axes, at, space)


def _levels(coordinate: Variable | None) -> list[float | None]:
    """Return pressure levels in hPa."""
    if coordinate is None:
        return [None]
    values = np.asarray(coordinate.read(), dtype=np.float64)
    return list(values / 100 if units_of(coordinate) == "Pa" else values)


def _coordinates(arrays: Arrays, variable: Variable) -> list[Variable]:
    """Return a variable's scalar coordinates, and those of its dimensions of one place."""
    names = text(variable.attrs.get("coordinates", "")).split() + list(variable.dims)
    found = [arrays.variables[name] for name in dict.fromkeys(names) if name in arrays.variables]
    return [one for one in found if int(np.prod(one.shape)) == 1]


def _level(arrays: Arrays, variable: Variable) -> float | None:
    """Return the one pressure level (hPa) of a variable without a dimension for it, or None."""
    for coordinate in _coordinates(arrays, variable):
        if _is_pressure(coordinate) and role_of(arrays, coordinate.name) == "pressure":
            return _levels(coordinate)[0] if coordinate.dims else float(coordinate.read()) / _hpa(coordinate)
    return None


def _hpa(coordinate: Variable) -> float:
    return 100 if units_of(coordinate) == "Pa" else 1


def _height(arrays: Arrays, variable: Variable) -> float | None:
    """Return the one height above ground (m) of a variable, or None."""
    for coordinate in _coordinates(arrays, variable):
        if role_of(arrays, coordinate.name) == "height" and units_of(coordinate) in (None, "m", "meters", "metre"):
            return float(np.asarray(coordinate.read()).ravel()[0])
    return None


def _param_of(
    arrays: Arrays, variable: Variable, level: float | None, told: Told, at_stations: bool
) -> tuple[Param | None, bool]:
    """Return the param of a variable (at a level in hPa), and whether its name told it."""
    ending = f"_{level:g}" if level is not None else ""
    if variable.name in told.columns:
        return param_named(told.columns[variable.name] + ending), True
    found = find_param(variable.name + ending)
    if found is None and level is None and variable.name not in _HUNDRED_METRES:
        found = find_param(_LEVEL_IN_NAME.sub(r"\1_\2", variable.name))
    if found is not None:
        return found, True
    standard_name = text(variable.attrs.get("standard_name", ""))
    if not standard_name:
        return None, False
    height = _height(arrays, variable)
    heights = (height,) if height is not None or not at_stations else (None, 2, 10)
    for one in heights:
        found = param_of_standard_name(standard_name, height=one, level=level)
        if found is not None:
            return found, False
    return None, False


def sum_length(arrays: Arrays, one: Field, dim: str) -> np.ndarray | np.timedelta64 | None:
    """Return the length of the time that values are sums of, along a dimension of time.

    It is told by the name (`TOT_PREC_1H`), by the bounds of the coordinate, or by `interval:` in
    `cell_methods`.

    Returns
    -------
    timedelta64[us] for each place or for all, or None where the values are no sums

    Raises
    ------
    UserError
        Where nothing tells it.
    """
    if not one.param.accumulated:
        return None
    if one.param.hours is not None:
        return np.timedelta64(one.param.hours * 3600, "s").astype("timedelta64[us]")
    bounds = _bounds(arrays, dim)
    if bounds is not None:
        return bounds
    for method, comment in _METHOD.findall(text(one.variable.attrs.get("cell_methods", ""))):
        interval = _INTERVAL.search(comment)
        length = microseconds_in(interval[2]) if interval else None
        if method == "sum" and interval and length:
            return np.timedelta64(round(float(interval[1]) * length), "us")
    raise UserError(
        f"{one.where()} is a sum over time, and nothing says of what time: add bounds to {dim}, or to its cell_methods "
        '"time: sum (interval: 6 hours)"'
    )


def _bounds(arrays: Arrays, dim: str) -> np.ndarray | None:
    """Return the length of the cells that end at a coordinate's times, or None without bounds."""
    coordinate = arrays.variables.get(dim)
    bounds = arrays.variables.get(text(coordinate.attrs.get("bounds", ""))) if coordinate is not None else None
    if coordinate is None or bounds is None:
        return None
    if bounds.shape != (*coordinate.shape, 2):
        raise UserError(f"{arrays.path}: {bounds.name} has not two values for each of {dim}")
    read = times_of if is_time(coordinate) else durations_of
    edges = read(bounds, arrays.path, units=units_of(bounds) or units_of(coordinate))
    if np.any(edges[:, 1] != read(coordinate, arrays.path)):
        raise UserError(f"{arrays.path}: the sums of {dim} do not end at its times, see {bounds.name}")
    return edges[:, 1] - edges[:, 0]
