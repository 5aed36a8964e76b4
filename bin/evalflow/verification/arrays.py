"""The scores as arrays with names like `T_2M.RMSE`, as notebooks of the predecessor expect them."""

from pathlib import Path

import netCDF4
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evalflow.scores.names import parse_threshold
from evalflow.scores.table import METRICS

DIMENSIONS = ("source", "region", "season", "init_hour", "step")


def variable_name(param: str, metric: str, threshold: str | None, scale: float) -> str:
    """Return a score's name in the file: `T_2M.RMSE`, `T_2M.ETS_gt_288p15`, `T_2M.RMSE_50km`."""
    name = f"{param}.{metric}"
    if scale:
        name += f"_{scale:g}km".replace(".", "p")
    return f"{name}_{parse_threshold(threshold).name}" if threshold else name


def _axis(table: pa.Table, name: str) -> tuple[list, np.ndarray]:
    """Return the values of a column, each once, and the place of each row among them."""
    values = table[name].combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    unique = pc.unique(values)
    order = sorted(unique.to_pylist(), key=lambda value: (value != "all", value))
    places = pc.index_in(values, pa.array(order, values.type))
    return order, places.to_numpy(zero_copy_only=False)


def _write(group: netCDF4.Dataset, table: pa.Table) -> None:
    axes = {name: _axis(table, "lead_time" if name == "step" else name) for name in DIMENSIONS}
    for name, (values, _) in axes.items():
        group.createDimension(name, len(values))
        if name == "step":
            variable = group.createVariable(name, "f8", (name,))
            variable.setncatts({"units": "hours", "long_name": "lead time"})
            variable[:] = values
        else:
            variable = group.createVariable(name, str, (name,))
            variable[:] = np.array(values, dtype=object)
    ids, labels = table["source"].cast(pa.string()).to_pylist(), table["label"].cast(pa.string()).to_pylist()
    label_of = dict(zip(ids, labels, strict=True))
    variable = group.createVariable("label", str, ("source",))
    variable[:] = np.array([label_of[one] for one in axes["source"][0]], dtype=object)
    places = np.stack([axes[name][1] for name in DIMENSIONS])
    shape = tuple(len(axes[name][0]) for name in DIMENSIONS)
    columns = [table[name].cast(pa.string()).to_pylist() for name in ("param", "metric", "threshold", "units")]
    deviations = table["deviations"].cast(pa.string()).to_pylist()
    scale, value = table["scale"].to_numpy(), table["value"].to_numpy()
    rows_of: dict[tuple, list[int]] = {}
    for row, key in enumerate(zip(*columns, scale, strict=True)):
        rows_of.setdefault(key, []).append(row)
    for (param, metric, threshold, units, at), rows in rows_of.items():
        array = np.full(shape, np.nan)
        array[tuple(places[:, rows])] = value[rows]
        name = variable_name(param, metric, threshold, at)
        variable = group.createVariable(name, "f8", DIMENSIONS, zlib=True, fill_value=np.nan)
        about = METRICS[metric].long_name + (f" of events {threshold}" if threshold else "")
        variable.setncatts({"units": units, "long_name": f"{about} of {param}" + (f" at {at:g} km" if at else "")})
        if from_what := sorted({deviations[row] for row in rows} - {None}):
            variable.deviations = ", ".join(from_what)
        variable[...] = array


def write_arrays_file(scores: pa.Table, path: Path, about: dict[str, str]) -> None:
    """Write the scores of all valid hours as arrays.

    Each truth after the first has a group of its own.

    Seasons and init hours that the config does not cross are missing there.
    """
    mask = pc.and_(
        pc.equal(scores["valid_hour"].cast(pa.string()), "all"), pc.is_null(scores["case"].cast(pa.string()))
    )
    table = scores.filter(mask) if scores.num_rows else scores
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts(about)
        truths = pc.unique(table["truth"].cast(pa.string())).to_pylist() if table.num_rows else []
        for number, truth in enumerate(truths):
            group = file if number == 0 else file.createGroup(f"truth_{number + 1}")
            group.setncattr("truth", truth)
            _write(group, table.filter(pc.equal(table["truth"].cast(pa.string()), truth)))
