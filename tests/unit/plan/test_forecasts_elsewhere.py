"""Forecasts made elsewhere: no environment, the same discipline of ids."""

from pathlib import Path

import pytest
import yaml
from evalflow.errors import UserError
from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan
from support.grib_files import grib


def plan_of(folder: Path, **entry) -> dict:
    about = {
        "label": "elsewhere",
        "root": str(folder / "data"),
        "pattern": "%Y%m%d%H/*.grib",
        "steps": "0/24/6",
        **entry,
    }
    config = {"description": "x", "dates": ["2001-01-01T00:00", "2001-01-02T12:00"], "runs": [{"forecasts": about}]}
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return make_plan(folder / "c.yaml", Options(folder / "out", folder)).model_dump(mode="json")


def source_id_of(plan):
    (source,) = plan["verification"]["sources"]
    return source["source_id"]


def test_files_that_are_there_are_complete_and_what_is_missing_is_said(tmp_path):
    (tmp_path / "data" / "2001010212").mkdir(parents=True)
    (tmp_path / "data" / "2001010212" / "a.grib").write_bytes(b"GRIB")
    plan = plan_of(tmp_path)
    assert [forecast["complete"] for forecast in plan["forecasts"]] == [False, True]
    assert plan["envs"] == [] and plan["tasks"] == []
    assert "for 1 init times, the first 200101010000" in plan["warnings"][0]


def test_what_is_read_and_how_is_the_id(tmp_path):
    run_id = source_id_of(plan_of(tmp_path))
    same = [{"label": "other"}, {"root": f"{tmp_path}/data/"}, {"steps": "0/024/6"}, {"steps": "0/29/6"}]
    assert {source_id_of(plan_of(tmp_path, **change)) for change in same} == {run_id}
    others = [{"root": "/elsewhere"}, {"pattern": "%Y%m%d%H/a*.grib"}, {"steps": "0/24/12"}]
    ids = {source_id_of(plan_of(tmp_path, **change)) for change in others}
    assert len(ids) == 3 and run_id not in ids
    assert plan_of(tmp_path)["experiment_id"] != plan_of(tmp_path, root="/elsewhere")["experiment_id"]


@pytest.mark.parametrize("pattern", ["*.grib", "%Y%m%d/*.grib", "%H.grib", "/data/%Y%m%d%H", "../%Y%m%d%H"])
def test_a_pattern_must_tell_init_times_apart_below_root(tmp_path, pattern):
    with pytest.raises(UserError, match=r"runs\[0\]\.forecasts\.pattern"):
        plan_of(tmp_path, pattern=pattern)


def write_forecast(folder: Path, init_time: str, leads, each: bool = True) -> None:
    """Write a forecast as GRIB: a file per lead time, or one."""
    messages = {
        lead: grib(
            shortName="2t", dataDate=int(init_time[:8]), dataTime=int(init_time[8:10]) * 100, stepRange=str(lead)
        )
        for lead in leads
    }
    below = folder / "data" / init_time
    below.mkdir(parents=True, exist_ok=True)
    for lead, message in messages.items():
        with open(below / (f"{lead:03}.grib" if each else "all.grib"), "ab") as file:
            file.write(message)


def warnings_of(folder: Path, **entry) -> list[str]:
    return [line.partition(" (elsewhere): ")[2] for line in plan_of(folder, **entry)["warnings"]]


def test_a_whole_forecast_is_no_warning(tmp_path):
    for init_time in ("2001010100", "2001010212"):
        write_forecast(tmp_path, init_time, (0, 6, 12, 18, 24))
    assert warnings_of(tmp_path) == []


def test_folders_that_are_empty_or_hold_empty_files_are_counted(tmp_path):
    (tmp_path / "data" / "2001010100").mkdir(parents=True)
    (tmp_path / "data" / "2001010212").mkdir()
    (tmp_path / "data" / "2001010212" / "x.grib").touch()
    for pattern in ("%Y%m%d%H", "%Y%m%d%H/*.grib", "%Y%m%d%H/**/*"):
        (line,) = warnings_of(tmp_path, pattern=pattern)
        assert line == f"no file {tmp_path}/data/{pattern}, or empty ones, for 2 init times, the first 200101010000"


@pytest.mark.parametrize("pattern", ["%Y%m%d%H", "%Y%m%d%H/*.grib"])
@pytest.mark.parametrize("each", [True, False])
def test_missing_lead_times_are_counted(tmp_path, pattern, each):
    write_forecast(tmp_path, "2001010100", (0, 6, 12, 18, 24), each)
    write_forecast(tmp_path, "2001010212", (0, 6), each)
    lines = warnings_of(tmp_path, pattern=pattern)
    assert lines[-1] == "3 of the lead times are missing (12, 18, 24 h) at 200101021200"
    assert lines[:-1] == (
        ["1 init times have fewer files than the 5 of most, the first 200101021200 (2)"] if each else []
    )


def test_a_file_that_is_cut_off_lacks_its_lead_time(tmp_path):
    write_forecast(tmp_path, "2001010100", (0, 6, 12, 18, 24))
    write_forecast(tmp_path, "2001010212", (0, 6, 12, 18, 24))
    file = tmp_path / "data" / "2001010212" / "012.grib"
    file.write_bytes(file.read_bytes()[:-20])
    (line,) = warnings_of(tmp_path)
    assert line == "1 of the lead times are missing (12 h) at 200101021200"


def test_a_forecast_that_cannot_be_read_is_a_warning(tmp_path):
    for init_time in ("2001010100", "2001010212"):
        (tmp_path / "data" / init_time).mkdir(parents=True)
        (tmp_path / "data" / init_time / "a.grib").write_text("no GRIB")
    first, last = warnings_of(tmp_path)
    assert (
        first.startswith("cannot be read (")
        and first.endswith(" at 200101010000")
        and last.endswith(" at 200101021200")
    )


def test_an_empty_root_without_a_pattern_is_counted(tmp_path):
    (tmp_path / "data").mkdir()
    (line,) = warnings_of(tmp_path, pattern=None)
    assert line == f"no file {tmp_path}/data, or empty ones, for 2 init times, the first 200101010000"
