"""Forecasts made elsewhere: no environment, the same discipline of ids."""

from pathlib import Path

import pytest
import yaml
from evalflow.errors import UserError
from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan


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
