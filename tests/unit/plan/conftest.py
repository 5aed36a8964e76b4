"""Experiments whose environments and forecasts are stored."""

import pytest
from support.stored import store_environment, store_forecast


@pytest.fixture
def stored(experiment):
    """Return an experiment with a downscaler and all its environments and forecasts in the store."""
    entry = {
        "runner": "onnx",
        "checkpoint": "other.onnx",
        "steps": "0/24/1",
        "forecaster": experiment.data["runs"][0]["forecaster"],
    }
    experiment.data["runs"].append({"temporal_downscaler": entry})
    plan = experiment.plan()
    with pytest.MonkeyPatch.context() as patch:
        for env in plan["envs"]:
            store_environment(env, patch)
    for run in plan["runs"]:
        for init_time in plan["init_times"]:
            store_forecast(run, init_time)
    return experiment
