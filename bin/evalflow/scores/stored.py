"""Files of statistics: the sums of one source and one init time as a small NetCDF file.

They are of the classic kind (CDF-5): thousands of them are read at a time, and a file of the kind
that HDF5 writes takes several times as long to open and 30 kB for nothing. Each variable has a
checksum, which the format lacks.
"""

import json
import zlib
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from evalflow.errors import UserError
from evalflow.scores.sums import ANOMALIES, MOMENTS, Cells, ParamSums, Sums, cells_per_lead

FORMAT = "evalflow statistics 2"
"""What a file says in its attribute `format`. Another layout gets another number."""

_TIME = "%Y-%m-%dT%H:%M:%S"
_CHECKSUM = "crc32"
_LISTS = ("params", "units", "regions", "statistics", "statistics_long_names")
"""Attributes that are lists of texts, as JSON: the format has none."""
_OWN = ("format", "init_time", "points", *_LISTS, _CHECKSUM)
"""Attributes that hold fields of `Sums`. Texts are not variables, which are slow to read."""

_LONG_NAMES = {
    "n": "number of points",
    "w": "sum of weights",
    "f": "sum of weight x forecast",
    "o": "sum of weight x truth",
    "ff": "sum of weight x square of forecast (unit squared)",
    "oo": "sum of weight x square of truth (unit squared)",
    "dd": "sum of weight x square of error (unit squared)",
    "ad": "sum of weight x absolute error",
}

_CELLS = (
    "row-major place in lead_time, atom, category of forecast, category of truth; categories are: below the first threshold, "
    "equal to it, between the first and the second, ..., above the last"
)


def write_sums(path: Path | str, sums: Sums) -> None:
    """Write `sums` to `path`, which nobody else may read yet: it is not whole before this returns.

    Dimensions are statistic, param, lead_time, atom and region; filled cells have their own. Where
    a param lacks a lead time or a statistic, its sums are NaN.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    parts = _Parts()
    leads = sorted({lead for one in sums.params.values() for lead in one.lead_times})
    statistics = _add_sums(parts, sums, leads)
    if leads:
        _add_masks(parts, sums, leads)
    for name, one in sums.params.items():
        if one.cells is not None:
            _add_cells(parts, name, one, leads)
    about = {
        "format": FORMAT,
        **sums.attributes,
        "init_time": sums.init_time.strftime(_TIME),
        "points": np.int64(sums.size),
        "params": json.dumps(list(sums.params)),
        "units": json.dumps([one.units for one in sums.params.values()], ensure_ascii=False),
        "regions": json.dumps(list(sums.regions), ensure_ascii=False),
        "statistics": json.dumps(list(statistics)),
        "statistics_long_names": json.dumps(list(statistics.values())),
    }
    # In memory first: of a full disk, the library would not say more than that something failed.
    content = parts.as_file(about)
    with open(path, "wb") as file:
        file.write(content)


class _Parts:
    """The variables of a file, all defined before any is written: each would move the others."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, list[str], NDArray, dict[str, str]]] = []

    def add(self, name: str, dimensions: str, values: NDArray, **attributes: str) -> None:
        """Add a variable; no dimension may be 0."""
        self._parts.append((name, dimensions.split(), values, attributes))

    def as_file(self, about: dict[str, Any]) -> memoryview:
        """Return the bytes of a file with these attributes."""
        file = netCDF4.Dataset("statistics.nc", "w", format="NETCDF3_64BIT_DATA", memory=1)
        file.setncatts({**about, _CHECKSUM: _checksum_of_attributes(about)})
        variables = []
        for name, dimensions, values, attributes in self._parts:
            for dimension, size in zip(dimensions, values.shape, strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, size)
            variable = file.createVariable(name, values.dtype, tuple(dimensions))
            variable.setncatts({**attributes, _CHECKSUM: _checksum(values)})
            variables.append(variable)
        for variable, (_, _, values, _) in zip(variables, self._parts, strict=True):
            variable[...] = values
        return file.close()


def _checksum(values: NDArray) -> np.int64:
    return np.int64(zlib.crc32(np.ascontiguousarray(values).tobytes()))


def _checksum_of_attributes(about: dict[str, Any]) -> np.int64:
    text = json.dumps({key: str(value) for key, value in about.items()}, sort_keys=True)
    return np.int64(zlib.crc32(text.encode()))


