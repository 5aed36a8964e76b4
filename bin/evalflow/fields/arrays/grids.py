"""The points of fields in named arrays: of grids of every kind, and of stations."""

from collections.abc import Callable

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Field, Told, find_fields
from evalflow.fields.arrays.named import Arrays, Variable, text, units_of
from evalflow.fields.grids import Grid, Kind
from evalflow.fields.units import STANDARD_GRAVITY, conversion

FindGrid = Callable[[int, str | None], Grid | None]
"""Returns the grid of so many points, or of a uuid, that the config's `grids` names."""

_LATITUDES = ("latitude", "lat", "latitudes", "lats", "clat", "nav_lat", "xlat")
_LONGITUDES = ("longitude", "lon", "longitudes", "lons", "clon", "nav_lon", "xlong")
_HEIGHTS = {"altitude", "surface_altitude", "height", "height_above_mean_sea_level"}
_NAMES = ("station_id", "station", "station_name", "name", "platform_id", "platform_name")


def at_stations(arrays: Arrays) -> bool:
    """Return whether a file says that its points are stations."""
    return text(arrays.attrs.get("featureType", "")).casefold() in {"timeseries", "point", "timeseriesprofile"} or any(
        text(one.attrs.get("cf_role", "")) == "timeseries_id" for one in arrays.variables.values()
    )


def grid_of(
    arrays: Arrays, one: Field, told: Told, find_grid: FindGrid | None, notes: list[str]
) -> tuple[Grid, tuple[str, ...]]:
    """Return the points of a field, and the dimensions in their order.

    Parameters
    ----------
    arrays : the file
    one : a field of it
    told : what is known of names and units (of the elevation)
    find_grid : for files without coordinates
    notes : gets a line where the elevation cannot be used

    Raises
    ------
    UserError
        Where the file does not say where its points are, and the config's `grids` does not either.
    """
    latitude = _coordinate(arrays, one, _LATITUDES, "latitude")
    longitude = _coordinate(arrays, one, _LONGITUDES, "longitude")
    if latitude is None or longitude is None:
        return _elsewhere(arrays, one, find_grid), one.space
    north, east = _degrees(latitude), _degrees(longitude)
    kind: Kind = "unstructured"
    shape: tuple[int, int] | None = None
    if latitude.dims == longitude.dims and set(latitude.dims) == set(one.space):
        space = latitude.dims
        if north.ndim == 2:
            kind, shape = "projected", (north.shape[0], north.shape[1])
    elif len(latitude.dims) == len(longitude.dims) == 1 and {*latitude.dims, *longitude.dims} == set(one.space):
        space, shape, kind = (*latitude.dims, *longitude.dims), (north.size, east.size), "regular"
        north, east = np.meshgrid(north, east, indexing="ij")
    else:
        raise UserError(f"{one.where()} has dimensions {', '.join(one.space)}, of which {latitude.name} has none")
    names = _names(arrays, space) if kind == "unstructured" else None
    if names is not None or (kind == "unstructured" and at_stations(arrays)):
        kind = "stations"
    try:
        return Grid(
            north, east, kind, shape, _elevation(arrays, space, told, notes), names, _area(arrays, one, space)
        ), space
    except ValueError as error:
        raise UserError(f"{arrays.path}: {latitude.name} and {longitude.name}: {error}") from None


def _elsewhere(arrays: Arrays, one: Field, find_grid: FindGrid | None) -> Grid:
    points = int(np.prod([one.variable.shape[one.variable.dims.index(dim)] for dim in one.space]))
    uuid = text(arrays.attrs["uuidOfHGrid"]) if "uuidOfHGrid" in arrays.attrs else None
    found = find_grid(points, uuid) if find_grid else None
    if found is None or found.size != points:
        raise UserError(
            f"{one.where()} has no latitudes and longitudes: name the file that has those of its {points} points in `grids`"
        )
    return found


def _coordinate(arrays: Arrays, one: Field, names: tuple[str, ...], standard_name: str) -> Variable | None:
    """Return the latitudes or longitudes along a field's dimensions, by standard name or name."""
    own = set(one.space)
    along = [var for var in arrays.variables.values() if var.dims and set(var.dims) <= own]
    # Corners of cells are along one dimension more; what the field itself names comes first.
    mentioned = text(one.variable.attrs.get("coordinates", "")).split()
    along.sort(key=lambda var: var.name not in mentioned)
    for variable in along:
        if text(variable.attrs.get("standard_name", "")) == standard_name:
            return variable
    return next((var for name in names for var in along if var.name.casefold() == name), None)


def _degrees(variable: Variable) -> np.ndarray:
    values = np.asarray(variable.read(), dtype=np.float64)
    return np.rad2deg(values) if (units_of(variable) or "").startswith("radian") else values


def _in_order(variable: Variable, space: tuple[str, ...]) -> np.ndarray:
    return np.transpose(np.asarray(variable.read()), [variable.dims.index(dim) for dim in space]).ravel()


def _elevation(arrays: Arrays, space: tuple[str, ...], told: Told, notes: list[str]) -> np.ndarray | None:
    """Return the elevation of the points (m), or the surface geopotential / 9.80665."""
    fields, _ = find_fields(arrays, told)
    found = [(fields["HSURF"].variable, fields["HSURF"].units, "length")] if "HSURF" in fields else []
    for variable in arrays.variables.values():
        if text(variable.attrs.get("standard_name", "")) in _HEIGHTS or variable.name.casefold() in _HEIGHTS:
            found.append((variable, units_of(variable), "length"))
    if "FIS" in fields:
        found.append((fields["FIS"].variable, fields["FIS"].units, "geopotential"))
    for variable, units, quantity in found:
        if not set(space) <= set(variable.dims):
            continue
        numbers = conversion(units or "", quantity)
        if numbers is None:
            notes.append(f'{arrays.path}: {variable.name} is not used as elevation: its units are "{units or ""}"')
            continue
        values = variable.read({dim: 0 for dim in variable.dims if dim not in space})
        left = [dim for dim in variable.dims if dim in space]
        values = np.transpose(values, [left.index(dim) for dim in space]).ravel()
        return (values * numbers[0] / (1 if quantity == "length" else STANDARD_GRAVITY)).astype(np.float32)
    return None


def _area(arrays: Arrays, one: Field, space: tuple[str, ...]) -> np.ndarray | None:
    """Return the cell areas that the field names in `cell_measures`, or None."""
    words = text(one.variable.attrs.get("cell_measures", "")).split()
    name = words[words.index("area:") + 1] if "area:" in words[:-1] else None
    variable = arrays.variables.get(name) if name else None
    return _in_order(variable, space) if variable is not None and set(variable.dims) == set(space) else None


def _names(arrays: Arrays, space: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the names of stations, or None where the points have none."""
    variables = [one for one in arrays.variables.values() if one.dims[:1] == space]
    variables.sort(key=lambda one: text(one.attrs.get("cf_role", "")) != "timeseries_id")
    for variable in variables:
        if text(variable.attrs.get("cf_role", "")) == "timeseries_id" or variable.name.casefold() in _NAMES:
            values = np.asarray(variable.read())
            if values.dtype.kind == "S" and values.ndim == 2:
                return tuple(b"".join(row).split(b"\0")[0].decode().strip() for row in values)
            return tuple(text(value).strip() for value in values)
    return None
