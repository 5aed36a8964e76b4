"""An archive of ICON's forecasts, made key by key as it is laid out."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields import icon
from evalflow.fields.archives import is_icon_archive
from evalflow.fields.open import open_forecast
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import GridFile, SourceSpec
from support.grib_files import T_2M, U_10M, V_10M, grib, member, sum_of, unstructured, write

INIT, H = datetime(2024, 12, 7, 6), timedelta(hours=1)
DATE = {"dataDate": 20241207, "dataTime": 600}
UUID = "17643da2574959b644d254a3cd6e2bc0"
GRID = unstructured(5, UUID)
NAN = np.nan


def name_of(model: int, lead: int, which: str) -> str:
    return f"FCST24/24120706_c{model}e/grib/i{model}eff{lead // 24:02d}{lead % 24:02d}0000_{which}"


def fields(lead: int, number: int) -> list[bytes]:
    """Return what a file holds: 2 m temperature, wind, precipitation since the start, and levels of the model."""
    of = member(number)
    steps = {
        "productDefinitionTemplateNumber": 11,
        **{k: v for k, v in of.items() if k != "productDefinitionTemplateNumber"},
    }
    rain = sum_of(f"0-{lead}", **steps)
    amount = [NAN] * 5 if lead == 0 else np.arange(5) * lead + number
    return [
        grib(np.arange(5) + 280.0 + lead + number, **GRID, **DATE, **of, **T_2M, step=lead),
        grib([3.0 if number else -3.0] * 5, **GRID, **DATE, **of, **U_10M, step=lead),
        grib([4.0 if number else -4.0] * 5, **GRID, **DATE, **of, **V_10M, step=lead),
        grib(amount, **GRID, **DATE, **{**rain, "paramId": 228228}),
        grib(**GRID, **DATE, **of, shortName="t", typeOfFirstFixedSurface=150, step=lead),
    ]


@pytest.fixture
def icon_archive(tmp_path) -> Path:
    root = tmp_path / "ICON-CH1-EPS"
    for lead in (0, 1, 6, 25):
        for number in (0, 1):
            write(root / name_of(1, lead, f"{number:03d}"), *fields(lead, number))
        median = {"productDefinitionTemplateNumber": 6, "percentileValue": 50, **T_2M}
        write(root / name_of(1, lead, "median"), grib([270.0 + lead] * 5, **GRID, **DATE, **median, step=lead))
        write(root / (name_of(1, lead, "000") + ".md5"), b"0123")
    (root / "FCST24/24120712_c1e/grib").mkdir(parents=True)
    return root


@pytest.fixture
def grids(tmp_path) -> tuple[GridFile, ...]:
    number = {"discipline": 0, "parameterCategory": 191, "typeOfFirstFixedSurface": 1, "bitsPerValue": 24}
    path = write(
        tmp_path / "horizontal_constants.grib2",
        grib(np.linspace(46, 48, 5), **GRID, **number, parameterNumber=1),
        grib(np.linspace(6, 10, 5), **GRID, **number, parameterNumber=2),
        grib(np.linspace(200, 3000, 5), **GRID, parameterCategory=3, parameterNumber=6, typeOfFirstFixedSurface=1),
    )
    return (GridFile(path, points=5),)


def test_one_member(icon_archive, grids):
    reader = open_forecast(SourceSpec(icon_archive, grids=grids), INIT)
    assert reader.lead_times("T_2M") == [0 * H, 1 * H, 6 * H, 25 * H]
    np.testing.assert_allclose(reader.read("T_2M", 25 * H), np.arange(5) + 305, atol=1e-3)
    np.testing.assert_allclose(reader.read("SP_10M", 6 * H), 5, rtol=1e-4)
    grid = reader.grid("T_2M")
    np.testing.assert_allclose(grid.latitudes, np.linspace(46, 48, 5), atol=1e-4)
    np.testing.assert_allclose(grid.elevation, np.linspace(200, 3000, 5), atol=1)
    other = open_forecast(SourceSpec(icon_archive, member="001", grids=grids), INIT)
    np.testing.assert_allclose(other.read("T_2M", 25 * H), np.arange(5) + 306, atol=1e-3)


def test_precipitation(icon_archive, grids):
    reader = open_forecast(SourceSpec(icon_archive, grids=grids, steps=(6 * H, 25 * H)), INIT)
    assert reader.lead_times("TOT_PREC6") == [6 * H]  # at 19 h there is no file
    np.testing.assert_allclose(reader.read("TOT_PREC6", 6 * H), np.arange(5) * 6, atol=0.05)
    np.testing.assert_allclose(reader.read("TOT_PREC", 25 * H), np.arange(5) * 25, atol=0.05)
    reader = open_forecast(SourceSpec(icon_archive, grids=grids), INIT)
    np.testing.assert_allclose(reader.read("TOT_PREC5", 6 * H), np.arange(5) * 5, atol=0.05)


def test_the_mean_over_all_members(icon_archive, grids):
    reader = open_forecast(SourceSpec(icon_archive, member="mean", grids=grids), INIT)
    np.testing.assert_allclose(reader.read("T_2M", 6 * H), np.arange(5) + 286.5, atol=1e-3)
    np.testing.assert_allclose(reader.read("SP_10M", 6 * H), 5, rtol=1e-4)  # the mean wind is calm
    np.testing.assert_allclose(reader.read("U_10M", 6 * H), 0, atol=1e-4)
    (icon_archive / name_of(1, 6, "001")).unlink()
    reader = open_forecast(SourceSpec(icon_archive, member="mean", grids=grids), INIT)
    np.testing.assert_allclose(reader.read("T_2M", 6 * H), np.arange(5) + 286, atol=1e-3)
    assert reader.notes == ["T_2M: 1 fields of single members are missing in means"]


def test_the_median_is_a_file_of_its_own(icon_archive, grids):
    reader = open_forecast(SourceSpec(icon_archive, member="median", grids=grids), INIT)
    assert reader.params() == {"T_2M"}
    np.testing.assert_allclose(reader.read("T_2M", 6 * H), 276)


def test_only_the_files_that_are_needed_are_opened(icon_archive, grids, monkeypatch):
    seen: list[str] = []
    original = icon.read_index

    def counting(files, wanted=None, **options):
        seen.extend(path.name for path in files)
        return original(files, wanted, **options)

    monkeypatch.setattr(icon, "read_index", counting)
    for lead in range(2, 6):
        write(icon_archive / name_of(1, lead, "000"), *fields(lead, 0))
    reader = open_forecast(SourceSpec(icon_archive, grids=grids, steps=(6 * H,)), INIT)
    assert reader.lead_times("T_2M") == reader.lead_times("TOT_PREC6") == [6 * H]
    reader.read("T_2M", 6 * H), reader.read("TOT_PREC6", 6 * H)
    shown = {f"i1eff{lead}0000_000" for lead in ("0000", "0003", "0101")}  # what shows what there is
    assert set(seen) <= {*shown, "i1eff00060000_000"} and len(seen) == len(set(seen))


def test_a_missing_file_is_missing_and_a_param_that_a_file_lacks_too(icon_archive, grids):
    (icon_archive / name_of(1, 1, "000")).unlink()
    write(icon_archive / name_of(1, 2, "000"), *fields(2, 0)[1:])
    reader = open_forecast(SourceSpec(icon_archive, grids=grids), INIT)
    assert 1 * H not in reader.lead_times("T_2M")
    with pytest.raises(UserError, match="no T_2M at lead time 1:00:00"):
        reader.read("T_2M", 1 * H)
    assert np.isnan(reader.read("T_2M", 2 * H)).all()


@pytest.mark.parametrize("init_time", [datetime(2024, 12, 7, 12), datetime(2024, 12, 8), datetime(2025, 12, 7, 6)])
def test_a_forecast_that_the_archive_has_not(icon_archive, init_time):
    with pytest.raises(NotThere, match=f"ICON-CH1-EPS: no forecast of {init_time:%Y-%m-%d %H:%M} UTC, member 000"):
        open_forecast(SourceSpec(icon_archive), init_time)
    with pytest.raises(NotThere, match="member 007"):
        open_forecast(SourceSpec(icon_archive, member="007"), INIT)


def test_which_model_the_path_says(icon_archive, tmp_path):
    write(icon_archive / name_of(2, 6, "000"), *fields(6, 0))
    assert open_forecast(SourceSpec(icon_archive), INIT).lead_times("T_2M") == [0 * H, 1 * H, 6 * H, 25 * H]
    both = icon_archive.rename(tmp_path / "archive")
    with pytest.raises(UserError, match="has forecasts of ICON-CH1-EPS and ICON-CH2-EPS"):
        open_forecast(SourceSpec(both), INIT)


def test_what_is_an_archive_of_icon(icon_archive, tmp_path):
    assert is_icon_archive(icon_archive)
    assert not is_icon_archive(tmp_path) and not is_icon_archive(tmp_path / "absent")