def _add_sums(parts: _Parts, sums: Sums, leads: list[timedelta]) -> dict[str, str]:
    """Add lead times, regions and sums; return the long names of the statistics."""
    statistics, values = _fields(sums, leads)
    if leads:
        seconds = np.array([lead.total_seconds() for lead in leads], np.int32)
        parts.add("lead_time", "lead_time", seconds, units="s", long_name="time since the init time")
    inside = np.array(list(sums.regions.values()), np.int8)
    long_name = "1 where the points of the atom lie in the region"
    parts.add("in_region", "region atom", inside, units="1", long_name=long_name)
    if not values.size:
        return statistics
    long_name = "sums over points, in the unit of the param: see the attributes statistics and units of the file"
    parts.add("sums", "statistic param lead_time atom", values, long_name=long_name)
    return statistics


def _fields(sums: Sums, leads: list[timedelta]) -> tuple[dict[str, str], NDArray[np.float64]]:
    """Return the long names of the statistics, and values [statistics, params, leads, atoms]."""
    params = list(sums.params.values())
    statistics = {key: _LONG_NAMES[key] for key in MOMENTS}
    if any(one.anomalies is not None for one in params):
        statistics |= {f"anomaly_{key}": f"{_LONG_NAMES[key]}, of anomalies from the climatology" for key in ANOMALIES}
    for scale in sorted({scale for one in params for scale in one.boxes}):
        statistics[_box_name(scale)] = f"{_LONG_NAMES['dd']}, of averages over boxes of {scale:g} km"
    number = {name: index for index, name in enumerate(statistics)}
    atoms = len(next(iter(sums.regions.values())))
    values = np.full((len(statistics), len(params), len(leads), atoms), np.nan)
    for index, one in enumerate(params):
        places = [leads.index(lead) for lead in one.lead_times]
        values[: len(MOMENTS), index, places] = one.moments
        if one.anomalies is not None:
            values[len(MOMENTS) : len(MOMENTS) + len(ANOMALIES), index, places] = one.anomalies
        for scale, errors in one.boxes.items():
            values[number[_box_name(scale)], index, places] = errors
    return statistics, values


def _box_name(scale: float) -> str:
    return f"box_{scale!r}km_dd"


def _add_masks(parts: _Parts, sums: Sums, leads: list[timedelta]) -> None:
    shape = (len(sums.params), len(leads))
    digests, mask_of = np.zeros(shape, np.uint64), np.full(shape, -1, np.int32)
    masks: dict[int, NDArray[np.uint8]] = {}
    for index, one in enumerate(sums.params.values()):
        for lead, digest, mask in zip(one.lead_times, one.digests, one.masks, strict=True):
            place = index, leads.index(lead)
            digests[place] = digest
            if mask is not None:
                masks.setdefault(digest, mask)
                mask_of[place] = list(masks).index(digest)
    long_name = "first 64 bits of the SHA-256 of the mask of valid points"
    parts.add("valid_digest", "param lead_time", digests, long_name=long_name)
    if masks:
        long_name = "which mask; -1: all points are valid"
        parts.add("mask_number", "param lead_time", mask_of, units="1", long_name=long_name)
        packed = zlib.compress(np.array(list(masks.values())).tobytes())
        long_name = "masks one after the other, compressed (zlib): valid points in the domain's order, one bit each, highest first"
        parts.add("masks", "byte", np.frombuffer(packed, np.uint8), long_name=long_name)


def _add_cells(parts: _Parts, name: str, one: ParamSums, leads: list[timedelta]) -> None:
    assert one.cells is not None
    values, cells = f"{name}_threshold", f"{name}_cell"
    parts.add(values, values, np.array(one.values), units=one.units, long_name="thresholds")
    if not one.cells.cell.size:
        return
    place = np.array([leads.index(lead) for lead in one.lead_times])
    lead, rest = np.divmod(one.cells.cell, per_lead := one.cells_per_lead)
    number = (place[lead] * per_lead + rest).astype(np.int32)
    parts.add(cells, cells, number, long_name="filled cells of the joint histogram", comment=_CELLS)
    parts.add(f"{name}_cell_points", cells, one.cells.count.astype(np.int32), units="1", long_name=_LONG_NAMES["n"])
    if one.cells.weight is not None:
        parts.add(f"{name}_cell_weight", cells, one.cells.weight, units="1", long_name=_LONG_NAMES["w"])


