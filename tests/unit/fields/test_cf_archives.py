"""Analyses and observations in NetCDF and Zarr by valid time, and grids of every kind."""

from datetime import datetime, timedelta

import netCDF4
import numpy as np
import pytest
import zarr
from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.arrays.netcdf import open_netcdf
from evalflow.fields.arrays.readers import CfArchive, CfForecast
from evalflow.fields.arrays.zarrs import open_zarr
from evalflow.fields.grids import Grid
from support.field_files import FORMATS, write_fields, write_netcdf, write_zarr

H = timedelta(hours=1)
DAY = datetime(2020, 1, 1)
LAT = (("latitude",), np.array([50.0, 40.0]), {"standard_name": "latitude", "units": "degrees_north"})
LON = (("longitude",), np.array([0.0, 120.0, 240.0]), {"standard_name": "longitude", "units": "degrees_east"})
TIME = (("time",), np.arange(5), {"units": "hours since 2020-01-01", "standard_name": "time"})


@pytest.fixture(params=FORMATS)
def archive_format(request):
    return request.param


def on_grid(name, units, values=None, **attrs):
    values = 200 + np.arange(30, dtype="f4").reshape(5, 2, 3) if values is None else values
    field = (("time", "latitude", "longitude"), values, {"units": units, **attrs})
    return {"time": TIME, "latitude": LAT, "longitude": LON, name: field}


def test_analyses_by_valid_time(tmp_path, archive_format):
    archive = CfArchive([write_fields(tmp_path / "an", on_grid("2m_temperature", "K"), archive_format)])
    assert archive.params() == {"T_2M"}
    assert archive.valid_times("T_2M") == [DAY + hour * H for hour in range(5)]
    np.testing.assert_array_equal(archive.read("T_2M", DAY + 3 * H), 218 + np.arange(6))
    assert archive.accumulation("T_2M", DAY) is None
    absent = archive.read("T_2M", DAY + 30 * H)
    assert np.isnan(absent).all() and absent.shape == (6,) and absent.dtype == np.float32
    assert "2m_temperature [K]" in archive.describe("T_2M")


def test_each_chunk_is_read_once(tmp_path, archive_format, monkeypatch):
    fields = on_grid("2m_temperature", "K") | on_grid("msl", "hPa")
    arrays = write_fields(
        tmp_path / "an", fields, archive_format, chunks={"2m_temperature": (2, 2, 3), "msl": (5, 2, 3)}
    )
    calls = []
    kind = type(arrays.variables["msl"])
    read = kind.read
    monkeypatch.setattr(kind, "read", lambda self, index=None: calls.append(self.name) or read(self, index))
    archive = CfArchive([arrays])
    times = [DAY + hour * H for hour in (4, 0, 1, 2, 9)]
    found = list(archive.read_many(["PMSL", "T_2M", "PMSL"], times))
    assert [(name, (time - DAY) / H) for name, time, _ in found] == [
        (name, hour) for name in ("PMSL", "T_2M") for hour in (0, 1, 2, 4)
    ]
    for name, time, values in found:
        wanted = 200 + np.arange(6) + 6 * ((time - DAY) / H)
        np.testing.assert_allclose(values, wanted * (100 if name == "PMSL" else 1))
    assert (calls.count("msl"), calls.count("2m_temperature")) == (1, 3)


@pytest.mark.parametrize(("version", "shards"), [(2, None), (3, None), (3, (4, 2, 3))])
def test_chunks_that_hold_some_times(tmp_path, version, shards):
    """What is replaced in an archive has another size or mtime: readers say which files to look at."""
    store = write_zarr(tmp_path / "an.zarr", on_grid("2m_temperature", "K"), version=version)
    group = zarr.open_group(store, mode="a")
    for name in ("2m_temperature", "msl"):
        if name in group:
            del group[name]
        options = {"dimension_names": ["time", "latitude", "longitude"], "shards": shards} if version == 3 else {}
        array = group.create_array(name, shape=(5, 2, 3), chunks=(2, 2, 3), dtype="f4", fill_value=np.nan, **options)
        array.attrs.update(
            {"units": "K" if name[0] == "2" else "Pa", "_ARRAY_DIMENSIONS": ["time", "latitude", "longitude"]}
        )
        array[:3] = 1 + np.arange(18).reshape(3, 2, 3)
    archive = CfArchive([open_zarr(store)])
    np.testing.assert_array_equal(archive.read("T_2M", DAY + 2 * H), np.arange(13, 19))
    found = [
        str(path.relative_to(store)) for path in archive.files(["T_2M", "PMSL"], [DAY + hour * H for hour in (2, 4)])
    ]
    # Chunks of two hours, of which that of 4 h was never written; shards of four.
    chunk = {2: "1.0.0", 3: "c/0/0/0" if shards else "c/1/0/0"}[version]
    assert found == [f"2m_temperature/{chunk}", f"msl/{chunk}"]
    assert archive.files(["T_2M"], [datetime(2021, 1, 1)]) == []


