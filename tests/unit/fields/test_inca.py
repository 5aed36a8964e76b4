"""INCA archives, key by key as MeteoSwiss keeps them."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.arrays.inca import forecast
from evalflow.fields.open import open_forecast
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import SourceSpec
from support.field_files import write_netcdf

INIT = datetime(2024, 12, 1, 12)
H, M = timedelta(hours=1), timedelta(minutes=1)
EAST, NORTH = np.array([600_000.0, 601_000.0, 602_000.0]), np.array([200_000.0, 201_000.0])
UNITS = {"TT": "degrees C", "TD": "degrees C", "RR": "mm/h", "FF": "m/s", "DD": "degrees", "WG": "m/s", "CT": "%"}


def value(name: str, time: datetime, run: datetime) -> float:
    """Return the value at the first point: from variable, valid time and run."""
    return sum(map(ord, name)) / 100 + time.hour + time.minute / 100 + (run.minute / 1000)


def write(root, name, run, times, units=None):
    """Write one variable of one run."""
    folder = root / f"{run:%Y}" / f"{run:%m}"
    folder.mkdir(parents=True, exist_ok=True)
    values = np.array([value(name, time, run) for time in times])[:, None, None] + np.arange(6).reshape(2, 3) / 8
    minutes = [int((time - run) / M) for time in times]
    return write_netcdf(
        folder / f"{name}_INCA_{run:%Y%m%d%H%M}.nc",
        {
            "time": (("time",), np.array(minutes), {"units": f"minutes since {run:%Y-%m-%d %H:%M:%S}", "standard_name": "time"}),
            "chx": (("chx",), EAST, {"units": "m"}),
            "chy": (("chy",), NORTH, {"units": "m"}),
            "grid_mapping": ((), np.array(0), {"grid_mapping_name": "swiss"}),
            name: (("time", "chy", "chx"), values.astype("f4"), {"units": units or UNITS[name]}),
        },
    )  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """Return an archive with the run of 12:00, and the temperatures of 11:50."""
    folder = tmp_path / "INCA"
    for name in UNITS:
        step = 10 * M if name in ("RR", "CT") else H
        first = step if name == "RR" else timedelta(0)
        times = [INIT + first + place * step for place in range(int((6 * H - first) / step) + 1)]
        write(folder, name, INIT, times)
    before = INIT - 10 * M
    for name in ("TT", "TD"):
        write(folder, name, before, [before + hour * H for hour in range(7)])
    # From north to south.
    east, north = np.array([599_000.0, 603_000.0]), np.array([202_000.0, 199_000.0])
    write_netcdf(
        folder / "INCA1km_topography_parameters.nc",
        {
            "x": (("p_j",), east, {}),
            "y": (("p_i",), north, {}),
            "DEM": (("p_i", "p_j"), np.array([[3000.0, 3400.0], [0.0, 400.0]], "f4"), {"units": "m"}),
        },
    )
    return folder


def test_params_units_and_times(root):
    reader = forecast(SourceSpec(root), INIT, [])
    assert reader.params() == {"T_2M", "TD_2M", "TOT_PREC", "SP_10M", "DD_10M", "VMAX_10M", "CLCT", "U_10M", "V_10M"}
    assert reader.lead_times("SP_10M") == [hour * H for hour in range(7)]
    assert reader.lead_times("CLCT")[:3] == [0 * M, 10 * M, 20 * M]
    found = reader.read("SP_10M", 3 * H)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, value("FF", INIT + 3 * H, INIT) + np.arange(6) / 8, rtol=1e-6)
    np.testing.assert_allclose(reader.read("VMAX_10M", 3 * H)[0], value("WG", INIT + 3 * H, INIT), rtol=1e-6)
    speed, direction = reader.read("SP_10M", H), np.deg2rad(reader.read("DD_10M", H))
    np.testing.assert_allclose(reader.read("U_10M", H), -speed * np.sin(direction), rtol=1e-5)
    np.testing.assert_allclose(reader.read("V_10M", H), -speed * np.cos(direction), rtol=1e-5)


@pytest.mark.parametrize(("param", "name"), [("T_2M", "TT"), ("TD_2M", "TD")])
def test_temperatures_at_full_hours_are_those_of_ten_minutes_before(root, param, name):
    """The run of 11:50 has 12:50, 13:50 …: its step of s hours is read at s hours."""
    reader = forecast(SourceSpec(root), INIT, [])
    assert reader.lead_times(param) == [hour * H for hour in range(7)]
    before = INIT - 10 * M
    np.testing.assert_allclose(reader.read(param, 0 * H)[0], value(name, INIT, INIT) + 273.15, rtol=1e-6)
    for hour in range(1, 7):
        wanted = value(name, before + hour * H, before) + 273.15
        np.testing.assert_allclose(reader.read(param, hour * H)[0], wanted, rtol=1e-6)


def test_a_run_before_that_has_the_full_hours_themselves(root):
    before = INIT - 10 * M
    write(root, "TT", before, [before] + [INIT + hour * H for hour in range(6)])
    reader = forecast(SourceSpec(root), INIT, [])
    np.testing.assert_allclose(reader.read("T_2M", 2 * H)[0], value("TT", INIT + 2 * H, before) + 273.15, rtol=1e-6)


def test_runs_between_hours_are_as_they_are(root):
    run = INIT + 30 * M
    write(root, "TT", run, [run + hour * H for hour in range(7)])
    reader = forecast(SourceSpec(root), run, [])
    np.testing.assert_allclose(reader.read("T_2M", 2 * H)[0], value("TT", run + 2 * H, run) + 273.15, rtol=1e-6)


def test_times_before_the_run_are_not_of_the_forecast(root):
    run = INIT + 30 * M
    write(root, "FF", run, [run - H, run, run + H])
    assert forecast(SourceSpec(root), run, []).lead_times("SP_10M") == [0 * H, H]


def test_precipitation_is_summed_from_ten_minutes(root):
    reader = forecast(SourceSpec(root), INIT, [])
    assert reader.accumulation("TOT_PREC", H) == 10 * M and reader.accumulation("T_2M", H) is None
    # mm of ten minutes, whatever the file says.
    np.testing.assert_allclose(reader.read("TOT_PREC", 20 * M)[0], value("RR", INIT + 20 * M, INIT), rtol=1e-6)
    derived = open_forecast(SourceSpec(root, steps=tuple(hour * H for hour in range(7))), INIT)
    amounts = [value("RR", INIT + 2 * H + step * M, INIT) for step in range(10, 70, 10)]
    np.testing.assert_allclose(derived.read("TOT_PREC1", 3 * H)[0], sum(amounts), rtol=1e-5)
    assert derived.lead_times("TOT_PREC6") == [6 * H]


def test_the_swiss_grid_and_its_elevation(root):
    grid = forecast(SourceSpec(root), INIT, []).grid("T_2M")
    assert (grid.kind, grid.shape) == ("projected", (2, 3))
    # The old observatory of Bern, 600 km east and 200 km north, is in WGS84 at 46°57'03.90" N
    # 7°26'19.08" E (swisstopo).
    np.testing.assert_allclose((grid.latitudes[0], grid.longitudes[0]), (46.951083, 7.438632), atol=2e-5)
    # Between 199 km (0 m) and 202 km (3000 m), 100 m more each km to the east from 599 km.
    np.testing.assert_allclose(grid.elevation, [1100, 1200, 1300, 2100, 2200, 2300])


def test_missing_files_are_missing_values(root):
    (root / "2024/12/RR_INCA_202412011200.nc").unlink()
    write(root, "RR", INIT + H, [INIT + 2 * H])  # the month has it
    (root / "2024/12/TT_INCA_202412011200.nc").unlink()
    (root / "INCA1km_topography_parameters.nc").unlink()
    reader = forecast(SourceSpec(root), INIT, [])
    assert "TOT_PREC" in reader.params() and reader.lead_times("TOT_PREC") == []
    assert reader.lead_times("T_2M") == [hour * H for hour in range(1, 7)]
    assert reader.grid("T_2M").elevation is None
    assert [note.removeprefix(f"{root}/") for note in reader.notes] == [
        "2024/12/RR_INCA_202412011200.nc: no such file: its values are missing",
        "2024/12/TT_INCA_202412011200.nc: no such file: its values are missing",
        "INCA1km_topography_parameters.nc: no such file: the elevation is not known",
    ]
    files = [path.name for path in reader.files(["U_10M", "T_2M"], [H])]
    assert files == ["DD_INCA_202412011200.nc", "FF_INCA_202412011200.nc", "TT_INCA_202412011150.nc"]
    with pytest.raises(NotThere, match="no forecast of 2024-12-02 12:00 UTC"):
        forecast(SourceSpec(root), INIT + timedelta(days=1), [])
    for path in root.glob("2024/12/CT*"):
        path.unlink()
    with pytest.raises(UserError, match="no CLCT; there are DD_10M, SP_10M"):
        forecast(SourceSpec(root), INIT, []).read("CLCT", H)
    with pytest.raises(UserError, match="FF: no lead time 9:00:00"):
        reader.read("SP_10M", 9 * H)


def test_the_config_says_units_and_files_say_known_ones(root):
    write(root, "FF", INIT, [INIT, INIT + H], units="km h-1")
    np.testing.assert_allclose(
        forecast(SourceSpec(root), INIT, []).read("SP_10M", H)[0], value("FF", INIT + H, INIT) / 3.6, rtol=1e-6
    )
    reader = forecast(SourceSpec(root, units={"SP_10M": "kt", "TOT_PREC": "m"}), INIT, [])
    np.testing.assert_allclose(reader.read("SP_10M", H)[0], value("FF", INIT + H, INIT) * 1852 / 3600, rtol=1e-6)
    np.testing.assert_allclose(reader.read("TOT_PREC", H)[0], 1000 * value("RR", INIT + H, INIT), rtol=1e-6)


def test_a_file_that_is_none_of_inca(root):
    write_netcdf(root / "2024/12/CT_INCA_202412011200.nc", {"x": (("x",), np.zeros(2), {})})
    with pytest.raises(UserError, match=r"CT_INCA_202412011200.nc: has no variable time; allowed: a file of INCA"):
        forecast(SourceSpec(root), INIT, []).lead_times("CLCT")
