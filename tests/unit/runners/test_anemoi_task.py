"""Whether an anemoi checkpoint can make what a run asks for: task and time step, as old and new ones record them."""

from typing import Any

import pytest
from evalflow.checkpoints.metadata import read_metadata
from evalflow.runners.anemoi_task import asked_of, kind_of_task, unfit
from evalflow.runners.base import Asked
from support.paths import DEMO

NEW: dict[str, Any] = {
    "metadata_inference": {
        "dataset_names": ["data"],
        "task": "forecaster",
        "data": {"timesteps": {"timestep": "6h", "input_relative_date_indices": [0, 1]}},
    }
}
NEW_DOWNSCALER: dict[str, Any] = {
    "config": {"task": {"output_timestep": "1h"}, "data": {"frequency": "6h"}},
    "metadata_inference": {
        "task": "temporal_downscaler",
        "data": {"timesteps": {"timestep": "6h", "input_relative_date_indices": [0, 6]}},
    },
}
OLD: dict[str, Any] = {"config": {"data": {"timestep": "6h", "frequency": "6h"}, "training": {}}}
OLD_INTERPOLATOR: dict[str, Any] = {
    "config": {
        "data": {"timestep": "1h", "frequency": "1h"},
        "training": {
            "model_task": "anemoi.training.train.tasks.GraphInterpolator",
            "explicit_times": {"input": [0, 6], "target": [1, 2, 3, 4, 5]},
        },
    }
}


def ask(lead_times, model_type="forecaster", given=(), **more) -> Asked:
    return Asked(key="runs[0]", model_type=model_type, lead_times=lead_times, forecaster_lead_times=list(given), **more)


TASKS = {
    "forecaster": "forecaster",
    "GraphForecaster": "forecaster",
    "anemoi.training.train.tasks.GraphEnsForecaster": "forecaster",
    "temporal_downscaler": "temporal_downscaler",
    "anemoi.training.tasks.TemporalDownscaler": "temporal_downscaler",
    "time_interpolator": "temporal_downscaler",
    "ObsGraphInterpolator": "temporal_downscaler",
    "autoencoder": None,
    "downscaler": None,
    "": None,
}


@pytest.mark.parametrize(("said", "kind"), TASKS.items())
def test_the_task_is_known_wherever_a_checkpoint_says_it(said, kind):
    for metadata in (
        {"metadata_inference": {"task": said}},
        {"task": said},
        {"config": {"task": {"_target_": said}}},
        {"config": {"training": {"model_task": said}}},
    ):
        assert kind_of_task(metadata) == kind


@pytest.mark.parametrize(
    "metadata", [{}, {"format": "pt"}, {"task": 1}, {"config": None}, {"config": {"training": []}}]
)
def test_a_checkpoint_that_says_nothing_is_fit_for_anything(metadata):
    assert kind_of_task(metadata) is None
    assert unfit(metadata, ask([0, 1])) == unfit(metadata, ask([0, 1], "temporal_downscaler")) == []


def test_a_checkpoint_of_the_other_kind_is_refused():
    assert unfit(NEW, ask([0, 6], "temporal_downscaler")) == [
        "was trained as a forecaster, and stands in temporal_downscaler; allowed: an entry forecaster"
    ]
    for metadata in (NEW_DOWNSCALER, OLD_INTERPOLATOR):
        assert unfit(metadata, ask([0, 6])) == [
            "was trained as a temporal_downscaler, and stands in forecaster; allowed: an entry temporal_downscaler"
        ]


@pytest.mark.parametrize("metadata", [NEW, OLD])
def test_a_forecaster_gives_multiples_of_its_time_step(metadata):
    assert unfit(metadata, ask([0, 6, 12])) == unfit(metadata, ask([12, 24])) == []
    (what,) = unfit(metadata, ask([0, 1, 6]))
    assert what == "makes a field every 6 h, and steps ask for 1 h; allowed: multiples of 6 h"
    (what,) = unfit(metadata, ask([0, 0.5, 1]))
    assert "steps ask for 0.5, 1 h" in what


def test_what_a_config_changes_is_not_judged():
    assert unfit(NEW, ask([0, 1], "temporal_downscaler", patched=True)) == []
    assert unfit(OLD, ask([0, 1], own_runner="my_runner")) == []
    assert unfit(OLD, ask([0, 1], own_runner="parallel")) != []


RUNNERS = {
    "nothing": ({}, (False, None)),
    "a runner": ({"runner": "time_interpolator"}, (False, "time_interpolator")),
    "a runner with options": ({"runner": {"parallel": {"cluster": "slurm"}}}, (False, "parallel")),
    "a patch": ({"patch_metadata": {"config": {}}}, (True, None)),
    "an empty patch": ({"patch_metadata": {}}, (False, None)),
}


@pytest.mark.parametrize(("config", "expected"), RUNNERS.values(), ids=RUNNERS)
def test_what_an_inference_config_says_of_these(config, expected):
    assert asked_of(config) == expected


@pytest.mark.parametrize("metadata", [NEW_DOWNSCALER, OLD_INTERPOLATOR])
@pytest.mark.parametrize(
    ("lead_times", "given", "problem"),
    [
        (range(13), (0, 6, 12), None),
        (range(6, 13), (0, 6, 12, 18), None),
        ([0, 2, 4, 12], (), None),
        ([0, 0.5, 6], (), "a field every 1 h, in whole windows of 6 h, and steps ask for 0.5 h; allowed: "),
        (range(10), (), "in whole windows of 6 h, and steps ask for 7, 8, 9 h; allowed: "),
        (range(13), (0, 12), "reads its forecaster every 6 h, and the forecaster's steps lack 6 h; allowed: "),
        (range(13), (6, 12), "the forecaster's steps lack 0 h; allowed: "),
    ],
)
def test_a_downscaler_gives_what_lies_in_whole_windows(metadata, lead_times, given, problem):
    found = unfit(metadata, ask(list(lead_times), "temporal_downscaler", given))
    assert (len(found) == 1 and problem in found[0]) if problem else found == []


def test_the_demos_checkpoints_are_fit_for_the_demo():
    known = {name: read_metadata(DEMO / f"{name}.ckpt", name) for name in ("tinycast", "interpolation")}
    steps = [0, 6, 12, 18, 24]
    assert unfit(known["tinycast"], ask(steps)) == []
    assert unfit(known["interpolation"], ask(steps, "temporal_downscaler", steps)) == []
    assert unfit(known["interpolation"], ask(steps)) and unfit(known["tinycast"], ask(steps, "temporal_downscaler"))
