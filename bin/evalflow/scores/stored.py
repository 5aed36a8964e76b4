"""Files of statistics: the sums of one source and one init time as a small NetCDF file."""

import errno
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from evalflow.errors import UserError
from evalflow.scores.sums import ANOMALIES, MOMENTS, Cells, ParamSums, Sums, cells_per_lead

FORMAT = "evalflow statistics 1"
"""What a file says in its attribute `format`. Another layout gets another number."""

_TIME = "%Y-%m-%dT%H:%M:%S"

_OWN = ("format", "init_time", "points", "params", "units", "regions", "statistics", "statistics_long_names")
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

    Dimensions are statistic, param, lead_time, atom and region; masks and filled cells have their
    own. Where a param lacks a lead time or a statistic, its sums are NaN.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    try:
        with netCDF4.Dataset(path, "w") as file:
            _write_all(file, sums)
    except RuntimeError as error:  # the library's word for a disk that is full
        raise OSError(errno.EIO, str(error), str(path)) from error


def _write_all(file: netCDF4.Dataset, sums: Sums) -> None:
    leads = sorted({lead for one in sums.params.values() for lead in one.lead_times})
    statistics, values = _fields(sums, leads)
    file.setncatts({"format": FORMAT, **sums.attributes, "init_time": sums.init_time.strftime(_TIME)})
    file.setncattr("points", np.int64(sums.size))
    file.setncattr_string("params", list(sums.params))
    file.setncattr_string("units", [one.units for one in sums.params.values()])
    file.setncattr_string("regions", list(sums.regions))
    file.setncattr_string("statistics", list(statistics))
    file.setncattr_string("statistics_long_names", list(statistics.values()))
    seconds = np.array([lead.total_seconds() for lead in leads], np.int32)
    _write(file, "lead_time", "lead_time", seconds, units="s", long_name="time since the init time")
    inside = np.array(list(sums.regions.values()), np.int8)
    _write(
        file,
        "in_region",
        "region atom",
        inside,
        units="1",
        long_name="1 where the points of the atom lie in the region",
    )
    long_name = "sums over points, in the unit of the param: see the attributes statistics and units of the file"
    _write(file, "sums", "statistic param lead_time atom", values, long_name=long_name)
    _write_masks(file, sums, leads)
    for name, one in sums.params.items():
        if one.cells is not None:
            _write_cells(file, name, one, leads)


def _write(file: netCDF4.Dataset, name: str, dimensions: str, values: NDArray, **attributes: str) -> None:
    """Write one variable, and its dimensions where they are new."""
    for dimension, size in zip(dimensions.split(), values.shape, strict=True):
        if dimension not in file.dimensions:
            file.createDimension(dimension, size)
    packed: dict[str, Any] = {"zlib": True, "shuffle": True, "fletcher32": True} if values.size else {}
    variable = file.createVariable(name, values.dtype, tuple(dimensions.split()), **packed)
    variable.setncatts(attributes)
    variable[...] = values


def _fields(sums: Sums, leads: list[timedelta]) -> tuple[dict[str, str], NDArray[np.float64]]:
    """Return the long names of the statistics, and values [statistics, params, leads, atoms]."""
    params = list(sums.params.values())
    statistics = {key: _LONG_NAMES[key] for key in MOMENTS}
    if any(one.anomalies is not None for one in params):
        statistics |= {f"anomaly_{key}": f"{_LONG_NAMES[key]}, of anomalies from the climatology" for key in ANOMALIES}
    for scale in sorted({scale for one in params for scale in one.boxes}):
        statistics[_box_name(scale)] = f"{_LONG_NAMES['dd']}, of averages over boxes of {scale:g} km"
    number = {name: index for index, name in enumerate(statistics)}
    values = np.full((len(statistics), len(params), len(leads), params[0].moments.shape[-1]), np.nan)
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


def _write_masks(file: netCDF4.Dataset, sums: Sums, leads: list[timedelta]) -> None:
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
    dimensions = "param lead_time"
    _write(
        file, "valid_digest", dimensions, digests, long_name="first 64 bits of the SHA-256 of the mask of valid points"
    )
    if masks:
        _write(file, "mask_number", dimensions, mask_of, units="1", long_name="which mask; -1: all points are valid")
        bits = np.array(list(masks.values()), np.uint8)
        _write(
            file, "mask", "mask byte", bits, long_name="valid points in the domain's order, one bit each, highest first"
        )


