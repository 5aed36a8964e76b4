"""A temporal downscaler refines its forecaster's forecast of the same init time; the forecaster is a dependency, run once."""

import copy
import shutil

import eccodes
import numpy as np
import pytest
from support.launches import PYTHON_PACKAGES, run_entry
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
def downscaled(fresh):
    shutil.copy(PROJECT / "tests" / "data" / "models" / "interpolation.py", fresh.root / "exp" / "models")
    forecaster = run_entry("drives", "models/one.py", "one.yaml")["forecaster"]

    def change(config):
        config["runs"] = [
            downscaler("hourly", "0/6/3", forecaster),
            downscaler("two-hourly", "0/6/2", copy.deepcopy(forecaster)),
        ]

    fresh.edit(change)
    return fresh


def values(path, step: int) -> np.ndarray:
    """Return the first field of a GRIB file, which must be of this step (hours)."""
    with open(path, "rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
        assert eccodes.codes_get(handle, "step", int) == step
        return eccodes.codes_get_values(handle)


def test_two_downscalers_on_one_forecaster_run_it_once(downscaled, finished):
    result = downscaled.launch()
    assert result.status == 0, result.text
    assert (result.ran("PREPARE_RUN"), result.forecasts) == (3, 2 + 2 * 2), result.text
    plan = downscaled.plan()
    forecaster, *refined = plan["runs"]
    assert not forecaster["candidate"] and all(run["candidate"] for run in refined)
    assert {run["env_id"].split("-on-")[1] for run in refined} == {forecaster["env_id"]}
    assert len({run["env_id"] for run in refined}) == 1 and len({run["run_id"] for run in refined}) == 2
    assert all(forecast["complete"] for forecast in plan["forecasts"])
    assert forecaster["run_id"] == finished.plan()["runs"][0]["run_id"]  # the same as when it stands for itself

    folder = downscaled.store / "runs" / refined[0]["run_id"] / "199601150000"
    given = downscaled.store / "runs" / forecaster["run_id"] / "199601150000"
    assert not (folder / "forecaster").exists()  # the input is not stored again
    expected = (values(given / "000.grib", 0) + values(given / "006.grib", 6)) / 2
    assert np.allclose(values(folder / "refined_003.grib", 3), expected, atol=1.0)

    assert downscaled.launch().tasks == {"MAKE_PLAN": 1}


def test_a_complete_forecaster_is_read_from_the_store(downscaled):
    assert downscaled.launch().status == 0
    downscaled.edit(lambda config: config["runs"][0]["temporal_downscaler"].update(steps="0/6/1"))
    result = downscaled.launch()
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts) == (0, 2), result.text

    # Its forecasts are made for a downscaler that lacks some, and for nobody else.
    for run in downscaled.plan()["runs"]:
        if not run["candidate"]:
            shutil.rmtree(downscaled.store / "runs" / run["run_id"])
    assert downscaled.launch().tasks == {"MAKE_PLAN": 1}


def test_a_downscaler_that_fails_among_others_is_tried_by_itself(downscaled):
    downscaled.edit(lambda config: config["runs"].pop(1))
    result = downscaled.launch("--inits_per_task", "2", EVALFLOW_TEST_FAIL="1996-01-15T12:00")
    assert result.status != 0  # the forecaster fails first, with its second init time
    assert result.ran("RUN_FORECAST") == 1 and result.ran("RUN_FORECAST_ALONE") == 1
    result = downscaled.launch("--inits_per_task", "2")
    assert result.status == 0, result.text
    assert all(forecast["complete"] for forecast in downscaled.plan()["forecasts"])


def test_a_downscaler_on_analyses_has_no_forecaster(downscaled):
    def change(config):
        entry = run_entry("on analyses", "models/two.py", "two.yaml")["forecaster"]
        config["runs"] = [{"temporal_downscaler": entry}]

    downscaled.edit(change)
    result = downscaled.launch()
    assert result.status == 0, result.text
    (run,) = downscaled.plan()["runs"]
    assert run["env_id"].endswith("-on-analysis") and result.forecasts == 2
