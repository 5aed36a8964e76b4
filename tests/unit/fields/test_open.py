"""Opening what the config names."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.open import kind_of_truth, open_forecast, open_truth
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import SourceSpec, TruthSpec
from support.grib_files import T_2M, grib, member, sum_of, write
from support.trial_files import trial_file

INIT, H = datetime(2024, 1, 10), timedelta(hours=1)


def test_a_folder_of_a_forecast_with_other_files_in_it(tmp_path):
    folder = tmp_path / "202401100000"
    write(folder / "grib" / "lead-0.grib", grib(step=0, **T_2M))
    write(folder / "grib" / "lead-6.grib", grib(step=6, **T_2M))
    for name, content in {
        "forecast.log": b"GRIB written",
        "config.yaml": b"a: 1",
        "forecast.json": b"{}",
        ".done": b"",
    }.items():
        write(folder / name, content)
    for spec in (SourceSpec(folder), SourceSpec(tmp_path, pattern="%Y%m%d%H%M")):
        assert open_forecast(spec, INIT).lead_times("T_2M") == [0 * H, 6 * H]


def test_steps_members_and_units_of_the_config(tmp_path):
    fields = [
        grib([280.0 + number] * 12, step=lead, **member(number), **T_2M) for number in (0, 1) for lead in (0, 3, 6)
    ]
    path = write(tmp_path / "a.grib", *fields, grib([12.0] * 12, **sum_of("0-6", paramId=228)))
    reader = open_forecast(
        SourceSpec(path, steps=(0 * H, 6 * H, 12 * H), member="mean", units={"TOT_PREC": "mm"}), INIT
    )
    assert reader.lead_times("T_2M") == [0 * H, 6 * H]
    np.testing.assert_allclose(reader.read("T_2M", 6 * H), 280.5)
    np.testing.assert_allclose(reader.read("TOT_PREC6", 6 * H), 12)


def test_what_is_not_there(tmp_path):
    write(tmp_path / "2024011000.grib", grib(**T_2M))
    write(tmp_path / "notes.txt", b"nothing")
    with pytest.raises(NotThere, match=f"{tmp_path}/2024011006.grib: no such file"):
        open_forecast(SourceSpec(tmp_path, pattern="%Y%m%d%H.grib"), datetime(2024, 1, 10, 6))
    with pytest.raises(UserError, match=f"{tmp_path}/absent: no such file or folder"):
        open_forecast(SourceSpec(tmp_path / "absent"), INIT)
    with pytest.raises(UserError, match="notes.txt: is no forecast that can be read; allowed: GRIB, NetCDF, Zarr"):
        open_forecast(SourceSpec(tmp_path / "notes.txt"), INIT)
    write(tmp_path / "texts" / "a.txt", b"nothing"), write(tmp_path / "texts" / "b.txt", b"nothing")
    with pytest.raises(UserError, match="texts/a.txt: is no forecast that can be read, nor are 1 more; allowed: GRIB"):
        open_forecast(SourceSpec(tmp_path / "texts"), INIT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{tmp_path}/empty: there is no file; allowed: GRIB, NetCDF, Zarr"):
        open_forecast(SourceSpec(tmp_path / "empty"), INIT)
    with pytest.raises(UserError, match="has %B; allowed: %Y"):
        open_forecast(SourceSpec(tmp_path, pattern="%B.grib"), INIT)
    with pytest.raises(UserError, match="no member median; allowed but in an ICON archive"):
        open_forecast(SourceSpec(tmp_path, pattern="%Y%m%d%H.grib", member="median"), INIT)


def test_one_file_of_many_init_times(tmp_path):
    path = write(tmp_path / "all.grib", grib(**T_2M), grib(dataDate=20240111, **T_2M))
    reader = open_forecast(SourceSpec(path), datetime(2024, 1, 11))
    assert reader.lead_times("T_2M") == [0 * H] and reader.notes == []
    with pytest.raises(NotThere, match="no forecast of 2024-01-12"):
        open_forecast(SourceSpec(path), datetime(2024, 1, 12))


def test_analyses_as_truth(tmp_path):
    for hour in (0, 6):
        write(tmp_path / f"ana_20240110{hour:02d}.grib", grib([280.0 + hour] * 12, dataTime=hour * 100, **T_2M))
    truth = TruthSpec(str(tmp_path), pattern="ana_%Y%m%d%H.grib")
    assert kind_of_truth(truth) == "grib"
    reader = open_truth(truth)
    np.testing.assert_allclose(reader.read("T_2M", datetime(2024, 1, 10, 6)), 286)
    assert np.isnan(reader.read("T_2M", datetime(2024, 1, 10, 7))).all()
    assert len(reader.valid_times("T_2M")) == 2


def test_a_real_truth():
    reader = open_truth(TruthSpec(str(trial_file("era5-2mt-2019-03-uk.grib"))))
    times = [datetime(2019, 3, day, 12) for day in (1, 15, 31)]
    assert [time for _, time, _ in reader.read_many(["T_2M"], times)] == times


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({"command": ("my_obs.py",)}, "command"),
        ({"root": "jretrievedwh:group=surface"}, "jretrievedwh"),
        ({"root": "table.csv"}, "table"),
        ({"root": ".", "pattern": "%Y.parquet"}, "table"),
    ],
)
def test_kinds_of_truth(tmp_path, monkeypatch, spec, kind):
    write(tmp_path / "table.csv", b"station,time,param,value\n")
    write(tmp_path / "2024.parquet", b"PAR1")
    monkeypatch.chdir(tmp_path)
    assert kind_of_truth(TruthSpec(**spec)) == kind


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"root": "absent"}, "absent: no such file or folder"),
        ({"root": "notes.txt"}, "notes.txt: no file that can be read; allowed: GRIB, NetCDF, Zarr, Parquet, CSV"),
        ({"root": ".", "pattern": "%Y.grib"}, ".: no file with the pattern %Y.grib that can be read"),
    ],
)
def test_truths_that_cannot_be_read(tmp_path, monkeypatch, spec, text):
    write(tmp_path / "notes.txt", b"nothing")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        open_truth(TruthSpec(**spec))
    assert str(caught.value).startswith(text)
