"""anemoi-datasets' Zarr, and the output of anemoi-inference."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import zarr
from evalflow.errors import UserError
from evalflow.fields.arrays.anemoi import AnemoiArchive, is_dataset
from evalflow.fields.arrays.cf import Told
from evalflow.fields.arrays.readers import CfForecast
from evalflow.fields.arrays.zarrs import open_zarr
from support.field_files import write_fields

DATES = [datetime(2025, 1, 31, hour) for hour in (18, 21)] + [datetime(2025, 2, 1, hour) for hour in (0, 3, 6)]
H = timedelta(hours=1)
COSMO = ("T_2M", "U_10M", "FIS", "TOT_PREC_1H", "T_850", "CLCT", "cos_latitude")
IFS = ("2t", "10u", "z", "tp", "t_850", "tcc", "cos_latitude")


def write_dataset(path, names, *, version=2, chunks=(1, 7, 1, 4), shape=(2, 2), members=1, **attrs):
    """Write a dataset key by key as anemoi-datasets does.

    Values are 100·date + 10·variable + member/2 + point/8.
    """
    date, variable, member, point = np.meshgrid(
        np.arange(5), np.arange(len(names)), np.arange(members), np.arange(4), indexing="ij"
    )
    data = (100 * date + 10 * variable + member / 2 + point / 8).astype("f4")
    group = zarr.open_group(path, mode="w", zarr_format=version)
    attributes = {"variables": list(names), "uuid": "1f2e", "dimensions": ["dates", "variables", "ensembles", "values"]}
    group.attrs.update(attributes | ({"field_shape": list(shape)} if shape else {}) | attrs)
    array = group.create_array("data", shape=data.shape, chunks=chunks, dtype="f4", fill_value=np.nan)
    array[...] = data
    array.attrs["_ARRAY_DIMENSIONS"] = ["time", "variable", "ensemble", "cell"]
    for name, values, dim in (
        ("dates", np.array(DATES, "M8[s]"), "time"),
        ("latitudes", np.array([47.0, 47.0, 46.0, 46.0]), "cell"),
        ("longitudes", np.array([8.0, 369.0, 8.0, 369.0]), "cell"),
    ):
        group.create_array(name, data=values).attrs["_ARRAY_DIMENSIONS"] = [dim]
    group.create_array("mean", data=np.zeros(len(names))).attrs["_ARRAY_DIMENSIONS"] = ["variable"]
    return data


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("names", "rain", "cover"), [(COSMO, "TOT_PREC1", 1), (IFS, "TOT_PREC", 100)], ids=["cosmo", "ifs"]
)
def test_names_tell_units_and_params(tmp_path, names, rain, cover, version):
    data = write_dataset(tmp_path / "an.zarr", names, version=version)
    arrays = open_zarr(tmp_path / "an.zarr")
    assert is_dataset(arrays)
    archive = AnemoiArchive(arrays)
    assert archive.uuid == "1f2e"
    assert archive.params() == {"T_2M", "U_10M", "FIS", rain, "T_850", "CLCT"}
    assert archive.valid_times("T_2M") == DATES
    assert archive.members("T_2M") == []
    found = archive.read("T_2M", DATES[2])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, data[2, 0, 0])
    np.testing.assert_array_equal(archive.read("T_850", DATES[4]), data[4, 4, 0])
    # Metres of the hour before → kg m-2.
    np.testing.assert_allclose(archive.read(rain, DATES[1]), 1000 * data[1, 3, 0], rtol=1e-6)
    assert archive.accumulation(rain, DATES[1]) == H
    assert archive.accumulation("T_2M", DATES[1]) is None
    # Cloud cover: percent of COSMO, a fraction of IFS.
    np.testing.assert_allclose(archive.read("CLCT", DATES[0]), cover * data[0, 5, 0], rtol=1e-6)
    assert np.isnan(archive.read("T_2M", datetime(2025, 2, 1, 1))).all()


def test_the_grid_and_its_elevation(tmp_path):
    data = write_dataset(tmp_path / "an.zarr", COSMO)
    grid = AnemoiArchive(open_zarr(tmp_path / "an.zarr")).grid("T_2M")
    assert (grid.kind, grid.shape) == ("regular", (2, 2))
    np.testing.assert_allclose(grid.longitudes, [8, 9, 8, 9])
    np.testing.assert_allclose(grid.elevation, data[0, 2, 0] / 9.80665, rtol=1e-6)
    write_dataset(tmp_path / "flat.zarr", COSMO, shape=None)
    grid = AnemoiArchive(open_zarr(tmp_path / "flat.zarr")).grid("T_2M")
    assert (grid.kind, grid.shape) == ("unstructured", None)
    write_dataset(tmp_path / "none.zarr", ("T_2M",), chunks=(1, 1, 1, 4))
    assert AnemoiArchive(open_zarr(tmp_path / "none.zarr")).grid("T_2M").elevation is None


def test_what_a_dataset_records_counts_more_than_its_names(tmp_path):
    data = write_dataset(
        tmp_path / "an.zarr",
        IFS,
        variables_metadata={
            "tp": {"process": "accumulation", "period": ["0h", "6h"], "units": "kg m**-2"},
            "2t": {"units": "K"},
        },
        missing_dates=["2025-01-31T21:00:00"],
    )
    archive = AnemoiArchive(open_zarr(tmp_path / "an.zarr"))
    assert archive.accumulation("TOT_PREC", DATES[0]) == 6 * H
    np.testing.assert_array_equal(archive.read("TOT_PREC", DATES[0]), data[0, 3, 0])
    assert archive.valid_times("T_2M") == [DATES[0], *DATES[2:]]
    assert np.isnan(archive.read("T_2M", DATES[1])).all()
    told = AnemoiArchive(open_zarr(tmp_path / "an.zarr"), told=Told(units={"TOT_PREC": "m", "2t": "degC"}))
    np.testing.assert_allclose(told.read("TOT_PREC", DATES[0]), 1000 * data[0, 3, 0], rtol=1e-6)
    np.testing.assert_allclose(told.read("T_2M", DATES[0]), data[0, 0, 0] + 273.15, rtol=1e-6)


@pytest.mark.parametrize(
    ("period", "wanted"), [(["6h", "12h"], 6 * H), ([0, 3], 3 * H), (["0h", "30m"], H / 2), (["0", "1d"], 24 * H)]
)
def test_periods_as_they_are_recorded(tmp_path, period, wanted):
    write_dataset(tmp_path / "an.zarr", IFS, variables_metadata={"tp": {"period": period}})
    assert AnemoiArchive(open_zarr(tmp_path / "an.zarr")).accumulation("TOT_PREC", DATES[0]) == wanted


@pytest.mark.parametrize("edge", ["6 hours", "PT6H", None])
def test_a_period_that_is_none(tmp_path, edge):
    write_dataset(tmp_path / "an.zarr", IFS, variables_metadata={"tp": {"period": [0, edge]}})
    with pytest.raises(UserError, match="a period of accumulation is recorded as"):
        AnemoiArchive(open_zarr(tmp_path / "an.zarr"))


@pytest.mark.parametrize(
    ("chunks", "reads"),
    [((1, 7, 1, 4), 3), ((2, 7, 1, 4), 2), ((5, 1, 1, 4), 1)],
)
def test_each_chunk_is_read_once(tmp_path, monkeypatch, chunks, reads):
    data = write_dataset(tmp_path / "an.zarr", COSMO, chunks=chunks)
    arrays = open_zarr(tmp_path / "an.zarr")
    variable, calls = arrays.variables["data"], []
    read = type(variable).read
    monkeypatch.setattr(type(variable), "read", lambda self, index=None: calls.append(self.name) or read(self, index))
    archive = AnemoiArchive(arrays)
    times = [DATES[4], DATES[2], datetime(2030, 1, 1), DATES[3]]
    found = list(archive.read_many(["T_850", "T_2M", "T_2M"], times))
    assert calls.count("data") == reads
    assert [(name, time) for name, time, _ in found] == [
        (name, time) for time in DATES[2:] for name in ("T_2M", "T_850")
    ]
    for name, time, values in found:
        np.testing.assert_array_equal(values, data[DATES.index(time), COSMO.index(name), 0])


def test_chunks_that_hold_some_dates(tmp_path):
    write_dataset(tmp_path / "an.zarr", COSMO, chunks=(2, 4, 1, 2))
    archive = AnemoiArchive(open_zarr(tmp_path / "an.zarr"))
    found = [path.name for path in archive.files(["T_2M", "T_850"], [DATES[4], DATES[3], datetime(2030, 1, 1)])]
    assert found == ["1.0.0.0", "1.0.0.1", "1.1.0.0", "1.1.0.1", "2.0.0.0", "2.0.0.1", "2.1.0.0", "2.1.0.1"]
    assert [path.name for path in archive.files(["T_2M"], [DATES[0]])] == ["0.0.0.0", "0.0.0.1"]


def test_members(tmp_path):
    data = write_dataset(tmp_path / "an.zarr", COSMO, members=2, chunks=(1, 7, 2, 4))
    archive = AnemoiArchive(open_zarr(tmp_path / "an.zarr"))
    assert archive.members("T_2M") == ["000", "001"]
    np.testing.assert_array_equal(archive.read("T_2M", DATES[0]), data[0, 0, 0])
    np.testing.assert_array_equal(archive.read("T_2M", DATES[0], "001"), data[0, 0, 1])
    with pytest.raises(UserError, match="no member 002; there are 000 to 001"):
        archive.read("T_2M", DATES[0], "002")


def test_what_is_no_dataset_of_analyses(tmp_path):
    write_dataset(tmp_path / "an.zarr", COSMO)
    with pytest.raises(UserError, match=r"an.zarr: no PMSL; there are CLCT, FIS, TOT_PREC1, T_2M, T_850, U_10M"):
        AnemoiArchive(open_zarr(tmp_path / "an.zarr")).read("PMSL", DATES[0])
    group = zarr.open_group(tmp_path / "an.zarr", mode="a")
    del group["dates"]
    with pytest.raises(UserError, match="has no dates"):
        AnemoiArchive(open_zarr(tmp_path / "an.zarr"))
    del group["data"]
    array = group.create_array("data", shape=(1, 2, 1, 3, 4), dtype="f4")
    array.attrs["_ARRAY_DIMENSIONS"] = list("abcde")
    with pytest.raises(UserError, match="data has 5 dimensions; allowed: time, variable, ensemble, cell"):
        AnemoiArchive(open_zarr(tmp_path / "an.zarr"))


def inference_output(how, names):
    """Return what anemoi-inference writes, key by key.

    Its NetCDF has the init time, its Zarr has not; neither has units.
    """
    steps = np.array([0, 6 * 3600, 12 * 3600])
    start = int((datetime(2025, 1, 31, 18) - datetime(1970, 1, 1)).total_seconds())
    since = "seconds since 1970-01-01 00:00:00+00:00"
    if how == "nc":
        times = {
            "forecast_reference_time": ((), np.array(start, "i8"),
                                        {"standard_name": "forecast_reference_time", "units": since, "calendar": "standard"}),
            "time": (("time",), start + steps.astype("i8"),
                     {"standard_name": "time", "long_name": "valid time", "units": since, "calendar": "standard", "axis": "T"}),
            "forecast_period": (("time",), steps.astype("i8"),
                                {"standard_name": "forecast_period", "long_name": "lead time", "units": "seconds"}),
        }  # fmt: skip
        own = {
            "_FillValue": np.float32("nan"),
            "coordinates": "forecast_reference_time forecast_period latitude longitude",
        }
    else:
        attrs = {"units": "seconds since 2025-01-31 18:00:00", "calendar": "gregorian"}
        times = {"time": (("time",), steps.astype("i4"), attrs)}
        own = {"param": "x"}
    points = {
        "latitude": (("values",), np.array([47.0, 46.5], "f4"), {"units": "degrees_north"}),
        "longitude": (("values",), np.array([8.0, 9.0], "f4"), {"units": "degrees_east"}),
    }
    fields = {
        name: (("time", "values"), (10 * number + np.arange(6, dtype="f4")).reshape(3, 2), own)
        for number, name in enumerate(names)
    }
    return times | points | fields


@pytest.mark.parametrize("how", ["nc", "zarr2", "zarr3"])
@pytest.mark.parametrize("names", [("2t", "z_500", "z", "tp"), ("T_2M", "FI_500", "FIS", "TOT_PREC")])
def test_output_of_anemoi_inference(tmp_path, how, names):
    forecast = CfForecast([write_fields(tmp_path / "out", inference_output(how, names), how)], DATES[0])
    assert forecast.params() == {"T_2M", "Z_500", "FIS", "TOT_PREC"}
    assert forecast.lead_times("T_2M") == [0 * H, 6 * H, 12 * H]
    grid = forecast.grid("T_2M")
    assert (grid.kind, grid.size) == ("unstructured", 2)
    np.testing.assert_allclose(grid.elevation, np.array([20, 21]) / 9.80665, rtol=1e-6)
    np.testing.assert_array_equal(forecast.read("T_2M", 6 * H), [2, 3])
    np.testing.assert_array_equal(forecast.read("Z_500", 12 * H), [14, 15])
    np.testing.assert_allclose(forecast.read("TOT_PREC", 6 * H), [32_000, 33_000])
    with pytest.raises(UserError, match="is a sum over time, and nothing says of what time"):
        forecast.accumulation("TOT_PREC", 6 * H)