def test_many_files_are_one_archive(tmp_path, archive_format):
    files = []
    for day in (1, 2):
        fields = on_grid("t2m", "K")
        fields["time"] = (("time",), np.array([0, 12]), {"units": f"hours since 2020-01-0{day}"})
        fields["t2m"] = (*fields["t2m"][:1], np.full((2, 2, 3), 200 + day, "f4"), {"units": "K"})
        files.append(write_fields(tmp_path / str(day), fields, archive_format))
    archive = CfArchive(files)
    if archive_format == "nc":
        assert archive.files(["T_2M"], [datetime(2020, 1, 2, 12)]) == [tmp_path / "2.nc"]
    assert len(archive.valid_times("T_2M")) == 4
    assert archive.read("T_2M", datetime(2020, 1, 2, 12))[0] == 202


def test_forecasts_are_no_archive(tmp_path, archive_format):
    fields = on_grid("t2m", "K") | {
        "step": (("step",), np.array([0, 6]), {"units": "hours"}),
        "t2m": (("time", "step", "latitude", "longitude"), np.zeros((5, 2, 2, 3), "f4"), {"units": "K"}),
    }
    with pytest.raises(UserError, match="t2m is by init and lead time: forecasts; allowed: values by valid time"):
        CfArchive([write_fields(tmp_path / "fc", fields, archive_format)])


def test_sums_by_valid_time(tmp_path, archive_format):
    fields = on_grid("tp", "m", cell_methods="time: sum (interval: 1 hour)")
    archive = CfArchive([write_fields(tmp_path / "an", fields, archive_format)])
    assert archive.accumulation("TOT_PREC", DAY + H) == H
    assert archive.accumulation("TOT_PREC", DAY + 99 * H) == H


def test_names_and_units_that_the_config_tells(tmp_path, archive_format):
    fields = on_grid("TT", "K") | on_grid("rain", "kg m-2")
    told = Told(columns={"TT": "T_2M", "rain": "TOT_PREC6"}, units={"TT": "degC", "TOT_PREC": "m"})
    archive = CfArchive([write_fields(tmp_path / "an", fields, archive_format)], told=told)
    assert archive.params() == {"T_2M", "TOT_PREC6"}
    np.testing.assert_allclose(archive.read("T_2M", DAY), 473.15 + np.arange(6), rtol=1e-6)
    np.testing.assert_allclose(archive.read("TOT_PREC6", DAY), 1000 * (200 + np.arange(6)), rtol=1e-6)
    with pytest.raises(UserError, match="no param T_2N, did you mean T_2M"):
        CfArchive([write_fields(tmp_path / "an2", fields, archive_format)], told=Told(columns={"TT": "T_2N"}))


def test_a_name_says_more_than_a_standard_name(tmp_path, archive_format):
    """Means of an hour have the standard name as well, and may come first or last."""
    mean = on_grid("a_mean", "K", np.full((5, 2, 3), 1, "f4"), standard_name="air_temperature", coordinates="height")
    height = {"height": ((), np.array(2.0), {"units": "m"})}
    last = {"z_mean": mean["a_mean"]}
    fields = mean | height | on_grid("t2m", "K") | last
    assert CfArchive([write_fields(tmp_path / "an", fields, archive_format)]).read("T_2M", DAY)[0] == 200
    assert CfArchive([write_fields(tmp_path / "mean", mean | height, archive_format)]).read("T_2M", DAY)[0] == 1


