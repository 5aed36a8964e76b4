"""Files of statistics: the sums of one source and one init time as a small NetCDF file."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from evalflow.errors import UserError
from evalflow.scores.sums import ANOMALIES, MOMENTS, Cells, ParamSums, Sums
from evalflow.scores.table import squared_units

FORMAT = "evalflow statistics 1"
"""What a file says in its attribute `format`. Another layout gets another number."""

_TIME = "%Y-%m-%dT%H:%M:%S"
_PACKED: dict[str, Any] = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}

_LONG_NAMES = {
    "n": "number of points",
    "w": "sum of weights",
    "f": "sum of weight times forecast",
    "o": "sum of weight times truth",
    "ff": "sum of weight times square of forecast",
    "oo": "sum of weight times square of truth",
    "dd": "sum of weight times square of error",
    "ad": "sum of weight times absolute error",
}


def write_sums(path: Path | str, sums: Sums) -> None:
    """Write `sums` to `path`, which must not be a file that others read: it is not whole before this returns.

    Dimensions are param, lead_time, atom, region, and scale, mask and category cells where there are any. A lead time that a
    param does not have has −1 valid points.
    """
    leads = sorted({lead for one in sums.params.values() for lead in one.lead_times})
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts({"format": FORMAT, **sums.attributes, "init_time": sums.init_time.strftime(_TIME)})
        file.setncattr("points", np.int64(sums.size))
        _write_axes(file, sums, leads)
        _write_fields(file, sums, leads)
        _write_masks(file, sums, leads)
        for name, one in sums.params.items():
            if one.cells is not None:
                _write_cells(file, name, one, leads)


def _write(file: netCDF4.Dataset, name: str, dimensions: str, values: Any, **attributes: str) -> None:
    """Write one variable, and its dimensions where they are new."""
    values = np.asarray(values)
    for dimension, size in zip(dimensions.split(), values.shape, strict=True):
        if dimension not in file.dimensions:
            file.createDimension(dimension, size)
    text = values.dtype.kind in "OU"
    packed = {} if text or not values.size else _PACKED
    variable = file.createVariable(name, str if text else values.dtype, tuple(dimensions.split()), **packed)
    variable.setncatts(attributes)
    variable[...] = values.astype(object) if text else values


def _write_axes(file: netCDF4.Dataset, sums: Sums, leads: list[timedelta]) -> None:
    _write(file, "param", "param", list(sums.params), long_name="name of the param")
    _write(file, "units", "param", [one.units for one in sums.params.values()], long_name="unit of the param")
    seconds = np.array([lead.total_seconds() for lead in leads], np.int32)
    _write(file, "lead_time", "lead_time", seconds, units="s", long_name="time since the init time")
    _write(file, "region", "region", list(sums.regions), long_name="name of the region")
    inside = np.array(list(sums.regions.values()), np.int8)
    _write(file, "in_region", "region atom", inside, units="1", long_name="whether the atom's points lie in the region")
    for name, statistics in (("statistic", MOMENTS), ("anomaly_statistic", ANOMALIES)):
        _write(file, name, name, list(statistics), long_name="name of the sum over points")
        _write(file, f"{name}_long_name", name, [_LONG_NAMES[key] for key in statistics])


def _write_fields(file: netCDF4.Dataset, sums: Sums, leads: list[timedelta]) -> None:
    """Write what is there for each param, lead time and atom."""
    first = next(iter(sums.params.values()))
    shape = (len(sums.params), len(leads), first.moments.shape[-1])
    moments = np.zeros((len(MOMENTS), *shape))
    anomalies = np.zeros((len(ANOMALIES), *shape))
    scales = sorted({scale for one in sums.params.values() for scale in one.boxes})
    boxes = np.full((len(scales), *shape), np.nan)
    for index, one in enumerate(sums.params.values()):
        places = [leads.index(lead) for lead in one.lead_times]
        moments[:, index, places] = one.moments
        if one.anomalies is not None:
            anomalies[:, index, places] = one.anomalies
        for scale, errors in one.boxes.items():
            boxes[scales.index(scale), index, places] = errors
    comment = "in the unit of the param, its square for ff, oo and dd, 1 for n and w"
    _write(file, "sums", "statistic param lead_time atom", moments, long_name="sums over points", comment=comment)
    if any(one.anomalies is not None for one in sums.params.values()):
        long_name = "sums over points of anomalies from the climatology"
        dimensions = "anomaly_statistic param lead_time atom"
        _write(file, "anomaly_sums", dimensions, anomalies, long_name=long_name, comment=comment)
    if scales:
        _write(file, "scale", "scale", scales, units="km", long_name="edge of the boxes")
        long_name = "sum of weight times squared error of box averages"
        _write(file, "box_sums", "scale param lead_time atom", boxes, long_name=long_name)


def _write_masks(file: netCDF4.Dataset, sums: Sums, leads: list[timedelta]) -> None:
    shape = (len(sums.params), len(leads))
    counts, digests = np.full(shape, -1, np.int32), np.zeros(shape, np.uint64)
    mask_of, masks = np.full(shape, -1, np.int32), {}
    for index, one in enumerate(sums.params.values()):
        for lead, count, digest, mask in zip(one.lead_times, one.counts, one.digests, one.masks, strict=True):
            place = index, leads.index(lead)
            counts[place], digests[place] = count, digest
            if mask is not None:
                mask_of[place] = list(masks).index(digest) if digest in masks else len(masks)
                masks.setdefault(digest, mask)
    dimensions = "param lead_time"
    _write(
        file, "valid_points", dimensions, counts, units="1", long_name="number of valid points, -1: no such lead time"
    )
    _write(
        file, "valid_digest", dimensions, digests, long_name="first 64 bits of the SHA-256 of the mask of valid points"
    )
    if masks:
        _write(file, "mask_number", dimensions, mask_of, units="1", long_name="which mask, -1: all points are valid")
        bits = np.array(list(masks.values()), np.uint8)
        _write(
            file,
            "mask",
            "mask byte",
            bits,
            long_name="valid points in the domain's order, a bit each, first one highest",
        )


def _write_cells(file: netCDF4.Dataset, name: str, one: ParamSums, leads: list[timedelta]) -> None:
    assert one.cells is not None
    values, cells = f"{name}_threshold", f"{name}_cell"
    _write(file, values, values, np.array(one.values), units=one.units, long_name="thresholds")
    per_lead = one.moments.shape[-1] * (2 * len(one.values) + 1) ** 2
    place = np.array([leads.index(lead) for lead in one.lead_times])
    lead, rest = np.divmod(one.cells.cell, per_lead)
    comment = (
        f"row-major place in lead_time, atom, category of forecast, category of truth; {2 * len(one.values) + 1} categories: "
        "below the first threshold, equal to it, between the first and the second, ..., above the last"
    )
    number = (place[lead] * per_lead + rest).astype(np.int64)
    _write(file, cells, cells, number, long_name="filled cells of the joint histogram", comment=comment)
    _write(
        file, f"{name}_cell_points", cells, one.cells.count.astype(np.int32), units="1", long_name="number of points"
    )
    if one.cells.weight is not None:
        _write(file, f"{name}_cell_weight", cells, one.cells.weight, units="1", long_name="sum of weights")


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
    except (OSError, RuntimeError, KeyError, IndexError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as statistics ({error}); remove it, and it is made again") from error


def _read(file: netCDF4.Dataset) -> Sums:
    variables = file.variables
    data = {name: variables[name][...] for name in _SHARED if name in variables}
    leads = [timedelta(seconds=int(seconds)) for seconds in data["lead_time"]]
    inside = data["in_region"].astype(bool)
    known = {"format", "init_time", "points"}
    params = {}
    for index, name in enumerate(data["param"]):
        params[str(name)] = _read_param(data, index, leads, _read_histogram(variables, str(name)))
    return Sums(
        init_time=datetime.strptime(file.init_time, _TIME),
        size=int(file.points),
        regions={str(name): inside[index] for index, name in enumerate(data["region"])},
        params=params,
        attributes={key: file.getncattr(key) for key in file.ncattrs() if key not in known},
    )


_SHARED = ("param", "units", "lead_time", "region", "in_region", "sums", "anomaly_sums", "scale", "box_sums")
_SHARED += ("valid_points", "valid_digest", "mask_number", "mask")


def _read_param(data: dict[str, NDArray], index: int, leads: list[timedelta], histogram: tuple) -> ParamSums:
    held = np.flatnonzero(data["valid_points"][index] >= 0)
    anomalies = data["anomaly_sums"][:, index, held] if "anomaly_sums" in data else None
    boxes = {}
    for scale, errors in zip(data.get("scale", ()), data.get("box_sums", ()), strict=True):
        if not np.isnan(errors[index, held]).all():
            boxes[float(scale)] = errors[index, held]
    numbers = data["mask_number"][index, held] if "mask" in data else np.full(len(held), -1)
    values, cells = histogram
    if cells is not None:
        atoms = data["sums"].shape[-1]
        lead, rest = np.divmod(cells.cell, per_lead := atoms * (2 * len(values) + 1) ** 2)
        cells = Cells(np.searchsorted(held, lead) * per_lead + rest, cells.count, cells.weight)
    return ParamSums(
        units=str(data["units"][index]),
        lead_times=tuple(leads[place] for place in held),
        moments=data["sums"][:, index, held],
        anomalies=anomalies if anomalies is not None and anomalies.any() else None,
        boxes=boxes,
        values=values,
        cells=cells,
        digests=tuple(int(digest) for digest in data["valid_digest"][index, held]),
        masks=tuple(None if number < 0 else data["mask"][number] for number in numbers),
    )


def _read_histogram(variables: dict, name: str) -> tuple[tuple[float, ...], Cells | None]:
    if f"{name}_cell" not in variables:
        return (), None
    weight = variables[f"{name}_cell_weight"][...] if f"{name}_cell_weight" in variables else None
    count = variables[f"{name}_cell_points"][...].astype(np.int64)
    values = tuple(float(value) for value in variables[f"{name}_threshold"][...])
    return values, Cells(variables[f"{name}_cell"][...], count, weight)
