"""A temporal downscaler refines its forecaster's forecast of the same init time; the forecaster is a dependency, run once."""

import copy
import shutil

import eccodes
import numpy as np
import pytest
from support.launches import PYTHON_PACKAGES, Workspace, run_entry
from support.paths import PROJECT


def downscaler(label: str, steps: str, forecaster: dict | None) -> dict:
    entry = {
        "label": label,
        "runner": "command",
        "command": "{python} {checkpoint} {forecaster} {output} {init_time} {start} {end} {step}",
        "requirements": list(PYTHON_PACKAGES),
        "checkpoint": "models/interpolation.py",
        "steps": steps,
    }
    return {"temporal_downscaler": entry | ({"forecaster": forecaster} if forecaster else {})}


@pytest.fixture
def downscaled(workspace) -> Workspace:
    """Two downscalers on one forecaster, whose forecasts are stored."""
    shutil.copy(PROJECT / "tests" / "data" / "models" / "interpolation.py", workspace.root / "exp" / "models")
    forecaster = run_entry("drives", "models/one.py", "one.yaml")["forecaster"]

    def change(config):
        config["runs"] = [
            downscaler("hourly", "0/6/3", forecaster),
            downscaler("two-hourly", "0/6/2", copy.deepcopy(forecaster)),
        ]

    workspace.edit(change)
    return workspace


def values(path, step: int) -> np.ndarray:
    """Return the first field of a GRIB file, which must be of this step (hours)."""
    with open(path, "rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
        assert eccodes.codes_get(handle, "step", int) == step
        return eccodes.codes_get_values(handle)


def test_two_downscalers_on_one_forecaster_run_it_once(downscaled, finished):
    run_id = finished.plan()["runs"][0]["run_id"]  # the same as when the forecaster stands for itself
    downscaled.lose_forecasts("199601151200", run_id)
    result = downscaled.launch("--inits_per_task", "2")
    assert result.status == 0, result.text
    assert (result.ran("PREPARE_RUN"), result.forecasts) == (3, 3), result.text
    plan = downscaled.plan()
    forecaster, *refined = plan["runs"]
    assert not forecaster["candidate"] and all(run["candidate"] for run in refined)
    assert {run["env_id"].split("-on-")[1] for run in refined} == {forecaster["env_id"]}
    assert len({run["env_id"] for run in refined}) == 1 and len({run["run_id"] for run in refined}) == 2
    assert [forecast["complete"] for forecast in plan["forecasts"]] == [True] * 6 and plan["tasks"] == []
    assert forecaster["run_id"] == run_id

    for init_time in plan["init_times"]:
        folder, given = (downscaled.store / "runs" / run["run_id"] / init_time for run in (refined[0], forecaster))
        assert not (folder / "forecaster").exists()  # the input is not stored again
        expected = (values(given / "000.grib", 0) + values(given / "006.grib", 6)) / 2
        assert np.allclose(values(folder / "refined_003.grib", 3), expected, atol=1.0)

    # Its forecasts are taken from the store for a downscaler that lacks some, and made for nobody else.
    downscaled.edit(lambda config: config["runs"][0]["temporal_downscaler"].update(steps="0/6/1"))
    plan = downscaled.plan()
    lacking = [run["run_id"] for run in plan["runs"] if run["candidate"] and run["run_id"] != refined[1]["run_id"]]
    assert [task["run_id"] for task in plan["tasks"]] == 2 * lacking
    assert {(given["run_id"], given["init_time"]) for given in plan["inputs"]} == {
        (forecaster["run_id"], init_time) for init_time in plan["init_times"]
    }
    downscaled.edit(lambda config: config["runs"].pop(0))
    shutil.rmtree(downscaled.store / "runs" / forecaster["run_id"])
    assert downscaled.plan()["tasks"] == []


def test_a_downscaler_on_analyses_has_no_forecaster(downscaled):
    def change(config):
        entry = run_entry("on analyses", "models/two.py", "two.yaml")["forecaster"]
        config["runs"] = [{"temporal_downscaler": entry}]

    downscaled.edit(change)
    plan = downscaled.plan()
    (run,) = plan["runs"]
    assert run["env_id"].endswith("-on-analysis") and run["candidate"]
    assert [task.get("forecaster") for task in plan["tasks"]] == [None, None] and plan["inputs"] == []
