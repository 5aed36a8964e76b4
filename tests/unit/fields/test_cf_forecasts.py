"""Forecasts in NetCDF and Zarr, layout by layout."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.arrays import readers as cfreaders
from evalflow.fields.arrays.cf import Told
from evalflow.fields.arrays.netcdf import open_netcdf
from evalflow.fields.arrays.readers import CfForecast
from evalflow.fields.arrays.zarrs import open_zarr
from evalflow.fields.reader import NotThere
from support.field_files import FORMATS, write_fields

INIT = datetime(2019, 2, 17, 6)
H = timedelta(hours=1)
LAT = (("latitude",), np.array([50.0, 40.0]), {"standard_name": "latitude", "units": "degrees_north"})
LON = (("longitude",), np.array([0.0, 120.0, 240.0]), {"standard_name": "longitude", "units": "degrees_east"})


@pytest.fixture(params=FORMATS)
def forecast_format(request):
    return request.param


def hours(values, since="hours since 2019-02-17 00:00"):
    return np.array(values, dtype="i8"), {"units": since, "standard_name": "time"}


def test_weatherbench_one_store_of_all_init_times(tmp_path, forecast_format):
    """`time` is the init time, levels are in hPa without units, longitudes come first."""
    shape = (2, 3, 2, 3, 2)  # time, prediction_timedelta, level, longitude, latitude
    geopotential = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    arrays = write_fields(
        tmp_path / "wb",
        {
            "time": (("time",), np.array([0, 6], "i8"), {"units": "hours since 2019-02-17", "calendar": "proleptic_gregorian"}),
            "prediction_timedelta": (("prediction_timedelta",), np.array([0, 6, 12], "i8"), {"units": "hours"}),
            "level": (("level",), np.array([500, 850], "i4"), {}),
            "latitude": LAT,
            "longitude": LON,
            "geopotential": (("time", "prediction_timedelta", "level", "longitude", "latitude"), geopotential,
                             {"units": "m**2 s**-2"}),
            "2m_temperature": (("time", "prediction_timedelta", "longitude", "latitude"), geopotential[:, :, 0] + 200,
                               {"units": "K"}),
            "total_precipitation_6hr": (("time", "prediction_timedelta", "longitude", "latitude"), geopotential[:, :, 0] / 1000,
                                        {"units": "m"}),
        },
        forecast_format,
        chunks={"geopotential": (1, 3, 1, 3, 2)},
    )  # fmt: skip
    forecast = CfForecast([arrays], INIT, of_one_init_time=False)
    assert forecast.params() == {"Z_500", "Z_850", "T_2M", "TOT_PREC6"}
    assert forecast.lead_times("Z_850") == [0 * H, 6 * H, 12 * H]
    assert forecast.members("T_2M") == []
    grid = forecast.grid("T_2M")
    assert (grid.kind, grid.shape) == ("regular", (2, 3))
    assert grid.latitudes.tolist() == [50, 50, 50, 40, 40, 40]
    assert grid.longitudes.tolist() == [0, 120, -120, 0, 120, -120]
    found = forecast.read("Z_850", 6 * H)
    assert found.dtype == np.float32
    # Init time 1, lead 1, level 1; longitude by latitude in the file.
    np.testing.assert_array_equal(found.reshape(2, 3), geopotential[1, 1, 1].T)
    np.testing.assert_array_equal(forecast.read("T_2M", 0 * H).reshape(2, 3), geopotential[1, 0, 0].T + 200)
    np.testing.assert_allclose(forecast.read("TOT_PREC6", 12 * H).reshape(2, 3), geopotential[1, 2, 0].T, rtol=1e-6)
    assert forecast.accumulation("TOT_PREC6", 12 * H) == 6 * H
    assert forecast.accumulation("T_2M", 12 * H) is None
    with pytest.raises(NotThere, match="no forecast of 2019-02-17 12:00 UTC"):
        CfForecast([arrays], datetime(2019, 2, 17, 12), of_one_init_time=False)
    with pytest.raises(UserError, match="no lead time 18:00:00"):
        forecast.read("T_2M", 18 * H)
    with pytest.raises(UserError, match="no PMSL; there are TOT_PREC6, T_2M, Z_500, Z_850"):
        forecast.read("PMSL", 6 * H)


def test_how_far_packed_values_are_apart(tmp_path, forecast_format):
    """Whole numbers with a scale, in the param's own unit; floats are not packed, whatever they are multiplied with."""
    dims, whole = ("lead", "latitude", "longitude"), np.arange(12, dtype="i2").reshape(2, 2, 3)
    arrays = write_fields(
        tmp_path / "packed",
        {
            "lead": (("lead",), np.array([0, 6], "i8"), {"units": "hours", "standard_name": "forecast_period"}),
            "latitude": LAT,
            "longitude": LON,
            "prmsl": (dims, whole, {"units": "hPa", "scale_factor": 0.5, "add_offset": 1000.0}),
            "t2m": (dims, whole.astype("f4"), {"units": "K", "scale_factor": 2.0}),
            "d2m": (dims, whole.astype("f4"), {"units": "K"}),
        },
        forecast_format,
    )
    forecast = CfForecast([arrays], INIT)
    assert forecast.packing("PMSL", 6 * H) == pytest.approx(50), "half a hectopascal"
    assert np.unique(np.diff(forecast.read("PMSL", 6 * H))) == pytest.approx([50])
    assert forecast.packing("T_2M", 6 * H) == forecast.packing("TD_2M", 6 * H) == 0


