"""Forecasts in the store: complete, or reported and set aside."""

from pathlib import Path

import pytest
from evalflow.store.layout import FORECAST_SEAL
from support.stored import cut, flip, rewrite

FORECAST_DAMAGE = {
    # what happens to a forecast's folder, and what is said of it
    "a file cut": (lambda folder: cut(folder / "a.grib"), "a.grib has 19 bytes instead of 22"),
    "a file longer": (lambda folder: (folder / "a.grib").write_text(99 * "a"), "a.grib has 99 bytes instead of 22"),
    "a file emptied": (lambda folder: (folder / "grib/b.grib").write_text(""), "grib/b.grib has 0 bytes instead of"),
    "a file missing": (lambda folder: (folder / "grib/b.grib").unlink(), "grib/b.grib is missing"),
    "the log missing": (lambda folder: (folder / "forecast.log").unlink(), "forecast.log is missing"),
    "forecast.json empty": (lambda folder: (folder / FORECAST_SEAL).write_text(""), "forecast.json is not whole"),
    "forecast.json cut": (lambda folder: cut(folder / FORECAST_SEAL), "forecast.json is not whole"),
    "forecast.json garbage": (
        lambda folder: (folder / FORECAST_SEAL).write_bytes(b"\xff\x00"),
        "forecast.json is not whole",
    ),
    "forecast.json another JSON": (
        lambda folder: (folder / FORECAST_SEAL).write_text("[]"),
        "forecast.json is not whole",
    ),
    "no file listed": (
        lambda folder: rewrite(folder / FORECAST_SEAL, lambda data: data.update(files={})),
        "forecast.json is not whole",
    ),
    "files that are a list": (
        lambda folder: rewrite(folder / FORECAST_SEAL, lambda data: data.update(files=["a.grib"])),
        "forecast.json is not whole",
    ),
    "a proof without a size": (
        lambda folder: rewrite(folder / FORECAST_SEAL, lambda data: data["files"]["a.grib"].pop("size")),
        "forecast.json is not whole",
    ),
    "forecast.json missing": (lambda folder: (folder / FORECAST_SEAL).unlink(), "forecast.json is missing"),
}


@pytest.mark.parametrize(("harm", "said"), FORECAST_DAMAGE.values(), ids=FORECAST_DAMAGE)
def test_a_damaged_forecast_is_reported_and_set_aside(stored, harm, said):
    plan = stored.plan()
    run, init_time = plan["runs"][0], plan["init_times"][1]
    folder = Path(plan["store"]) / "runs" / run["run_id"] / init_time
    harm(folder)
    damaged = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (warning,) = stored.plan()["warnings"]
    assert warning.startswith(f"{folder}: {said}") and warning.endswith("; to be moved aside and made again")
    plan = stored.plan(repair=True)
    entries = [(entry["run_id"], entry["init_time"]) for entry in plan["forecasts"] if not entry["complete"]]
    assert entries == [(run["run_id"], init_time)]
    about = {"init_times": [init_time], "at_once": 1, "resources": {}}
    assert plan["tasks"] == [{"id": f"{run['run_id']} {init_time}", "run_id": run["run_id"], **about}]
    (aside,) = folder.parent.glob(f"{init_time}.bad-*")
    assert plan["warnings"] == [warning.replace("to be moved aside and", f"moved aside to {aside.name}, to be")]
    assert not folder.exists(), "a whole one can take its name"
    assert {path.relative_to(aside): path.read_bytes() for path in aside.rglob("*") if path.is_file()} == damaged
    assert stored.plan(repair=True)["warnings"] == []


def test_verify_store_finds_a_flipped_byte_of_a_forecast(stored):
    plan = stored.plan()
    folder = Path(plan["store"]) / "runs" / plan["runs"][0]["run_id"] / plan["init_times"][2]
    flip(folder / "grib" / "b.grib")
    assert stored.plan()["tasks"] == []
    plan = stored.plan(verify_store=True)
    assert [(task["run_id"], task["init_times"]) for task in plan["tasks"]] == [
        (plan["runs"][0]["run_id"], [folder.name])
    ]
    assert len(plan["warnings"]) == 1 and "its digest differs" in plan["warnings"][0]


def test_a_forecast_that_is_no_folder_is_not_complete(stored):
    plan = stored.plan()
    base = Path(plan["store"]) / "runs" / plan["runs"][0]["run_id"]
    stored.data["dates"]["end"] = "2024-01-02T12:00"
    (base / "202401021200").write_text("a file")
    plan = stored.plan()
    assert [task["init_times"] for task in plan["tasks"]] == 2 * [["202401021200"]]