def _write_cells(file: netCDF4.Dataset, name: str, one: ParamSums, leads: list[timedelta]) -> None:
    assert one.cells is not None
    values, cells = f"{name}_threshold", f"{name}_cell"
    _write(file, values, values, np.array(one.values), units=one.units, long_name="thresholds")
    place = np.array([leads.index(lead) for lead in one.lead_times])
    lead, rest = np.divmod(one.cells.cell, per_lead := one.cells_per_lead)
    number = place[lead] * per_lead + rest
    _write(file, cells, cells, number, long_name="filled cells of the joint histogram", comment=_CELLS)
    _write(file, f"{name}_cell_points", cells, one.cells.count.astype(np.int32), units="1", long_name=_LONG_NAMES["n"])
    if one.cells.weight is not None:
        _write(file, f"{name}_cell_weight", cells, one.cells.weight, units="1", long_name=_LONG_NAMES["w"])


def read_sums(path: Path | str) -> Sums:
    """Return what `write_sums` wrote to `path`.

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
            return _read(file)
    except (OSError, RuntimeError, AttributeError, LookupError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as statistics ({error}); remove it, and it is made again") from error


def _read(file: netCDF4.Dataset) -> Sums:
    variables = file.variables
    names = [_texts(file, key) for key in ("params", "units", "regions", "statistics")]
    leads = [timedelta(seconds=int(seconds)) for seconds in variables["lead_time"][...]]
    inside = variables["in_region"][...].astype(bool)
    values, digests = variables["sums"][...], variables["valid_digest"][...]
    number, masks = (variables[key][...] if "mask" in variables else None for key in ("mask_number", "mask"))
    params = {}
    for index, (name, units) in enumerate(zip(names[0], names[1], strict=True)):
        held = np.flatnonzero(~np.isnan(values[0, index, :, 0]))
        moments, anomalies, boxes = _split(names[3], values[:, index, held])
        of_lead = np.full(len(held), -1) if number is None else number[index, held]
        thresholds, cells = _read_cells(variables, name, held, len(leads))
        params[name] = ParamSums(
            units=units,
            lead_times=tuple(leads[place] for place in held),
            moments=moments,
            anomalies=anomalies,
            boxes=boxes,
            values=thresholds,
            cells=cells,
            digests=tuple(digests[index, held].tolist()),
            masks=tuple(None if masks is None or one < 0 else masks[one] for one in of_lead),
        )
    return Sums(
        init_time=datetime.strptime(file.init_time, _TIME),
        size=int(file.points),
        regions={name: inside[index] for index, name in enumerate(names[2])},
        params=params,
        attributes={key: file.getncattr(key) for key in file.ncattrs() if key not in _OWN},
    )


def _texts(file: netCDF4.Dataset, key: str) -> list[str]:
    # A list of one text comes back as a text.
    texts = file.getncattr(key)
    return [texts] if isinstance(texts, str) else list(texts)


def _split(statistics: list[str], values: NDArray) -> tuple[NDArray, NDArray | None, dict[float, NDArray]]:
    """Return moments, anomalies and box sums of one param: values [statistics, leads, atoms]."""
    there = {name: values[index] for index, name in enumerate(statistics) if not np.isnan(values[index]).all()}
    boxes = {float(name[4:-5]): there[name] for name in there if name.startswith("box_")}
    first = len(MOMENTS)
    anomalies = values[first : first + len(ANOMALIES)] if f"anomaly_{ANOMALIES[0]}" in there else None
    return values[:first], anomalies, boxes


def _read_cells(variables: dict, name: str, held: NDArray, leads: int) -> tuple[tuple[float, ...], Cells | None]:
    if f"{name}_cell" not in variables:
        return (), None
    values = tuple(variables[f"{name}_threshold"][...].tolist())
    cell = variables[f"{name}_cell"][...]
    if len(held) < leads:
        lead, rest = np.divmod(cell, per_lead := cells_per_lead(variables["sums"].shape[-1], values))
        cell = np.searchsorted(held, lead) * per_lead + rest
    weight = variables[f"{name}_cell_weight"][...] if f"{name}_cell_weight" in variables else None
    return values, Cells(cell, variables[f"{name}_cell_points"][...].astype(np.int64), weight)
