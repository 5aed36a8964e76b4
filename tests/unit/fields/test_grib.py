"""Readers of GRIB: forecasts by lead time, analyses by valid time."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.grib.catalogues import ArchiveFiles, ForecastFiles
from evalflow.fields.grib.codes import eccodes
from evalflow.fields.grib.reader import GribArchive, GribForecast
from evalflow.fields.grid_files import GridFiles
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import GridFile
from support.grib_files import LATITUDES, T_2M, U_10M, V_10M, grib, member, on_level, sum_of, unstructured, write
from support.trial_files import trial_file

INIT, H = datetime(2024, 1, 10), timedelta(hours=1)
NAN = np.nan


@pytest.fixture
def grib_forecast(tmp_path):
    """Return a function that writes messages into a file and opens it as a forecast."""

    def run(*messages: bytes, **options) -> GribForecast:
        return GribForecast(ForecastFiles([write(tmp_path / "a.grib", *messages)], INIT), **options)

    return run


def hours(times) -> list[float]:
    return [time / H for time in times]


# --- forecasts --------------------------------------------------------------------------------------------------------


def test_params_lead_times_and_values(grib_forecast):
    warm, cold = np.linspace(280, 291, 12), np.linspace(260, 271, 12)
    reader = grib_forecast(
        grib(cold, step=6, **T_2M), grib(warm, step=0, **T_2M), grib(step=6, shortName="2d"), grib(step=6, shortName="swh"),
        grib(np.arange(12) * 1e3, step=6, **on_level("gh", 500)),
    )  # fmt: skip
    assert reader.params() == {"T_2M", "TD_2M", "Z_500"}  # waves are none of ours
    assert hours(reader.lead_times("T_2M")) == [0, 6] and hours(reader.lead_times("TD_2M")) == [6]
    np.testing.assert_allclose(reader.read("T_2M", 6 * H), cold, atol=1e-3)
    np.testing.assert_allclose(reader.read("T_2M", 0 * H), warm, atol=1e-3)
    np.testing.assert_allclose(reader.read("Z_500", 6 * H), np.arange(12) * 9806.65, rtol=1e-4)  # of gpm
    assert reader.read("T_2M", 6 * H).dtype == np.float32
    assert reader.members("T_2M") == [] and reader.accumulation("T_2M", 6 * H) is None
    assert reader.describe("TD_2M").endswith("a.grib: message 3 [K]")
    np.testing.assert_allclose(reader.grid("T_2M").latitudes, LATITUDES)


def test_where_values_come_from(tmp_path):
    first = write(tmp_path / "a.grib", grib(step=0, **T_2M), grib(step=6, **T_2M))
    second = write(tmp_path / "b.grib", grib(step=6, shortName="2d"))
    reader = GribForecast(ForecastFiles([first, second], INIT))
    assert reader.describe("T_2M") == f"{first}: message 1 [K]"
    assert reader.describe("T_2M", 6 * H) == f"{first}: message 2 [K]"
    assert reader.files(["T_2M", "TD_2M"], [0 * H]) == [first]
    assert reader.files(["T_2M", "TD_2M"], [0 * H, 6 * H]) == [first, second]
    assert reader.files(["TD_2M"], [0 * H, 12 * H]) == []


def test_values_that_are_given_out_belong_to_the_caller(grib_forecast):
    reader = grib_forecast(grib(**T_2M))
    reader.read("T_2M", 0 * H)[:] = 0
    assert reader.read("T_2M", 0 * H).tolist() == list(range(12))


def test_a_real_forecast():
    """AROME-Arctic: winds are along its grid's axes, and its elevation is in it as a geopotential."""
    path = trial_file("arome_arctic_20180710_sfc.grib")
    reader = GribForecast(ForecastFiles([path, path.with_name("README.md")], datetime(2018, 7, 10)))
    assert reader.params() == {"T_2M", "QV_2M", "U_10M", "V_10M", "PMSL", "FIS"}
    assert hours(reader.lead_times("PMSL")) == list(range(0, 49, 3))
    raw = {}
    with open(path, "rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            keys = [eccodes.codes_get(handle, key, ktype=int) for key in ("endStep", "indicatorOfParameter")]
            raw[tuple(keys)] = eccodes.codes_get_values(handle)
            eccodes.codes_release(handle)
    np.testing.assert_allclose(reader.read("T_2M", 12 * H), raw[12, 11], rtol=1e-6)
    np.testing.assert_allclose(reader.read("PMSL", 48 * H), raw[48, 1], rtol=1e-6)
    grid = reader.grid("T_2M")
    np.testing.assert_allclose(grid.elevation, raw[0, 6] / 9.80665, atol=1e-2)
    turned = np.sin(np.deg2rad(77.5)) * np.deg2rad(-25 - grid.longitudes)
    u, v = reader.read("U_10M", 12 * H), reader.read("V_10M", 12 * H)
    np.testing.assert_allclose(u, raw[12, 33] * np.cos(turned) - raw[12, 34] * np.sin(turned), atol=1e-4)
    np.testing.assert_allclose(v, raw[12, 33] * np.sin(turned) + raw[12, 34] * np.cos(turned), atol=1e-4)
    np.testing.assert_allclose(np.hypot(u, v), np.hypot(raw[12, 33], raw[12, 34]), rtol=1e-5)
    assert np.abs(u - raw[12, 33]).max() > 3  # to leave them as they are would be wrong by metres per second


def test_winds_along_a_grid_need_both_parts(grib_forecast):
    keys = {
        "gridType": "lambert", "Nx": 4, "Ny": 3, "LaDInDegrees": 47, "LoVInDegrees": 10, "DxInMetres": 5000, "DyInMetres": 5000,
        "latitudeOfFirstGridPointInDegrees": 45, "longitudeOfFirstGridPointInDegrees": 5, "Latin1InDegrees": 47,
        "Latin2InDegrees": 47, "jScansPositively": 1, "uvRelativeToGrid": 1,
    }  # fmt: skip
    reader = grib_forecast(grib(**keys, **U_10M), grib(step=6, **keys, **U_10M), grib(step=6, **keys, **V_10M))
    assert np.isfinite(reader.read("U_10M", 6 * H)).all()
    with pytest.raises(
        UserError, match="message 1: U_10M is along the grid's axes, and there is no V_10M to turn it with"
    ):
        reader.read("U_10M", 0 * H)


def test_ensembles(grib_forecast):
    fields = [grib([280.0 + number] * 12, **member(number), **T_2M) for number in (2, 0, 1)]
    reader = grib_forecast(*fields, grib([1.0] * 12, shortName="2d"))
    assert reader.members("T_2M") == ["000", "001", "002"] and reader.members("TD_2M") == []
    for asked, value in ((None, 280), ("control", 280), ("000", 280), ("002", 282)):
        np.testing.assert_allclose(reader.read("T_2M", 0 * H, asked), value)
    with pytest.raises(UserError, match=r"no member 007; there are 000 to 002"):
        reader.read("T_2M", 0 * H, "007")
    with pytest.raises(UserError, match="no member 001; it is no ensemble"):
        reader.read("TD_2M", 0 * H, "001")


def test_a_real_ensemble():
    reader = GribForecast(ForecastFiles([trial_file("z500_ens.grib")], datetime(2012, 9, 20)))
    assert reader.members("Z_500") == [f"{number:03d}" for number in range(51)]
    assert 50_000 < reader.read("Z_500", 96 * H, "017").mean() < 60_000


def test_units_of_the_config_count_more_than_the_file_s(grib_forecast):
    precipitation = grib([12.0] * 12, **sum_of("0-6", paramId=228))  # says m
    np.testing.assert_allclose(grib_forecast(precipitation).read("TOT_PREC", 6 * H), 12_000)
    reader = grib_forecast(precipitation, units={"tp": "mm"})
    np.testing.assert_allclose(reader.read("TOT_PREC", 6 * H), 12)
    assert reader.describe("TOT_PREC").endswith("[mm]")
    with pytest.raises(UserError, match='message 1: TOT_PREC has units "hPa"; known here: kg m-2, mm'):
        grib_forecast(precipitation, units={"TOT_PREC": "hPa"}).read("TOT_PREC", 6 * H)
    with pytest.raises(UserError, match="no param NOPE"):
        grib_forecast(precipitation, units={"NOPE": "mm"})


def test_fields_of_another_init_time_are_left_out_and_said(grib_forecast):
    yesterday = {"dataDate": 20240109}
    reader = grib_forecast(grib(step=6, **T_2M), grib(step=6, **yesterday, **T_2M), grib(**yesterday, **T_2M))
    assert hours(reader.lead_times("T_2M")) == [6]
    (note,) = reader.notes
    assert note.startswith("2 fields of other init times than 2024-01-10 00:00:00 are left out: ")
    assert note.endswith("a.grib: message 2 is of 2024-01-09 00:00:00")


def test_a_forecast_of_another_init_time_names_both(tmp_path):
    path = write(tmp_path / "a.grib", grib(dataDate=20240109, **T_2M))
    with pytest.raises(UserError, match=r"message 1: is of 2024-01-09 00:00:00, not of 2024-01-10 00:00:00"):
        ForecastFiles([path], INIT)
    with pytest.raises(NotThere, match="no forecast of 2024-01-10 00:00:00"):
        ForecastFiles([path], INIT, of_one_init_time=False)


def test_files_without_a_known_field(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}: no GRIB with a param that is known"):
        ForecastFiles([write(tmp_path / "a.grib", grib(shortName="swh"))], INIT)


def test_what_there_is_not(grib_forecast):
    reader = grib_forecast(grib(**T_2M), grib(step=6, shortName="2d"))
    with pytest.raises(UserError, match=r"a\.grib: no PMSL; there are TD_2M, T_2M"):
        reader.read("PMSL", 0 * H)
    with pytest.raises(UserError, match=r"a\.grib: no PMSL; there are"):
        reader.grid("PMSL")
    with pytest.raises(UserError, match="no T_2M at lead time 3:00:00"):
        reader.read("T_2M", 3 * H)


# --- sums over time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "hours_of_sum"), [("0-6", 6), ("3-6", 3), ("5-6", 1), ("0m-15m", 0.25)])
def test_what_time_a_sum_is_of(grib_forecast, steps, hours_of_sum):
    lead = 0.25 * H if "m" in steps else 6 * H
    assert grib_forecast(grib(**sum_of(steps))).accumulation("TOT_PREC", lead) == hours_of_sum * H


def test_ecmwf_writes_sums_since_the_start_as_moments_in_grib1(grib_forecast):
    tp = {"edition": 1, "shortName": "tp", "step": 6}
    assert grib_forecast(grib(centre=98, **tp)).accumulation("TOT_PREC", 6 * H) == 6 * H
    other = {
        "edition": 1,
        "centre": 78,
        "table2Version": 2,
        "indicatorOfParameter": 61,
        "indicatorOfTypeOfLevel": 1,
        "P1": 6,
    }
    with pytest.raises(UserError, match="message 1: TOT_PREC is a sum, and the message does not say of what time"):
        grib_forecast(grib(**other)).accumulation("TOT_PREC", 6 * H)


def test_of_several_messages_the_sum_since_the_start_counts(grib_forecast):
    """NCEP writes buckets and the sum since the start."""
    both = [grib([6.0] * 12, **sum_of("6-12")), grib([10.0] * 12, **sum_of("0-12"))]
    for messages in (both, both[::-1]):
        reader = grib_forecast(*messages)
        assert reader.accumulation("TOT_PREC", 12 * H) == 12 * H
        np.testing.assert_allclose(reader.read("TOT_PREC", 12 * H), 10)


def test_of_equal_messages_the_last_counts(grib_forecast):
    reader = grib_forecast(grib([280.0] * 12, **T_2M), grib([281.0] * 12, **T_2M))
    np.testing.assert_allclose(reader.read("T_2M", 0 * H), 281)


def test_gusts_have_an_interval_and_are_no_sums(grib_forecast):
    reader = grib_forecast(grib([9.0] * 12, shortName="10fg3"), grib([8.0] * 12, shortName="10fg", stepRange="2-3"))
    assert reader.accumulation("VMAX_10M", 3 * H) is None
    np.testing.assert_allclose(reader.read("VMAX_10M", 3 * H), 8)  # of the shorter time


# --- several grids ----------------------------------------------------------------------------------------------------


@pytest.fixture
def two_grids(tmp_path):
    """Return a function: what a model writes that has a limited area of 5 points inside a global grid of 12."""
    north, east = np.linspace(50, 51, 5), np.linspace(-1, 0, 5)
    number = {"parameterCategory": 191, "typeOfFirstFixedSurface": 1, "bitsPerValue": 24}
    constants = write(
        tmp_path / "constants", grib(north, **unstructured(5), **number, parameterNumber=1),
        grib(east, **unstructured(5), **number, parameterNumber=2),
    )  # fmt: skip
    overlap = np.where(np.isin(np.arange(12), [5, 6]), NAN, 0.0)

    def run(*fields: dict, leads=(0, 6)) -> GribForecast:
        messages = []
        for lead in leads:
            for keys in fields:
                messages.append(grib(np.arange(5) + 280.0 + lead, **unstructured(5), step=lead, **keys))
                messages.append(grib(overlap + np.arange(12) + 290.0 + lead, step=lead, **keys))
        find_grid = GridFiles([GridFile(constants, points=5)]).find
        path = write(tmp_path / "a.grib", *messages)
        return GribForecast(ForecastFiles([path], INIT), find_grid=find_grid)

    return run


def test_the_points_of_all_grids_are_the_source_s(two_grids):
    reader = two_grids(T_2M, {"shortName": "2d"})
    grid = reader.grid("T_2M")
    assert grid.size == 5 + 10 and grid.kind == "unstructured"  # what is missing by construction counts nowhere
    np.testing.assert_allclose(grid.latitudes[:5], np.linspace(50, 51, 5), atol=1e-4)
    np.testing.assert_allclose(grid.latitudes[5:], np.delete(LATITUDES, [5, 6]))
    expected = [*range(286, 291), *np.delete(np.arange(12) + 296, [5, 6])]
    np.testing.assert_allclose(reader.read("T_2M", 6 * H), expected, atol=1e-3)
    assert reader.grid("TD_2M").digest == grid.digest


def test_a_field_that_is_missing_on_one_grid_is_missing_there(two_grids, tmp_path):
    reader = two_grids(T_2M)
    path = tmp_path / "a.grib"
    write(path, path.read_bytes(), grib(np.arange(5) + 1.0, **unstructured(5), step=12, **T_2M))
    reader = GribForecast(ForecastFiles([path], INIT), find_grid=reader._find_grid)
    found = reader.read("T_2M", 12 * H)
    assert found[:5].tolist() == [1, 2, 3, 4, 5] and np.isnan(found[5:]).all() and found.size == 15


def test_what_is_missing_at_the_start_alone_does_not_decide(grib_forecast):
    """A sum has no values at the start; which points of a grid are used shows later."""
    other = {"latitudeOfFirstGridPointInDegrees": 62, "latitudeOfLastGridPointInDegrees": 60}
    holes = np.where(np.arange(12) < 4, NAN, 1.0)
    reader = grib_forecast(
        grib([NAN] * 12, **sum_of("0-0")), grib([NAN] * 12, **other, **sum_of("0-0")),
        grib([2.0] * 12, **sum_of("0-6")), grib(holes, **other, **sum_of("0-6")),
    )  # fmt: skip
    assert reader.grid("TOT_PREC").size == 12 + 8
    assert np.isnan(reader.read("TOT_PREC", 0 * H)).all()
    assert reader.read("TOT_PREC", 6 * H).tolist() == [2.0] * 12 + [1.0] * 8


def test_missing_values_on_one_grid_stay(grib_forecast):
    reader = grib_forecast(grib([NAN] + [280.0] * 11, **T_2M))
    assert reader.grid("T_2M").size == 12 and np.isnan(reader.read("T_2M", 0 * H)[0])


def test_a_grid_that_changes_on_the_way_is_an_error(grib_forecast):
    other = {"latitudeOfFirstGridPointInDegrees": 62, "latitudeOfLastGridPointInDegrees": 60}
    reader = grib_forecast(grib(step=0, **T_2M), grib(step=6, **other, **T_2M), grib(step=6, shortName="2d"))
    with pytest.raises(UserError, match=r"a\.grib: message 2: T_2M is on another grid than in .*a\.grib: message 1"):
        reader.grid("T_2M")
    assert reader.grid("TD_2M").size == 12  # nothing else ends


def test_elevation_in_the_forecast_itself(grib_forecast):
    height = np.arange(12) * 100.0
    reader = grib_forecast(grib(height, shortName="orog"), grib(step=6, **T_2M))
    np.testing.assert_allclose(reader.grid("T_2M").elevation, height, atol=0.1)
    reader = grib_forecast(grib(height * 9.80665, shortName="z"), grib(step=6, **T_2M))
    np.testing.assert_allclose(reader.grid("T_2M").elevation, height, atol=0.1)
    assert grib_forecast(grib(**T_2M)).grid("T_2M").elevation is None


# --- analyses ---------------------------------------------------------------------------------------------------------


def at(day: int, hour: int, step: int = 0, **keys) -> bytes:
    """Return a 2 m temperature of 200 + day + hour / 100 K."""
    return grib(
        [200.0 + day + (hour + step) / 100] * 12,
        dataDate=20240100 + day,
        dataTime=hour * 100,
        step=step,
        **T_2M,
        **keys,
    )


@pytest.fixture
def grib_archive(tmp_path):
    """Return a function that opens an archive of analyses: two days of four times, in one way of keeping them."""

    def run(layout: str) -> GribArchive:
        times = [(day, hour) for day in (10, 11) for hour in (0, 6, 12, 18)]
        if layout == "one file":
            return GribArchive(ArchiveFiles(write(tmp_path / "all.grib", *(at(*time) for time in times)), None))
        for day, hour in times:
            folder = tmp_path / f"2024/{day}" if layout == "file per time" else tmp_path
            name = f"ana_202401{day}{hour:02d}.grib" if layout == "file per time" else f"day_202401{day}.grib"
            before = (folder / name).read_bytes() if (folder / name).exists() else b""
            write(folder / name, before, at(day, hour))
        write(tmp_path / "readme.txt", b"GRIB")
        pattern = "%Y/%d/ana_%Y%m%d%H.grib" if layout == "file per time" else "day_%Y%m%d.grib"
        return GribArchive(ArchiveFiles(tmp_path, pattern))

    return run


@pytest.mark.parametrize("layout", ["one file", "file per time", "file per day"])
def test_analyses_by_valid_time(grib_archive, layout):
    reader = grib_archive(layout)
    assert reader.params() == {"T_2M"} and reader.grid("T_2M").size == 12
    np.testing.assert_allclose(reader.read("T_2M", datetime(2024, 1, 11, 6)), 211.06, atol=1e-3)
    assert np.isnan(reader.read("T_2M", datetime(2024, 1, 11, 7))).all()
    assert np.isnan(reader.read("T_2M", datetime(2025, 1, 11, 6))).all()
    assert reader.valid_times("T_2M") == [datetime(2024, 1, day, hour) for day in (10, 11) for hour in (0, 6, 12, 18)]
    wanted = [datetime(2024, 1, 11, 6), datetime(2024, 1, 10), datetime(2024, 1, 11, 6), datetime(2024, 1, 11, 7)]
    found = [(param, time, float(values[0])) for param, time, values in reader.read_many(["T_2M"], wanted)]
    assert [(param, time) for param, time, _ in found] == [
        ("T_2M", datetime(2024, 1, 10)),
        ("T_2M", datetime(2024, 1, 11, 6)),
    ]
    np.testing.assert_allclose([value for *_, value in found], [210, 211.06], atol=1e-3)


def test_each_file_is_looked_into_once(grib_archive, monkeypatch):
    from evalflow.fields.grib import catalogues as grib_catalogues

    seen: list[Path] = []
    original = grib_catalogues.read_index

    def counting(files, wanted=None, **options):
        seen.extend(files)
        return original(files, wanted, **options)

    monkeypatch.setattr(grib_catalogues, "read_index", counting)
    reader = grib_archive("file per day")
    times = [datetime(2024, 1, 10, hour) for hour in (0, 6, 12)]
    assert len(list(reader.read_many(["T_2M"], times))) == 3
    assert len(seen) == len(set(seen)) == 2


def test_of_forecasts_the_one_with_the_shortest_lead_time_is_the_analysis(tmp_path):
    path = write(tmp_path / "all.grib", at(10, 0, 6), at(10, 6), at(10, 0, 12), at(10, 6, 6))
    reader = GribArchive(ArchiveFiles(path, None))
    six = 200 + 10 + 6 / 100
    np.testing.assert_allclose(reader.read("T_2M", datetime(2024, 1, 10, 6)), six, atol=1e-3)
    index = reader._at("T_2M", datetime(2024, 1, 10, 12))[0]
    assert [message.lead_time / H for message in index.values()] == [6]


def test_a_real_archive():
    reader = GribArchive(ArchiveFiles(trial_file("era5-2mt-2019-03-uk.grib"), None))
    times = reader.valid_times("T_2M")
    assert len(times) == 744 and times[0] == datetime(2019, 3, 1) and times[-1] == datetime(2019, 3, 31, 23)
    grid = reader.grid("T_2M")
    assert grid.shape == (33, 49) and (grid.latitudes.max(), grid.latitudes.min()) == (58, 50)
    assert (grid.longitudes.min(), grid.longitudes.max()) == (-10, 2)
    found = list(reader.read_many(["T_2M"], times[:30]))
    assert [time for _, time, _ in found] == times[:30] and all(270 < values.mean() < 290 for *_, values in found)


def test_an_ensemble_of_analyses():
    reader = GribArchive(ArchiveFiles(trial_file("era5-levels-members.grib"), None))
    assert reader.params() == {"T_500", "T_850", "Z_500", "Z_850"} and len(reader.members("T_850")) == 10
    time = datetime(2017, 1, 2)
    fields = [reader.read("T_850", time, name) for name in reader.members("T_850")]
    assert len({field.tobytes() for field in fields}) == 10
    np.testing.assert_array_equal(reader.read("T_850", time), fields[0])
