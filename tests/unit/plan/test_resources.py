"""What jobs ask for, and the cap on GPUs."""

from collections import Counter

import pytest
from evalflow.errors import UserError
from evalflow.plan.resources import assign_lanes, lane_widths
from hypothesis import given
from hypothesis import strategies as st

PROFILE = {
    "executor": "slurm",
    "global_resources": {"gpus": 4},
    "default_resources": {
        "slurm_partition": "normal",
        "cpus_per_task": 2,
        "mem_mb_per_cpu": 2000,
        "runtime": "2h",
        "gpus": 1,
    },
    "jobs": 20,
}
JOBS = st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 4, 8]), st.sampled_from([1, 7, 60])), min_size=1, max_size=40)


@given(JOBS, st.integers(1, 20))
def test_whatever_runs_at_a_time_is_within_the_cap(jobs, cap):
    """One job per lane at a time: the widest jobs of all lanes together are the worst that can happen."""
    lanes = assign_lanes(jobs, cap)
    widest: Counter = Counter()
    for (gpus, _), lane in zip(jobs, lanes, strict=True):
        assert gpus > 0 or lane is None
        if lane:
            widest[lane] = max(widest[lane], min(gpus, cap))
    free = sum(gpus for (gpus, _), lane in zip(jobs, lanes, strict=True) if not lane)
    assert widest.total() + free <= cap or (not free and widest.total() <= cap)
    if any(gpus > cap for gpus, _ in jobs):
        assert len(widest) == 1, "a job that needs more than the cap runs by itself"


@given(JOBS, st.integers(1, 20))
def test_the_same_jobs_get_the_same_lanes(jobs, cap):
    assert assign_lanes(jobs, cap) == assign_lanes(list(jobs), cap)


@pytest.mark.parametrize(
    ("demand", "cap", "widths"),
    [
        ({4: 40}, 16, [4, 4, 4, 4]),
        ({4: 40}, 15, [4, 4, 4]),
        ({1: 3}, 2, [1, 1]),
        ({2: 10, 1: 10}, 3, [2, 1]),
        ({4: 40, 1: 40}, 16, [4, 4, 4, 1, 1, 1, 1]),
        ({8: 10, 1: 10}, 8, [8]),
        ({8: 10}, 4, [4]),
    ],
)
def test_lanes_follow_the_demand(demand, cap, widths):
    assert lane_widths(Counter(demand), cap) == widths


def test_equal_jobs_are_spread_evenly():
    lanes = Counter(assign_lanes([(2, 60)] * 12, 8))
    assert lanes == {1: 3, 2: 3, 3: 3, 4: 3}


def test_no_lanes_where_the_cap_cannot_be_reached():
    assert assign_lanes([(2, 1), (2, 1), (0, 1)], 4) == [None, None, None]
    assert assign_lanes([(2, 1)] * 9, None) == [None] * 9


def test_a_run_asks_for_its_own_resources_then_for_the_profiles(experiment):
    own = {"cpus_per_task": 8, "runtime": "1-00:00:00", "gpu": 2}
    config = experiment.changed({"profile": PROFILE, "runs.0.forecaster.inference_resources": own})
    plan = experiment.plan(config)
    asked = {
        "slurm_partition": "normal",
        "cpus_per_task": 8,
        "mem_mb_per_cpu": 2000,
        "gpu": 2,
        "runtime": "1-00:00:00",
        "runtime_seconds": 86400,
    }
    assert plan["runs"][0]["resources"] == asked
    assert plan["envs"][0]["resources"] == {"slurm_partition": "normal"}
    assert [task["resources"]["lane"] for task in plan["tasks"]] == [1, 2, 1]
    assert "lane" not in experiment.plan(config, max_gpus=6)["tasks"][0]["resources"]


def test_without_a_profile_the_launch_says_how_many_gpus(experiment):
    assert experiment.plan()["runs"][0]["resources"] == {}
    assert experiment.plan(gpus=1)["runs"][0]["resources"] == {"gpu": 1}
    assert [task["resources"]["lane"] for task in experiment.plan(gpus=1, max_gpus=2)["tasks"]] == [1, 2, 1]


def test_what_has_no_meaning_here_is_one_warning(experiment):
    assert experiment.plan()["warnings"] == []
    (warning,) = experiment.plan(experiment.changed({"profile": PROFILE}))["warnings"]
    assert "executor" in warning and "jobs" in warning and "batch_rules" not in warning


def test_what_is_accepted_and_not_run_is_said(experiment):
    roots = dict.fromkeys(("ekf_root", "mon_synop_root", "ver_synop_root"), "/obs")
    lines = experiment.plan(experiment.changed({"mec": roots}))["warnings"]
    assert lines == ["mec: accepted, and not run: evalflow makes no files for MEC"]
    lines = experiment.plan(experiment.changed({"mec": roots, "profile": PROFILE}))["warnings"]
    assert [line.split(":")[0] for line in lines] == ["mec", "profile"]


@pytest.mark.parametrize("name", ["a b", "x --output=/etc/passwd", "-x", "a;b", "$(id)", "a\nb", ""])
@pytest.mark.parametrize("place", ["inference_resources", "profile"])
def test_a_partition_is_a_name_and_no_more(experiment, name, place):
    changes = {"runs.0.forecaster.inference_resources": {"slurm_partition": name}}
    if place == "profile":
        changes = {"profile": PROFILE | {"default_resources": PROFILE["default_resources"] | {"slurm_partition": name}}}
    with pytest.raises(UserError, match="slurm_partition"):
        experiment.plan(experiment.changed(changes))


def test_forecasts_that_are_made_at_a_time_share_a_lane_that_is_as_wide(experiment):
    """Three init times, two of them at a time with two GPUs each: a job of four GPUs, then one of two."""
    tasks = experiment.plan(gpus=2, max_gpus=5, inits_per_task=2, inits_at_once=2)["tasks"]
    assert [len(task["init_times"]) for task in tasks] == [2, 1]
    assert [task["resources"] for task in tasks] == [{"gpu": 2, "lane": 1}, {"gpu": 2, "lane": 1}]
    tasks = experiment.plan(gpus=2, max_gpus=6, inits_per_task=2, inits_at_once=2)["tasks"]
    assert [task["resources"] for task in tasks] == [{"gpu": 2}, {"gpu": 2}], "all together are below the cap"
