"""What NetCDF and Zarr hold, param or not, for the proof that a forecast is whole.

In arrays a field is told from others by its variable's name, its pressure level and its member.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np

from evalflow.fields.arrays.cf import coordinate_in, coordinate_of, role_of, roles_of
from evalflow.fields.arrays.named import Arrays, Variable, as_timedelta, durations_of, text, times_of, units_of
from evalflow.fields.arrays.netcdf import open_netcdf
from evalflow.fields.arrays.readers import member_name
from evalflow.fields.arrays.zarrs import open_zarr
from evalflow.fields.entries import Entry

_NAMING = ("bounds", "climatology", "coordinates", "grid_mapping", "cell_measures", "ancillary_variables")
"""Attributes that name variables which are no fields."""
_COUNTED = ("pressure", "member")
"""Roles of dimensions along which fields are told from each other."""


@dataclass(frozen=True)
class _Part:
    """The values of one time of a field."""

    variable: Variable
    label: str
    shown: str
    index: dict[str, int]
    space: tuple[str, ...]

    def name(self) -> str:
        """Return the variable's name, with level and member."""
        return f"{self.variable.name}{self.label}"

    def grid_name(self) -> str:
        """Return the dimensions of the points, and where the first is."""
        sizes = [f"{dim} {self.variable.shape[self.variable.dims.index(dim)]}" for dim in self.space]
        return f"{' × '.join(sizes) or 'one point'}{self.shown}"

    def is_written(self) -> bool:
        """Tell whether a file holds it, and any value is in it: what stands for others may be 0."""
        return bool(self.variable.files(self.index)) and not self.is_missing()

    def is_missing(self) -> bool:
        """Tell whether there is no value at any point."""
        values = self.variable.read(self.index)
        return values.dtype.kind == "f" and bool(np.isnan(values).all())


def array_entries(path: Path, init_time: datetime) -> list[Entry]:
    """Return what is in a NetCDF file or a Zarr store.

    Parameters
    ----------
    init_time : of the forecast, naive, UTC: that of all fields, where the file does not say it

    Raises
    ------
    UserError
        Where the file cannot be read, or does not say of which times it is.
    """
    arrays = open_zarr(path) if path.is_dir() else open_netcdf(path)
    named = {
        word for one in arrays.variables.values() for key in _NAMING for word in text(one.attrs.get(key, "")).split()
    }
    grids: dict[tuple[str, ...], tuple[str, str]] = {}
    found: list[Entry] = []
    for variable in arrays.variables.values():
        if variable.name not in {*variable.dims, *named} and _is_field(arrays, variable):
            found += _entries_of(arrays, variable, init_time, grids)
    return found


def _is_field(arrays: Arrays, variable: Variable) -> bool:
    """Return whether a variable has values of the weather and no coordinates.

    A duration of sunshine has the units of a lead time, a pressure those of a level.
    """
    role = role_of(arrays, variable.name)
    is_coordinate = role in ("init", "time") or (role in ("lead", "member") and len(variable.dims) < 2)
    return bool(variable.dims) and variable.dtype.kind in "iuf" and not is_coordinate


def _entries_of(
    arrays: Arrays, variable: Variable, init_time: datetime, grids: dict[tuple[str, ...], tuple[str, str]]
) -> Iterator[Entry]:
    roles = roles_of(arrays, variable)
    axes = {role: dim for dim, role in roles.items() if role is not None}
    space = tuple(dim for dim, role in roles.items() if role is None)
    if space not in grids:
        grids[space] = _grid_of(arrays, space)
    digest, shown = grids[space]
    times = list(_times_of(arrays, variable, axes, init_time))
    for parts in product(*(_labels(arrays, axes[role], role) for role in _COUNTED if role in axes)):
        fixed = {dim: place for dim, place, _ in parts}
        label = "".join(f" ({text})" for _, _, text in parts)
        for reference_time, lead_time, index in times:
            yield Entry(
                what=(variable.name, label),
                grid=(digest, tuple(variable.shape[variable.dims.index(dim)] for dim in space)),
                reference_time=reference_time,
                lead_time=lead_time,
                where=f"{arrays.path}: {variable.name}",
                stored=_Part(variable, label, shown, {**index, **fixed}, space),
            )


def _times_of(
    arrays: Arrays, variable: Variable, axes: dict[str, str], init_time: datetime
) -> Iterator[tuple[datetime, timedelta, dict[str, int]]]:
    """Yield reference time, lead time and the places along dimensions; nothing for a constant."""
    inits: list[tuple[datetime, dict[str, int]]] = [(init_time, {})]
    coordinate, along = coordinate_in(arrays, variable, axes, "init")
    if coordinate is not None:
        times = times_of(coordinate, arrays.path).ravel()
        inits = [(time.astype(datetime), _place(axes, "init", place, along)) for place, time in enumerate(times)]
    coordinate, along = coordinate_in(arrays, variable, axes, "lead")
    if coordinate is not None:
        leads = [as_timedelta(lead) for lead in durations_of(coordinate, arrays.path).ravel()]
        for (init, one), (place, lead) in product(inits, enumerate(leads)):
            yield init, lead, {**one, **_place(axes, "lead", place, along)}
        return
    coordinate, along = coordinate_in(arrays, variable, axes, "time")
    if coordinate is not None:
        valid = [time.astype(datetime) for time in times_of(coordinate, arrays.path).ravel()]
        for (init, one), (place, time) in product(inits, enumerate(valid)):
            yield init, time - init, {**one, **_place(axes, "time", place, along)}


def _place(axes: dict[str, str], role: str, place: int, along: bool) -> dict[str, int]:
    return {axes[role]: place} if along else {}


def _labels(arrays: Arrays, dim: str, role: str) -> list[tuple[str, int, str]]:
    """Return (dimension, place, how people call it) for each level or member."""
    coordinate = coordinate_of(arrays, dim, role)
    if coordinate is None:
        sizes = [one.shape[one.dims.index(dim)] for one in arrays.variables.values() if dim in one.dims]
        return [(dim, place, f"{dim} {place}") for place in range(sizes[0])]
    values = np.asarray(coordinate.read()).ravel()
    if role == "member":
        return [(dim, place, f"member {member_name(value)}") for place, value in enumerate(values)]
    return [(dim, place, f"{value:g} {units_of(coordinate) or ''}".rstrip()) for place, value in enumerate(values)]


def _grid_of(arrays: Arrays, space: tuple[str, ...]) -> tuple[str, str]:
    """Return a digest of the coordinates of points, and where the first point is, for people."""
    digest, first = hashlib.sha256(), []
    for name, one in sorted(arrays.variables.items()):
        is_angle = (units_of(one) or "").startswith("degree")
        if one.dims and set(one.dims) <= set(space) and (is_angle or name in space) and one.dtype.kind in "iuf":
            values = np.asarray(one.read(), dtype=np.float64)
            digest.update(name.encode() + values.tobytes())
            if values.size and math.isfinite(values.flat[0]):
                first.append(f"{name} {values.flat[0]:g}")
    return digest.hexdigest(), f" from {', '.join(first)}" if first else ""
