"""The real data that tests use where they are there, and CF NetCDF made of them."""

import os
from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

FOLDER = Path(os.environ.get("EVALFLOW_TRIAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
needs_trial_data = pytest.mark.skipif(not FOLDER.is_dir(), reason="the trial data are not on this machine")

NAMES = {
    "T2m": ("air_temperature", "K", 2),
    "S10m": ("wind_speed", "m s-1", 10),
    "Pcp": ("precipitation_amount", "kg m-2", None),
}
"""Name in harp's tables → CF standard name, units, height (m)."""
INIT_TIMES = [datetime(2019, 2, 17, hour) for hour in (0, 6, 12, 18)]


def read_meps_ensemble() -> pa.Table:
    """Return MEPS at 1,203 stations: a column per member, `000` to `009`."""
    return pq.read_table(FOLDER / "meps_ens_201902.parquet")


def read_deterministic(source: str) -> pa.Table:
    """Return MEPS (`MEPS_prod`) or AROME-Arctic (`AROME_Arctic_prod`), in a column `000`."""
    table = pq.read_table(FOLDER / "meps_arome_det_201902.parquet")
    table = table.filter(pc.equal(table["source"], source)).rename_columns({"param_": "param", "value": "000"})
    return table.filter(pc.is_in(table["param"], pa.array(list(NAMES))))


def write_forecasts(table: pa.Table, folder: Path) -> Path:
    """Write the forecasts of a table, one CF NetCDF of points per init time: `%Y%m%d%H.nc`.

    Parameters
    ----------
    table : param, init_time, lead_time (h), station, lat, lon, elevation, and a column per member
    folder : to write to

    Returns
    -------
    the folder
    """
    folder.mkdir(parents=True, exist_ok=True)
    stations, rows = np.unique(table["station"].to_numpy(), return_index=True)
    places = {name: table[name].to_numpy()[rows] for name in ("lat", "lon", "elevation")}
    for init_time in INIT_TIMES:
        part = table.filter(pc.equal(table["init_time"], init_time))
        with netCDF4.Dataset(folder / f"{init_time:%Y%m%d%H}.nc", "w") as file:
            _write_one(file, part, init_time, stations, places)
    return folder


def _write_one(file: netCDF4.Dataset, part: pa.Table, init_time: datetime, stations: np.ndarray, places: dict) -> None:
    members = sorted(name for name in part.column_names if name.isdigit())
    leads = np.unique(part["lead_time"].to_numpy())
    file.setncatts({"Conventions": "CF-1.8", "featureType": "timeSeries"})
    for name, size in (("station", stations.size), ("member", len(members)), ("step", leads.size), ("bounds", 2)):
        file.createDimension(name, size)
    _add(
        file,
        "forecast_reference_time",
        (),
        0,
        units=f"hours since {init_time}",
        standard_name="forecast_reference_time",
    )
    _add(file, "step", ("step",), leads, units="hours", standard_name="forecast_period", bounds="step_bounds")
    _add(file, "step_bounds", ("step", "bounds"), np.stack([np.zeros_like(leads), leads], axis=-1))
    _add(file, "member", ("member",), [int(member) for member in members], standard_name="realization")
    _add(file, "station", ("station",), stations, cf_role="timeseries_id")
    _add(file, "lat", ("station",), places["lat"], units="degrees_north", standard_name="latitude")
    _add(file, "lon", ("station",), places["lon"], units="degrees_east", standard_name="longitude")
    _add(file, "elevation", ("station",), places["elevation"], units="m", standard_name="surface_altitude")
    for height in (2, 10):
        _add(file, f"height{height}", (), height, units="m", standard_name="height")
    for name in sorted(set(part["param"].to_pylist())):
        rows = part.filter(pc.equal(part["param"], name))
        values = np.full((leads.size, len(members), stations.size), np.nan, dtype=np.float32)
        at = np.searchsorted(leads, rows["lead_time"].to_numpy()), np.searchsorted(stations, rows["station"].to_numpy())
        for place, member in enumerate(members):
            values[at[0], place, at[1]] = rows[member].to_numpy()
        standard_name, units, height = NAMES[name]
        more = {"coordinates": f"lat lon height{height}"} if height else {"cell_methods": "step: sum"}
        _add(file, name, ("step", "member", "station"), values, units=units, standard_name=standard_name, **more)


def _add(file: netCDF4.Dataset, name: str, dims: tuple[str, ...], values, **attrs) -> None:
    values = np.asarray(values)
    variable = file.createVariable(name, values.dtype, dims)
    variable.setncatts(attrs)
    variable[...] = values