@pytest.mark.parametrize(("units", "wanted"), [({}, {"T_500"}), ({"units": "1"}, set()), ({"units": "hPa"}, {"T_500"})])
def test_levels_of_the_model_are_no_pressures(tmp_path, archive_format, units, wanted):
    fields = on_grid("t", "K", np.zeros((5, 2, 3), "f4"))
    fields["level"] = (("level",), np.array([500]), units)
    fields["t"] = (("time", "level", "latitude", "longitude"), np.zeros((5, 1, 2, 3), "f4"), {"units": "K"})
    assert CfArchive([write_fields(tmp_path / "an", fields, archive_format)]).params() == wanted


def test_levels_in_names(tmp_path):
    """`u100` is the wind at 100 m in ERA5's NetCDF, and at 100 hPa elsewhere: it is neither here."""
    fields = on_grid("u100", "m/s") | on_grid("u10", "m/s") | on_grid("u850", "m/s") | on_grid("z500", "gpm")
    assert CfArchive([write_fields(tmp_path / "an", fields, "nc")]).params() == {"U_10M", "U_850", "Z_500"}


def test_units_that_are_not_known(tmp_path, archive_format):
    archive = CfArchive([write_fields(tmp_path / "an", on_grid("tp", "kg m-2 s-1", units_of="x"), archive_format)])
    with pytest.raises(UserError, match='tp: TOT_PREC has units "kg m-2 s-1"'):
        archive.read("TOT_PREC", DAY)


def test_what_stands_for_missing(tmp_path):
    """Zarr's fill value of 0 is what arrays have whose writer thought of none."""
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=2)
    for name, dtype, filling, attrs, dims in (
        ("time", "i8", 0, {"units": "hours since 2020-01-01"}, ["time"]),
        ("latitude", "f8", 0.0, {}, ["latitude"]),
        ("longitude", "f8", 0.0, {}, ["longitude"]),
        ("tp", "f4", 0.0, {"units": "m"}, ["time", "latitude", "longitude"]),
        ("t2m", "f4", 1e20, {"units": "K"}, ["time", "latitude", "longitude"]),
        (
            "msl",
            "i2",
            -9,
            {"units": "hPa", "scale_factor": 0.5, "add_offset": 1000.0},
            ["time", "latitude", "longitude"],
        ),
        ("sp", "i2", 0, {"units": "Pa", "missing_value": 7}, ["time", "latitude", "longitude"]),
    ):
        shape = {"time": (2,), "latitude": (1,), "longitude": (2,)}.get(name, (2, 1, 2))
        array = group.create_array(name, shape=shape, dtype=dtype, fill_value=filling)
        array.attrs.update({"_ARRAY_DIMENSIONS": dims, **attrs})
    group["time"][:], group["longitude"][:] = [0, 1], [0, 1]
    group["tp"][0] = [[0, 0.001]]
    group["t2m"][0] = [[280, 1e20]]
    group["msl"][0] = [[20, -9]]
    group["sp"][0] = [[0, 7]]
    archive = CfArchive([open_zarr(tmp_path / "x.zarr")])
    assert archive.valid_times("TOT_PREC") == [DAY, DAY + H]
    np.testing.assert_allclose(archive.read("TOT_PREC", DAY), [0, 1])
    np.testing.assert_array_equal(archive.read("T_2M", DAY), [280, np.nan])
    assert np.isnan(archive.read("T_2M", DAY + H)).all()  # never written
    np.testing.assert_array_equal(archive.read("PMSL", DAY), [101_000, np.nan])
    np.testing.assert_array_equal(archive.read("PS", DAY), [0, np.nan])


def test_fill_values_of_zarr_3(tmp_path):
    """xarray writes those of floats as base64 of their bytes."""
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=3)
    array = group.create_array("t2m", shape=(2,), dtype="f4", fill_value=0.0, dimension_names=["x"])
    array.attrs["_FillValue"] = "AABAUA=="  # float32 1.288e10
    array[:] = [np.frombuffer(b"\0\0\x40\x50", "f4")[0], 0]
    np.testing.assert_array_equal(open_zarr(tmp_path / "x.zarr").variables["t2m"].read(), [np.nan, 0])


