"""NetCDF, Zarr and tables opened as the config names them, with what is derived of them."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import zarr
from evalflow.errors import UserError
from evalflow.fields.arrays import sources as cf_sources
from evalflow.fields.open import open_forecast, open_truth
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import GridFile, SourceSpec, TruthSpec
from support.field_files import write_netcdf, write_zarr
from support.trial_data import FOLDER, needs_trial_data

H = timedelta(hours=1)
DAY = datetime(2020, 1, 1)
LAT = (("latitude",), np.array([50.0, 40.0]), {"standard_name": "latitude", "units": "degrees_north"})
LON = (("longitude",), np.array([0.0, 120.0, 240.0]), {"standard_name": "longitude", "units": "degrees_east"})
STEPS = tuple(hour * H for hour in range(0, 13, 3))


def field(dims, start, units, **attrs):
    shape = tuple({"time": 2, "step": 5, "number": 2, "latitude": 2, "longitude": 3}[dim] for dim in dims)
    return (dims, start + np.arange(np.prod(shape), dtype="f4").reshape(shape), {"units": units, **attrs})


def store(path):
    """Write a store of two init times with winds, and precipitation since the start."""
    dims = ("time", "step", "latitude", "longitude")
    rain = np.cumsum(np.arange(60.0).reshape(2, 5, 2, 3) / 1000, axis=1).astype("f4")
    bounds = np.stack([np.zeros(5), 3 * np.arange(5)], axis=-1)
    return write_zarr(
        path,
        {
            "time": (("time",), np.array([0, 12], "i8"), {"units": "hours since 2020-01-01"}),
            "step": (("step",), 3 * np.arange(5), {"units": "hours", "bounds": "step_bounds"}),
            "step_bounds": (("step", "bnds"), bounds, {}),
            "latitude": LAT,
            "longitude": LON,
            "10m_u_component_of_wind": field(dims, 1, "m s**-1"),
            "10m_v_component_of_wind": field(dims, 2, "m s**-1"),
            "total_precipitation": (dims, rain, {"units": "m"}),
        },
    )


def test_a_store_of_all_init_times(tmp_path):
    spec = SourceSpec(store(tmp_path / "ai.zarr"), steps=STEPS)
    reader = open_forecast(spec, DAY + 12 * H)
    assert reader.lead_times("SP_10M") == list(STEPS) and reader.lead_times("TOT_PREC6") == [6 * H, 9 * H, 12 * H]
    east = 1 + np.arange(60.0).reshape(2, 5, 6)[1, 2]
    np.testing.assert_allclose(reader.read("SP_10M", 6 * H), np.hypot(east, east + 1), rtol=1e-6)
    amounts = np.arange(60.0).reshape(2, 5, 6)[1]
    np.testing.assert_allclose(reader.read("TOT_PREC6", 9 * H), amounts[3] + amounts[2], rtol=1e-4)
    assert reader.grid("SP_10M").shape == (2, 3)
    with pytest.raises(NotThere):
        open_forecast(spec, DAY + 6 * H)


def test_a_store_is_opened_once_for_all_its_init_times(tmp_path, monkeypatch):
    spec = SourceSpec(store(tmp_path / "ai.zarr"), steps=STEPS)
    opened = []
    monkeypatch.setattr(
        cf_sources, "open_zarr", lambda path, read=cf_sources.open_zarr: opened.append(path) or read(path)
    )
    for init in (DAY, DAY + 12 * H):
        open_forecast(spec, init).read("U_10M", 3 * H)
    assert len(opened) == 1


@pytest.mark.parametrize("how", ["nc", "zarr"])
def test_files_by_init_time(tmp_path, how):
    """A pattern tells the init time: the files need not."""
    for init in (DAY, DAY + 12 * H):
        variables = {
            "time": (("step",), 3 * np.arange(5), {"units": f"hours since {init}", "standard_name": "time"}),
            "latitude": LAT,
            "longitude": LON,
            "2t": field(("step", "latitude", "longitude"), 250 + init.hour, "K"),
        }
        variables["step"] = variables.pop("time")
        (write_netcdf if how == "nc" else write_zarr)(tmp_path / f"{init:%Y%m%d%H}.{how}", variables)
    spec = SourceSpec(tmp_path, pattern=f"%Y%m%d%H.{how}", steps=STEPS)
    np.testing.assert_array_equal(open_forecast(spec, DAY + 12 * H).read("T_2M", 6 * H), 262 + np.arange(12, 18))
    with pytest.raises(NotThere):
        open_forecast(spec, DAY + 6 * H)
    with pytest.raises(UserError, match="no member 004; it is no ensemble"):
        open_forecast(SourceSpec(tmp_path, spec.pattern, STEPS, "004"), DAY).read("T_2M", 6 * H)


def test_members_and_their_mean(tmp_path):
    """The speed is derived per member: opposite winds have a mean speed, though no mean wind."""
    east = np.array([3.0, -3.0], "f4").reshape(1, 2, 1)
    north = np.array([4.0, -4.0], "f4").reshape(1, 2, 1)
    dims = ("step", "member", "station")
    path = write_netcdf(
        tmp_path / "eps.nc",
        {
            "reftime": ((), np.array(0), {"units": "hours since 2020-01-01", "standard_name": "forecast_reference_time"}),
            "step": (("step",), np.array([3]), {"units": "hours"}),
            "member": (("member",), np.array([0, 1]), {}),
            "station": (("station",), np.array([1001]), {"cf_role": "timeseries_id"}),
            "lat": (("station",), np.array([70.0]), {}),
            "lon": (("station",), np.array([20.0]), {}),
            "10u": (dims, east, {"units": "m/s"}),
            "10v": (dims, north, {"units": "m/s"}),
        },
    )  # fmt: skip
    assert open_forecast(SourceSpec(path, member="mean"), DAY).read("SP_10M", 3 * H).tolist() == [5]
    assert open_forecast(SourceSpec(path, member="001"), DAY).read("U_10M", 3 * H).tolist() == [-3]
    assert open_forecast(SourceSpec(path), DAY).grid("SP_10M").names == ("1001",)


def write_day(path, day, names, hours=range(24), value=200.0):
    fields = {name: (("time", "x"), np.array([[value + hour, value - hour] for hour in hours], "f4"), {"units": units})
              for name, units in names.items()}  # fmt: skip
    return write_netcdf(
        path,
        {
            "time": (("time",), np.array(hours), {"units": f"hours since {day}"}),
            "lat": (("x",), np.array([46.0, 47.0]), {}),
            "lon": (("x",), np.array([7.0, 8.0]), {}),
            **fields,
        },
    )


def test_analyses_in_daily_files(tmp_path, monkeypatch):
    for day in range(1, 6):
        write_day(tmp_path / f"an_202001{day:02d}.nc", f"2020-01-{day:02d}", {"t2m": "K"}, value=200 + 10 * day)
    archive = open_truth(TruthSpec(str(tmp_path), pattern="an_%Y%m%d.nc"))
    assert archive.params() == {"T_2M"}
    opened = []
    monkeypatch.setattr(
        cf_sources, "open_netcdf", lambda path, read=cf_sources.open_netcdf: opened.append(path.stem[-2:]) or read(path)
    )
    times = [datetime(2020, 1, 2, hour) for hour in (0, 6, 23)] + [datetime(2020, 1, 4, 3), datetime(2020, 1, 9)]
    found = {time: values for _, time, values in archive.read_many(["T_2M"], times)}
    assert [path.name for path in archive._reader.files(["T_2M"], times)] == ["an_20200102.nc", "an_20200104.nc"]
    assert list(found) == times[:4] and opened[-2:] == ["02", "04"] and len(opened) <= 3
    opened.clear()
    for time in times[:3]:
        archive.read("T_2M", time)
    assert opened == ["02"]
    np.testing.assert_array_equal(found[times[2]], [243, 197])
    np.testing.assert_array_equal(found[times[3]], [243, 237])
    assert np.isnan(archive.read("T_2M", times[4])).all()
    assert len(archive.valid_times("T_2M")) == 120


def test_analyses_in_files_of_one_param_each(tmp_path):
    """Without a pattern all files are looked into: those of one time belong together."""
    write_day(tmp_path / "t.nc", "2020-01-01", {"t2m": "K"})
    write_day(tmp_path / "p.nc", "2020-01-01", {"msl": "hPa"}, value=1000)
    write_day(tmp_path / "t2.nc", "2020-01-02", {"t2m": "K"})
    (tmp_path / "README.txt").write_text("not to be read\n")
    archive = open_truth(TruthSpec(str(tmp_path)))
    assert archive.params() == {"T_2M", "PMSL"}
    found = {name: values for name, _, values in archive.read_many(["T_2M", "PMSL"], [datetime(2020, 1, 1, 5)])}
    assert found["T_2M"].tolist() == [205, 195] and found["PMSL"].tolist() == [100_500, 99_500]
    assert [name for name, _, _ in archive.read_many(["T_2M", "PMSL"], [datetime(2020, 1, 2, 5)])] == ["T_2M"]
    with pytest.raises(UserError, match="no TD_2M; there are PMSL, T_2M"):
        archive.read("TD_2M", DAY)


def test_files_whose_points_differ(tmp_path):
    write_day(tmp_path / "a01.nc", "2020-01-01", {"t2m": "K"})
    path = write_day(tmp_path / "a02.nc", "2020-01-02", {"t2m": "K"})
    path.unlink()
    write_netcdf(
        path,
        {
            "time": (("time",), np.array([0]), {"units": "hours since 2020-01-02"}),
            "lat": (("x",), np.array([46.0]), {}),
            "lon": (("x",), np.array([7.0]), {}),
            "t2m": (("time", "x"), np.array([[280.0]]), {"units": "K"}),
        },
    )
    archive = open_truth(TruthSpec(str(tmp_path), pattern="a%d.nc"))
    with pytest.raises(UserError, match=r"a02.nc: t2m \[K\] has 1 points, others 2"):
        archive.read("T_2M", datetime(2020, 1, 2))


def test_an_anemoi_dataset_as_truth(tmp_path):
    """`TOT_PREC6` is the sum of six hours, in kg m-2; a missing hour is a missing sum."""
    group = zarr.open_group(tmp_path / "an.zarr", mode="w", zarr_format=2)
    group.attrs.update(
        {"variables": ["TOT_PREC_1H", "U_10M", "V_10M"], "uuid": "1f", "missing_dates": ["2020-01-01T09:00:00"]}
    )
    data = np.arange(13 * 3 * 2, dtype="f4").reshape(13, 3, 1, 2) / 1000
    for name, values, dims in (
        ("data", data, ["time", "variable", "ensemble", "cell"]),
        ("dates", np.array([DAY + hour * H for hour in range(13)], "M8[s]"), ["time"]),
        ("latitudes", np.array([46.0, 47.0]), ["cell"]),
        ("longitudes", np.array([7.0, 8.0]), ["cell"]),
    ):
        group.create_array(name, data=values).attrs["_ARRAY_DIMENSIONS"] = dims
    archive = open_truth(TruthSpec(str(tmp_path / "an.zarr")))
    np.testing.assert_allclose(archive.read("TOT_PREC6", DAY + 6 * H), 1000 * data[1:7, 0, 0].sum(axis=0), rtol=1e-5)
    assert np.isnan(archive.read("TOT_PREC6", DAY + 12 * H)).all()
    np.testing.assert_allclose(archive.read("SP_10M", DAY), np.hypot(data[0, 1, 0], data[0, 2, 0]), rtol=1e-6)


def test_coordinates_that_the_config_names(tmp_path):
    path = write_day(tmp_path / "an.nc", "2020-01-01", {"t2m": "K"})
    path.unlink()
    write_netcdf(
        path,
        {
            "time": (("time",), np.array([0]), {"units": "hours since 2020-01-01"}),
            "t2m": (("time", "ncells"), np.array([[280.0, 281.0]]), {"units": "K"}),
        },
    )
    grid = write_netcdf(
        tmp_path / "grid.nc",
        {
            "clat": (("cell",), np.deg2rad([46.0, 47.0]), {"units": "radian"}),
            "clon": (("cell",), np.deg2rad([7.0, 8.0]), {"units": "radian"}),
        },
    )
    archive = open_truth(TruthSpec(str(path), grids=(GridFile(grid, points=2),)))
    np.testing.assert_allclose(archive.grid("T_2M").latitudes, [46, 47])


def test_tables_and_commands(tmp_path):
    (tmp_path / "stations.csv").write_text("station,lat,lon\nKLO,47.5,8.5\n")
    (tmp_path / "obs.csv").write_text("station,time,TT,rain\nKLO,2020-01-01T00:00,1.5,1\nKLO,2020-01-01T01:00,2.5,2\n")
    more = {
        "columns": {"TT": "T_2M", "rain": "TOT_PREC1"},
        "units": {"TT": "degC"},
        "stations": tmp_path / "stations.csv",
    }
    for spec in (
        TruthSpec(str(tmp_path / "obs.csv"), **more),
        TruthSpec(str(tmp_path), pattern="o*.csv", **more),
        TruthSpec(str(tmp_path), **more),
        TruthSpec(command=("cat", str(tmp_path / "obs.csv")), **more),
    ):
        archive = open_truth(spec)
        np.testing.assert_allclose(archive.read("T_2M", DAY), [274.65], rtol=1e-6)
        np.testing.assert_allclose(archive.read("TOT_PREC2", DAY + H), [3])
        assert archive.grid("T_2M").names == ("KLO",)


@needs_trial_data
def test_the_station_observations_of_february_2019():
    """As harp's table has them: without quality control, some ids at several places."""
    path = FOLDER / "vobs_201902.parquet"
    columns = {"TT": "T_2M", "TD": "TD_2M", "FF": "SP_10M", "DD": "DD_10M", "PE6": "TOT_PREC6"}
    archive = open_truth(TruthSpec(str(path), columns=columns, units={"PE6": "mm"}))
    grid = archive.grid("T_2M")
    assert len(set(grid.names)) == grid.size == 8236
    table = pq.read_table(path)
    for time, name, param in (
        (datetime(2019, 2, 18, 6), "TT", "T_2M"),
        (datetime(2019, 2, 19, 12), "PE6", "TOT_PREC6"),
    ):
        values = archive.read(param, time)
        rows = table.filter(pc.equal(table["valid_time"], time))
        wanted = dict(zip(map(str, rows["station"].to_pylist()), rows[name].to_numpy(), strict=True))
        found = {station: value for station, value in zip(grid.names, values, strict=True) if np.isfinite(value)}
        assert len(found) > 0.97 * np.isfinite(rows[name].to_numpy()).sum()
        assert all(wanted[station] == value for station, value in found.items())
    assert any("values of T_2M outside 150 to 350 K are left out" in note for note in archive.notes)