def test_cf_with_valid_times_of_one_init_time(tmp_path, forecast_format):
    """Standard names with a scalar height; the file's time is the valid time, in minutes."""
    values = np.array([[[280.5, 281.5]], [[282.5, np.nan]]], "f4")
    arrays = write_fields(
        tmp_path / "cf",
        {
            "forecast_reference_time": ((), np.array(6, "i8"),
                                        {"units": "hours since 2019-02-17", "standard_name": "forecast_reference_time"}),
            "time": (("time",), np.array([390, 420], "i8"),
                     {"units": "minutes since 2019-02-17 00:00:00", "standard_name": "time"}),
            "height": ((), np.array(2.0), {"standard_name": "height", "units": "m"}),
            "lat": (("y", "x"), np.array([[46.0, 46.1]]), {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": (("y", "x"), np.array([[7.0, 7.1]]), {"standard_name": "longitude", "units": "degrees_east"}),
            "orog": (("y", "x"), np.array([[500.0, 1500.0]], "f4"), {"standard_name": "surface_altitude", "units": "m"}),
            "tas": (("time", "y", "x"), values - np.float32(273.15),
                    {"standard_name": "air_temperature", "units": "degC", "coordinates": "lat lon height forecast_reference_time"}),
        },
        forecast_format,
    )  # fmt: skip
    forecast = CfForecast([arrays], INIT)
    assert forecast.params() == {"T_2M"}
    assert forecast.lead_times("T_2M") == [H / 2, H]
    grid = forecast.grid("T_2M")
    assert (grid.kind, grid.shape, grid.elevation.tolist()) == ("projected", (1, 2), [500, 1500])
    np.testing.assert_allclose(forecast.read("T_2M", H / 2), [280.5, 281.5], atol=1e-4)
    np.testing.assert_allclose(forecast.read("T_2M", H), [282.5, np.nan], atol=1e-4)
    with pytest.raises(UserError, match=r"holds a forecast of 2019-02-17 06:00 UTC, not of 2019-02-17 18:00 UTC"):
        CfForecast([arrays], datetime(2019, 2, 17, 18))


def test_valid_times_alone_are_no_forecasts_of_a_store(tmp_path, forecast_format):
    """Analyses must not pass as perfect forecasts."""
    arrays = write_fields(
        tmp_path / "an",
        {
            "time": (("time",), *hours([0, 6, 12])),
            "latitude": LAT,
            "longitude": LON,
            "t2m": (("time", "latitude", "longitude"), np.full((3, 2, 3), 280, "f4"), {"units": "K"}),
        },
        forecast_format,
    )
    with pytest.raises(UserError, match="has valid times and no init times"):
        CfForecast([arrays], INIT, of_one_init_time=False).lead_times("T_2M")
    # Where the file's name says its init time, the times before it are not of the forecast.
    assert CfForecast([arrays], INIT).lead_times("T_2M") == [0 * H, 6 * H]


def test_cfgrib_writes_step_and_scalar_level(tmp_path, forecast_format):
    arrays = write_fields(
        tmp_path / "cfgrib",
        {
            "time": ((), np.array(1550383200, "i8"),
                     {"units": "seconds since 1970-01-01", "standard_name": "forecast_reference_time"}),
            "step": (("step",), np.array([0.0, 1.5, 3.0]), {"units": "hours", "standard_name": "forecast_period"}),
            "valid_time": (("step",), np.array([6.0, 7.5, 9.0]), {"units": "hours since 2019-02-17", "standard_name": "time"}),
            "isobaricInhPa": ((), np.array(850.0), {"units": "hPa", "standard_name": "air_pressure"}),
            "latitude": LAT,
            "longitude": LON,
            "t": (("step", "latitude", "longitude"), np.arange(18, dtype="f4").reshape(3, 2, 3) + 250,
                  {"units": "K", "standard_name": "air_temperature",
                   "coordinates": "time step isobaricInhPa latitude longitude valid_time"}),
        },
        forecast_format,
    )  # fmt: skip
    forecast = CfForecast([arrays], INIT)
    assert forecast.params() == {"T_850"}
    assert forecast.lead_times("T_850") == [0 * H, 1.5 * H, 3 * H]
    np.testing.assert_array_equal(forecast.read("T_850", 1.5 * H), np.arange(6) + 256)


def test_earth2studio(tmp_path, forecast_format):
    """It writes no units: the config says them, else the line names the key that does."""
    arrays = write_fields(
        tmp_path / "e2s",
        {
            "time": (("time",), np.array([INIT.toordinal() * 24 - 24 + 6], "f8"),
                     {"units": "hours since 0001-01-01 00:00:00.0", "calendar": "proleptic_gregorian"}),
            "lead_time": (("lead_time",), np.array([0, 6], "i8"), {"units": "hours", "calendar": "gregorian"}),
            "lat": (("lat",), np.array([50.0, 40.0]), {}),
            "lon": (("lon",), np.array([0.0, 120.0, 240.0]), {}),
            "t2m": (("time", "lead_time", "lat", "lon"), np.arange(12, dtype="f4").reshape(1, 2, 2, 3), {}),
            "z500": (("time", "lead_time", "lat", "lon"), np.arange(12, dtype="f4").reshape(1, 2, 2, 3), {}),
        },
        forecast_format,
    )  # fmt: skip
    forecast = CfForecast([arrays], INIT, told=Told(units={"T_2M": "degC", "Z_500": "gpm"}), of_one_init_time=False)
    assert forecast.params() == {"T_2M", "Z_500"}
    np.testing.assert_allclose(forecast.read("T_2M", 6 * H), np.arange(6, 12) + 273.15, rtol=1e-6)
    np.testing.assert_allclose(forecast.read("Z_500", 6 * H), np.arange(6, 12) * 9.80665, rtol=1e-6)
    with pytest.raises(UserError, match=r"t2m: T_2M does not say its units; .* the key `units`"):
        CfForecast([arrays], INIT).read("T_2M", 6 * H)


def test_members_of_stations(tmp_path, forecast_format):
    """Points without a grid: names, elevation, members, a missing value in packed numbers."""
    values = np.arange(24, dtype="i2").reshape(2, 3, 4)
    values[1, 2, 3] = -32767
    arrays = write_fields(
        tmp_path / "points",
        {
            "forecast_reference_time": (("forecast_reference_time",), np.array([6], "i8"),
                                        {"units": "hours since 2019-02-17"}),
            "step": (("step",), np.array([3, 6], "i8"), {"units": "hours"}),
            "member": (("member",), np.array([0, 1, 9], "i4"), {}),
            "station_id": (("station",), np.array(["01001", "01010", "KLO", "x"]), {"cf_role": "timeseries_id"}),
            "lat": (("station",), np.array([70.9, 69.3, 47.48, -90.0]), {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": (("station",), np.array([-8.7, 16.1, 8.5, 190.0]), {"standard_name": "longitude", "units": "degrees_east"}),
            "altitude": (("station",), np.array([9.0, np.nan, 426.0, 2800.0], "f4"), {"standard_name": "altitude", "units": "m"}),
            "air_temperature": (("step", "member", "station"), values,
                                {"standard_name": "air_temperature", "units": "K", "scale_factor": 0.5, "add_offset": 270.0,
                                 "_FillValue": np.int16(-32767), "coordinates": "lat lon altitude"}),
        },
        forecast_format,
        attrs={"featureType": "timeSeries"},
    )  # fmt: skip
    forecast = CfForecast([arrays], INIT)
    assert forecast.members("T_2M") == ["000", "001", "009"]
    grid = forecast.grid("T_2M")
    assert (grid.kind, grid.names, grid.shape) == ("stations", ("01001", "01010", "KLO", "x"), None)
    np.testing.assert_array_equal(grid.elevation, np.array([9, np.nan, 426, 2800], "f4"))
    np.testing.assert_allclose(grid.longitudes, [-8.7, 16.1, 8.5, -170], atol=1e-12)
    np.testing.assert_array_equal(forecast.read("T_2M", 3 * H, "001"), 270 + 0.5 * np.arange(4, 8))
    np.testing.assert_array_equal(forecast.read("T_2M", 6 * H, "009"), [280, 280.5, 281, np.nan])
    for control in (None, "000", "control"):
        np.testing.assert_array_equal(forecast.read("T_2M", 6 * H, control), 270 + 0.5 * np.arange(12, 16))
    with pytest.raises(UserError, match="no member 002; there are 000 to 009"):
        forecast.read("T_2M", 3 * H, "002")


def test_a_member_of_what_is_no_ensemble(tmp_path, forecast_format):
    arrays = write_fields(
        tmp_path / "one",
        {
            "step": (("step",), np.array([3], "i8"), {"units": "hours"}),
            "latitude": LAT,
            "longitude": LON,
            "msl": (("step", "latitude", "longitude"), np.full((1, 2, 3), 1013, "f4"), {"units": "hPa"}),
        },
        forecast_format,
    )
    forecast = CfForecast([arrays], INIT)
    np.testing.assert_allclose(forecast.read("PMSL", 3 * H, "000"), 101_300)
    with pytest.raises(UserError, match="no member 004; it is no ensemble"):
        forecast.read("PMSL", 3 * H, "004")


def test_one_file_per_lead_time_and_param(tmp_path, forecast_format):
    """Scalars tell the lead time; all files are one forecast."""
    files = [
        write_fields(
            tmp_path / f"{name}{lead}",
            {
                "step": ((), np.array(lead, "i8"), {"units": "hours", "standard_name": "forecast_period"}),
                "latitude": LAT,
                "longitude": LON,
                name: (("latitude", "longitude"), np.full((2, 3), lead + plus, "f4"), {"units": units}),
            },
            forecast_format,
        )
        for name, plus, units in (("2t", 280, "K"), ("10u", -3, "m s**-1"))
        for lead in (6, 0)
    ]
    forecast = CfForecast(files, INIT)
    assert forecast.params() == {"T_2M", "U_10M"}
    assert forecast.lead_times("U_10M") == [0 * H, 6 * H]
    np.testing.assert_array_equal(forecast.read("T_2M", 6 * H), np.full(6, 286))
    np.testing.assert_array_equal(forecast.read("U_10M", 0 * H), np.full(6, -3))


@pytest.mark.parametrize(
    ("cell_methods", "bounds", "wanted"),
    [
        ("time: sum", [[6, 7], [6, 8], [6, 9]], [1, 2, 3]),  # since the start
        ("time: sum", [[6, 7], [7, 8], [8, 9]], [1, 1, 1]),  # of each step
        ("", [[4, 7], [5, 8], [6, 9]], [3, 3, 3]),  # running
        ("time: sum (interval: 6 hours)", None, [6, 6, 6]),
        ("area: mean time: sum (interval: 30 minutes comment: radar)", None, [0.5, 0.5, 0.5]),
    ],
)
def test_what_time_a_sum_is_of(tmp_path, forecast_format, cell_methods, bounds, wanted):
    variables = {
        "time": (("time",), *hours([7, 8, 9])),
        "latitude": LAT,
        "longitude": LON,
        "tp": (("time", "latitude", "longitude"), np.full((3, 2, 3), 0.002, "f4"), {"units": "m", "cell_methods": cell_methods}),
    }  # fmt: skip
    if bounds:
        variables["time"][2]["bounds"] = "time_bnds"
        variables["time_bnds"] = (("time", "bnds"), np.array(bounds, "i8"), {})
    forecast = CfForecast([write_fields(tmp_path / "sums", variables, forecast_format)], INIT)
    assert forecast.params() == {"TOT_PREC"}
    found = [forecast.accumulation("TOT_PREC", lead) for lead in forecast.lead_times("TOT_PREC")]
    assert found == [length * H for length in wanted]
    np.testing.assert_allclose(forecast.read("TOT_PREC", H), 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("cell_methods", "bounds", "message"),
    [
        ("time: sum", None, "tp is a sum over time, and nothing says of what time: add bounds to time"),
        ("time: mean (interval: 1 hour)", None, "tp is a sum over time, and nothing says of what time"),
        ("", [[7, 8], [8, 9], [9, 10]], "the sums of time do not end at its times, see time_bnds"),
        ("", [[7, 8, 9], [8, 9, 9], [9, 10, 9]], "time_bnds has not two values for each of time"),
    ],
)
def test_sums_of_an_unknown_time_are_refused(tmp_path, cell_methods, bounds, message):
    variables = {
        "time": (("time",), *hours([7, 8, 9])),
        "latitude": LAT,
        "longitude": LON,
        "tp": (("time", "latitude", "longitude"), np.zeros((3, 2, 3), "f4"), {"units": "m", "cell_methods": cell_methods}),
    }  # fmt: skip
    if bounds:
        variables["time"][2]["bounds"] = "time_bnds"
        variables["time_bnds"] = (("time", "bnds"), np.array(bounds, "i8"), {})
    forecast = CfForecast([write_fields(tmp_path / "sums", variables, "nc")], INIT)
    with pytest.raises(UserError, match=message):
        forecast.accumulation("TOT_PREC", 1 * H)


@pytest.mark.parametrize("limit", [1 << 20, 8 * 6 * 4 - 1])
def test_a_chunk_of_many_lead_times_is_read_once(tmp_path, forecast_format, monkeypatch, limit):
    """One that would not fit into memory is read time by time."""
    monkeypatch.setattr(cfreaders, "_BLOCK_BYTES", limit)
    arrays = write_fields(
        tmp_path / "chunks",
        {
            "step": (("step",), np.arange(6), {"units": "hours"}),
            "number": (("number",), np.arange(2), {}),
            "latitude": LAT,
            "longitude": LON,
            "t2m": (("step", "number", "latitude", "longitude"), 280 + np.arange(72, dtype="f4").reshape(6, 2, 2, 3),
                    {"units": "K"}),
        },
        forecast_format,
        chunks={"t2m": (4, 2, 2, 3)},
    )  # fmt: skip
    variable, reads = arrays.variables["t2m"], []
    read = type(variable).read
    monkeypatch.setattr(type(variable), "read", lambda self, index=None: reads.append(self.name) or read(self, index))
    forecast = CfForecast([arrays], INIT)
    for lead in (0, 1, 2, 3, 0, 4, 5, 4):
        for member in range(2):
            found = forecast.read("T_2M", lead * H, f"{member:03d}")
            np.testing.assert_array_equal(found, 280 + 12 * lead + 6 * member + np.arange(6))
            found[:] = 0  # what a caller does to its array must not come back
    assert reads.count("t2m") == (2 if limit > 1000 else 16)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "text.nc").write_text("no NetCDF\n")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / ".zgroup").write_text("{")
    for name, message in (
        ("text.nc", "text.nc: cannot be read as NetCDF"),
        ("none.nc", "none.nc: cannot be read as NetCDF: No such file"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            open_netcdf(tmp_path / name)
        assert "\n" not in str(caught.value)
    for name, message in (
        ("none.zarr", "none.zarr: no Zarr store"),
        ("empty.zarr", "empty.zarr: no Zarr store"),
        ("broken.zarr", "broken.zarr: cannot be read as Zarr"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            open_zarr(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("coordinate", "message"),
    [
        ({"time": (("time",), np.array([1]), {"units": "fortnights since 2019-01-01"})}, "time is no time"),
        ({"time": (("time",), np.array([1]), {"units": "days since 2019-01-01", "calendar": "360_day"})}, "calendar 360_day"),
        ({"step": (("step",), np.array([1]), {"units": "furlongs"})}, "step is no lead time"),
        ({"step": (("step",), np.array([1]), {})}, "step is no lead time"),
    ],
)  # fmt: skip
def test_times_that_say_nothing(tmp_path, coordinate, message):
    (dim,) = coordinate
    variables = coordinate | {
        "latitude": LAT,
        "longitude": LON,
        "t2m": ((dim, "latitude", "longitude"), np.zeros((1, 2, 3), "f4"), {"units": "K"}),
    }
    with pytest.raises(UserError, match=message):
        CfForecast([write_fields(tmp_path / "x", variables, "nc")], INIT).lead_times("T_2M")