def test_times_as_zarr_has_them_itself(tmp_path):
    for version in (2, 3):
        group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=version)
        for name, values, dims in (
            ("time", np.array(["2020-01-01", "2020-01-02"], "M8[ns]"), ["time"]),
            ("prediction_timedelta", np.array([0, 90], "m8[m]"), ["prediction_timedelta"]),
            ("latitude", np.array([1.0]), ["latitude"]),
            ("longitude", np.array([1.0]), ["longitude"]),
            ("msl", np.array([[[[1.0]], [[2.0]]], [[[3.0]], [[4.0]]]], "f4"),
             ["time", "prediction_timedelta", "latitude", "longitude"]),
        ):  # fmt: skip
            array = group.create_array(name, data=values, **({"dimension_names": dims} if version == 3 else {}))
            array.attrs.update({"_ARRAY_DIMENSIONS": dims} | ({"units": "hPa"} if name == "msl" else {}))
        forecast = CfForecast([open_zarr(tmp_path / "x.zarr")], datetime(2020, 1, 2), of_one_init_time=False)
        assert forecast.lead_times("PMSL") == [0 * H, 1.5 * H]
        assert forecast.read("PMSL", 1.5 * H).tolist() == [400]


def test_icons_own_output(tmp_path, archive_format):
    """Cells without a grid, coordinates in radians, cell areas by `cell_measures`."""
    fields = {
        "time": TIME,
        "clat": (("ncells",), np.deg2rad([46.0, 47.0]), {"standard_name": "latitude", "units": "radian"}),
        "clon": (("ncells",), np.deg2rad([7.0, -8.0]), {"standard_name": "longitude", "units": "radian"}),
        "clat_bnds": (("ncells", "vertices"), np.zeros((2, 3)), {}),
        "cell_area": (("ncells",), np.array([1e6, 2e6]), {"standard_name": "area", "units": "m2"}),
        "topography_c": (("ncells",), np.array([400.0, 1900.0], "f4"), {"standard_name": "surface_altitude", "units": "m"}),
        "height_2": (("height_2",), np.array([2.0]), {"standard_name": "height", "units": "m"}),
        "tas": (("time", "height_2", "ncells"), np.arange(10, dtype="f4").reshape(5, 1, 2),
                {"standard_name": "air_temperature", "units": "K", "coordinates": "clat clon", "cell_measures": "area: cell_area"}),
    }  # fmt: skip
    archive = CfArchive([write_fields(tmp_path / "icon", fields, archive_format)])
    grid = archive.grid("T_2M")
    assert (grid.kind, grid.shape) == ("unstructured", None)
    np.testing.assert_allclose((grid.latitudes, grid.longitudes), ([46, 47], [7, -8]))
    assert grid.area.tolist() == [1e6, 2e6] and grid.elevation.tolist() == [400, 1900]
    np.testing.assert_array_equal(archive.read("T_2M", DAY + 2 * H), [4, 5])


def test_a_field_names_its_coordinates(tmp_path, archive_format):
    """Points of two kinds may have dimensions of one length, such as those of winds between grid points."""
    north, east = {"standard_name": "latitude"}, {"standard_name": "longitude"}
    fields = {
        "time": TIME,
        "lat": (("y", "x"), np.full((2, 2), 46.0), north),
        "lon": (("y", "x"), np.full((2, 2), 7.0), east),
        "slat": (("y", "x"), np.full((2, 2), 46.5), north),
        "slon": (("y", "x"), np.full((2, 2), 7.5), east),
        "u10": (("time", "y", "x"), np.zeros((5, 2, 2), "f4"), {"units": "m/s", "coordinates": "slon slat"}),
    }
    fields["t2m"] = (*fields["u10"][:2], {"units": "K", "coordinates": "lon lat"})
    archive = CfArchive([write_fields(tmp_path / "an", fields, archive_format)])
    for param, place in (("T_2M", (46, 7)), ("U_10M", (46.5, 7.5))):
        assert (archive.grid(param).latitudes[0], archive.grid(param).longitudes[0]) == place