def read_sums(path: Path | str, params: Collection[str] | None = None) -> Sums:
    """Return what `write_sums` wrote to `path`: of all params, or of some.

    Raises
    ------
    UserError
        Where the file cannot be read, is damaged, or holds something else.
    """
    try:
        with netCDF4.Dataset(path) as file:
            file.set_auto_maskandscale(False)
            if getattr(file, "format", None) != FORMAT:
                raise UserError(f"{path}: is not a file of statistics of this version; remove it, and it is made again")
            return _read(file, params)
    except (OSError, RuntimeError, AttributeError, LookupError, ValueError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read as statistics ({error}); remove it, and it is made again") from error


def read_attributes(path: Path | str) -> dict[str, Any]:
    """Return the attributes of a file of statistics; raises as `read_sums` does."""
    try:
        with netCDF4.Dataset(path) as file:
            return _attributes(file)
    except (OSError, RuntimeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as statistics ({error}); remove it, and it is made again") from error


def _attributes(file: netCDF4.Dataset) -> dict[str, Any]:
    about = {key: file.getncattr(key) for key in file.ncattrs()}
    if about.pop(_CHECKSUM, None) != _checksum_of_attributes(about):
        raise ValueError("its attributes are damaged")
    return about


def _values(file: netCDF4.Dataset, name: str) -> NDArray:
    variable = file.variables[name]
    values = variable[...]
    if variable.getncattr(_CHECKSUM) != _checksum(values):
        raise ValueError(f"{name} is damaged")
    return values


def _read(file: netCDF4.Dataset, wanted: Collection[str] | None) -> Sums:
    about = _attributes(file)
    names = {key: json.loads(about[key]) for key in _LISTS}
    inside = _values(file, "in_region").astype(bool)
    return Sums(
        init_time=datetime.strptime(about["init_time"], _TIME),
        size=int(about["points"]),
        regions={name: inside[index] for index, name in enumerate(names["regions"])},
        params=_read_params(file, names, int(about["points"]), wanted) if names["params"] else {},
        attributes={key: value for key, value in about.items() if key not in _OWN},
    )


def _read_params(
    file: netCDF4.Dataset, names: dict[str, list[str]], points: int, wanted: Collection[str] | None
) -> dict[str, ParamSums]:
    leads = [timedelta(seconds=int(seconds)) for seconds in _values(file, "lead_time")]
    values, digests = _values(file, "sums"), _values(file, "valid_digest")
    number, masks = _read_masks(file, points)
    params = {}
    for index, (name, units) in enumerate(zip(names["params"], names["units"], strict=True)):
        if wanted is not None and name not in wanted:
            continue
        held = np.flatnonzero(~np.isnan(values[0, index, :, 0]))
        moments, anomalies, boxes = _split(names["statistics"], values[:, index, held])
        of_lead = np.full(len(held), -1) if number is None else number[index, held]
        thresholds, cells = _read_cells(file, name, held, len(leads))
        params[name] = ParamSums(
            units=units,
            lead_times=tuple(leads[place] for place in held),
            moments=moments,
            anomalies=anomalies,
            boxes=boxes,
            values=thresholds,
            cells=cells,
            digests=tuple(digests[index, held].tolist()),
            masks=tuple(None if one < 0 else masks[one] for one in of_lead),
        )
    return params


def _read_masks(file: netCDF4.Dataset, points: int) -> tuple[NDArray | None, NDArray]:
    """Return which mask each field has (-1: none), or None, and the masks as packed bits."""
    if "masks" not in file.variables:
        return None, np.empty((0, 0), np.uint8)
    bits = np.frombuffer(zlib.decompress(_values(file, "masks").tobytes()), np.uint8)
    return _values(file, "mask_number"), bits.reshape(-1, -(-points // 8))


def _split(statistics: list[str], values: NDArray) -> tuple[NDArray, NDArray | None, dict[float, NDArray]]:
    """Return moments, anomalies and box sums of one param: values [statistics, leads, atoms]."""
    there = {name: values[index] for index, name in enumerate(statistics) if not np.isnan(values[index]).all()}
    boxes = {float(name[4:-5]): there[name] for name in there if name.startswith("box_")}
    first = len(MOMENTS)
    anomalies = values[first : first + len(ANOMALIES)] if f"anomaly_{ANOMALIES[0]}" in there else None
    return values[:first], anomalies, boxes


def _read_cells(file: netCDF4.Dataset, name: str, held: NDArray, leads: int) -> tuple[tuple[float, ...], Cells | None]:
    if f"{name}_threshold" not in file.variables:
        return (), None
    values = tuple(_values(file, f"{name}_threshold").tolist())
    weighted = f"{name}_cell_weight" in file.variables
    if f"{name}_cell" not in file.variables:
        empty = np.empty(0, np.int64)
        return values, Cells(empty, empty, None)
    cell = _values(file, f"{name}_cell").astype(np.int64)
    if len(held) < leads:
        atoms = file.dimensions["atom"].size
        lead, rest = np.divmod(cell, per_lead := cells_per_lead(atoms, values))
        cell = np.searchsorted(held, lead) * per_lead + rest
    weight = _values(file, f"{name}_cell_weight") if weighted else None
    return values, Cells(cell, _values(file, f"{name}_cell_points").astype(np.int64), weight)