def test_coordinates_in_another_file(tmp_path, archive_format):
    fields = {"time": TIME, "t2m": (("time", "ncells"), np.zeros((5, 2), "f4"), {"units": "K"})}
    arrays = write_fields(tmp_path / "bare", fields, archive_format, attrs={"uuidOfHGrid": "17643da2"})
    asked = []
    grid = Grid(np.array([46.0, 47.0]), np.array([7.0, 8.0]), "unstructured")
    archive = CfArchive([arrays], find_grid=lambda points, uuid: asked.append((points, uuid)) or grid)
    assert archive.grid("T_2M") is grid and asked == [(2, "17643da2")]
    with pytest.raises(
        UserError, match="no latitudes and longitudes: name the file that has those of its 2 points in `grids`"
    ):
        CfArchive([arrays]).grid("T_2M")


def test_stations_that_measure(tmp_path, archive_format):
    """Standard names without heights are those of 2 m and 10 m; the axis of time may be last."""
    fields = {
        "obs_time": (("obs",), np.arange(3), {"units": "hours since 2020-01-01", "standard_name": "time"}),
        "lat": (("station",), np.array([46.0, 47.0]), {"standard_name": "latitude"}),
        "lon": (("station",), np.array([7.0, 8.0]), {"standard_name": "longitude"}),
        "alt": (("station",), np.array([500.0, 4000.0]), {"standard_name": "height", "units": "ft"}),
        "air_temperature": (("station", "obs"), np.arange(6, dtype="f4").reshape(2, 3),
                            {"units": "K", "standard_name": "air_temperature"}),
        "ff": (("station", "obs"), np.full((2, 3), 36, "f4"), {"units": "km/h", "standard_name": "wind_speed"}),
    }  # fmt: skip
    archive = CfArchive([write_fields(tmp_path / "obs", fields, archive_format, attrs={"featureType": "timeSeries"})])
    assert archive.params() == {"T_2M", "SP_10M"}
    assert archive.grid("T_2M").kind == "stations"
    assert (
        archive.notes == [archive.notes[0]] and 'alt is not used as elevation: its units are "ft"' in archive.notes[0]
    )
    np.testing.assert_array_equal(archive.read("T_2M", DAY + H), [1, 4])
    np.testing.assert_allclose(archive.read("SP_10M", DAY + H), [10, 10], rtol=1e-6)


def test_names_of_stations_as_characters(tmp_path):
    fields = {
        "time": TIME,
        "lat": (("station",), np.array([46.0, 47.0]), {}),
        "lon": (("station",), np.array([7.0, 8.0]), {}),
        "t2m": (("time", "station"), np.zeros((5, 2), "f4"), {"units": "K"}),
    }
    write_netcdf(tmp_path / "obs.nc", fields)
    with netCDF4.Dataset(tmp_path / "obs.nc", "a") as file:
        file.createDimension("chars", 5)
        names = file.createVariable("station_name", "S1", ("station", "chars"))
        names[:] = netCDF4.stringtochar(np.array(["KLO", "06670"], "S5"))
    grid = CfArchive([open_netcdf(tmp_path / "obs.nc")]).grid("T_2M")
    assert (grid.kind, grid.names) == ("stations", ("KLO", "06670"))


def test_what_has_more_dimensions_is_left_out_with_a_line(tmp_path, archive_format):
    fields = on_grid("t2m", "K") | {
        "tile": (("tile",), np.arange(2), {}),
        "skt": (("time", "tile", "latitude", "longitude"), np.zeros((5, 2, 2, 3), "f4"), {"units": "K"}),
    }
    archive = CfArchive([write_fields(tmp_path / "an", fields, archive_format)])
    assert archive.params() == {"T_2M"}
    assert (
        len(archive.notes) == 1
        and "skt is left out: it has dimensions time, tile, latitude, longitude" in archive.notes[0]
    )


@pytest.mark.parametrize(
    ("name", "attrs", "message"),
    [
        ("latitude", {}, "coordinates that are no latitudes and longitudes"),
        ("lat", {}, "no latitudes and longitudes: name the file"),
    ],
)
def test_coordinates_that_are_none(tmp_path, name, attrs, message):
    fields = on_grid("t2m", "K")
    fields["latitude"] = (("latitude",), np.array([500.0, 400.0]), attrs)
    if name == "lat":  # a coordinate that is not along the field
        del fields["latitude"]
        fields["lat"] = (("else",), np.array([1.0]), {})
    with pytest.raises(UserError, match=message):
        CfArchive([write_fields(tmp_path / "an", fields, "nc")]).grid("T_2M")
