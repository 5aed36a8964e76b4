"""The plan: its shape, and what is left to do."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from evalflow import lookup as lookup_module
from evalflow.digests import hash_file
from evalflow.plan import plan as planning
from evalflow.plan.model import Plan
from evalflow.plan.plan import code_digest, write_plan
from evalflow.store.layout import ENVIRONMENT_SEAL, FORECAST_SEAL
from support.stored import folder_of, states, store_forecast


def test_plan_json_has_the_documented_shape(stored, tmp_path):
    """What the plan is read for outside: see docs/output.md."""
    stored.data["runs"] += [{"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6"}}]
    write_plan(Plan(**stored.plan()), tmp_path / "sub" / "plan.json")
    assert sorted(os.listdir(tmp_path / "sub")) == ["plan.json", "report.json"]
    plan = json.loads((tmp_path / "sub" / "plan.json").read_text())
    assert re.fullmatch(r"experiment_[0-9a-f]{8}", plan["experiment_id"])
    assert plan["init_times"] == ["202401010000", "202401011200", "202401020000"]
    env_ids = [env["env_id"] for env in plan["envs"]]
    assert [env_id.split("-")[0] for env_id in env_ids] == ["forecaster", "temporal_downscaler"]
    keys = ("env_id", "model_type", "label", "candidate")
    runs = [{key: run[key] for key in keys} for run in plan["runs"]]
    assert runs == [
        {"env_id": env_ids[0], "model_type": "forecaster", "label": "first", "candidate": True},
        {
            "env_id": env_ids[1],
            "model_type": "temporal_downscaler",
            "label": plan["runs"][1]["run_id"],
            "candidate": True,
        },
    ]
    *_, baseline = plan["verification"]["sources"]
    assert re.fullmatch(r"baseline-[0-9a-f]{8}", baseline["source_id"]) and baseline["label"] == "EPS"
    assert plan["forecasts"] == [
        {"run_id": run["run_id"], "init_time": init_time, "complete": True}
        for run in plan["runs"]
        for init_time in plan["init_times"]
    ]
    assert plan["tasks"] == [] and plan["warnings"] == []


def test_paths_in_the_plan_are_absolute_and_where_things_are(experiment):
    wheel = experiment.write("wheels/a-1.0-py3-none-any.whl", "wheel")
    experiment.data["runs"][0]["forecaster"]["extra_requirements"] = ["wheels/a-1.0-py3-none-any.whl"]
    plan = experiment.plan()
    env, run = plan["envs"][0]["spec"], plan["runs"][0]["spec"]
    assert env["checkpoint"]["location"] == str(experiment.folder / "model.onnx")
    assert env["extra_requirements"] == [str(wheel)]
    assert (
        yaml.safe_load(run["config"])["input"]["grib"]
        == run["files"]["analyses.grib"]
        == str(experiment.folder / "analyses.grib")
    )
    assert plan["config"] == str(experiment.folder / "experiment.yaml")
    assert plan["store"] == f"{plan['outdir']}/data" and os.path.isabs(plan["outdir"])


@pytest.mark.parametrize("order", [("beside", "launch", "project"), ("launch", "project"), ("project",)])
def test_relative_paths_are_looked_up_beside_the_config_then_in_the_launch_folder_then_in_the_project(
    experiment, order, tmp_path, monkeypatch
):
    places = {"beside": experiment.folder, "launch": experiment.launch, "project": tmp_path}
    monkeypatch.setattr(lookup_module, "PROJECT", tmp_path)
    for name in order:
        (places[name] / "sub").mkdir()
        for file in ("model.onnx", "input.grib", "archive"):
            (places[name] / "sub" / file).write_text(name)
        (places[name] / "sub" / "inference.yaml").write_text("grib: input.grib")
    entry = {"runner": "onnx", "checkpoint": "sub/model.onnx", "config": "sub/inference.yaml", "steps": "0/6/6"}
    baseline = {"label": "A", "root": "sub/archive", "steps": "0/6/6"}
    plan = experiment.plan({**experiment.data, "runs": [{"forecaster": entry}, {"baseline": baseline}]})
    first = places[order[0]] / "sub"
    assert plan["envs"][0]["spec"]["checkpoint"]["location"] == str(first / "model.onnx")
    assert yaml.safe_load(plan["runs"][0]["spec"]["config"]) == {"grib": str(first / "input.grib")}
    assert plan["verification"]["sources"][-1]["root"] == str(first / "archive")


# --- tasks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_tasks_hold_each_missing_forecast_once(experiment, size):
    experiment.data["dates"] = {"start": "2024-01-01", "end": "2024-01-03", "frequency": "6h"}
    experiment.data["runs"].append({"forecaster": {"runner": "onnx", "checkpoint": "model.onnx", "steps": "0/6/6"}})
    plan = experiment.plan(inits_per_task=size)
    done = {plan["init_times"][index] for index in (0, 3, 4)}
    for init_time in done:
        store_forecast(plan["runs"][0], init_time)
    plan = experiment.plan(inits_per_task=size)
    for run in plan["runs"]:
        tasks = [task["init_times"] for task in plan["tasks"] if task["run_id"] == run["run_id"]]
        expected = [time for time in plan["init_times"] if run is not plan["runs"][0] or time not in done]
        assert [time for task in tasks for time in task] == expected, "each once and in order"
        assert all(len(task) == size for task in tasks[:-1]) and 1 <= len(tasks[-1]) <= size
    assert len({task["id"] for task in plan["tasks"]}) == len(plan["tasks"])
    complete = {entry["init_time"] for entry in plan["forecasts"] if entry["complete"]}
    assert complete == done


def test_a_task_is_called_by_its_run_and_init_times_whatever_else_is_left_to_do(experiment):
    """Its id is part of what Nextflow's cache knows it by."""
    experiment.data["dates"] = {"start": "2024-01-01", "end": "2024-01-01T12:00", "frequency": "6h"}
    plan = experiment.plan(inits_per_task=2, inits_at_once=4)
    first, second = plan["tasks"]
    run_id = plan["runs"][0]["run_id"]
    assert (first["id"], first["at_once"]) == (f"{run_id} 202401010000+1", 2)
    assert (second["id"], second["at_once"]) == (f"{run_id} 202401011200", 1)
    for init_time in first["init_times"]:
        store_forecast(plan["runs"][0], init_time)
    assert experiment.plan(inits_per_task=2, inits_at_once=4)["tasks"] == [second]


def test_adding_a_day_leaves_one_day_to_do(stored):
    stored.data["dates"]["end"] = "2024-01-03T00:00"
    plan = stored.plan(inits_per_task=10)
    assert [task["init_times"] for task in plan["tasks"]] == 2 * [["202401021200", "202401030000"]]


NEEDED = {
    # target, what is stored → whether environments, and runs, are needed; number of tasks
    "environments, nothing stored": ("environments", False, (True, False, 0)),
    "environments, all stored": ("environments", True, (True, False, 0)),
    "forecasts, nothing stored": ("forecasts", False, (True, True, 6)),
    "forecasts, all stored": ("forecasts", True, (False, False, 0)),
    "report, nothing stored": ("report", False, (False, False, 0)),
    "experiment, nothing stored": ("experiment", False, (True, True, 6)),
    "experiment, all stored": ("experiment", True, (False, False, 0)),
    "sandbox, nothing stored": ("sandbox", False, (True, True, 0)),
    "sandbox, all stored": ("sandbox", True, (True, True, 0)),
}


@pytest.mark.parametrize(("target", "whole", "expected"), NEEDED.values(), ids=NEEDED)
def test_what_is_needed(stored, target, whole, expected, tmp_path):
    plan = stored.plan(target=target, outdir=None if whole else tmp_path)
    envs, runs, tasks = expected
    assert [env["needed"] for env in plan["envs"]] == 2 * [envs]
    assert [run["needed"] for run in plan["runs"]] == 2 * [runs]
    assert len(plan["tasks"]) == tasks
    assert set(states(plan).values()) == {whole}


def test_a_run_whose_forecasts_are_all_stored_needs_no_environment(stored):
    plan = stored.plan()
    (folder_of(plan) / ENVIRONMENT_SEAL).unlink()
    (Path(plan["store"]) / "runs" / plan["runs"][1]["run_id"] / plan["init_times"][0] / FORECAST_SEAL).unlink()
    plan = stored.plan()
    assert [(env["complete"], env["needed"]) for env in plan["envs"]] == [(False, False), (True, True)]
    assert [run["needed"] for run in plan["runs"]] == [False, True]


def test_a_forecaster_that_only_a_downscaler_needs_makes_what_that_one_lacks(stored):
    candidate = stored.data["runs"].pop(0)
    plan = stored.plan()
    source, refined = plan["runs"]
    first, second, _ = plan["init_times"]
    for run, init_time in ((source, first), (source, second), (refined, second)):
        (Path(plan["store"]) / "runs" / run["run_id"] / init_time / FORECAST_SEAL).unlink()
    about = {"init_times": [second], "at_once": 1, "resources": {}}
    tasks = [
        {"id": f"{run['run_id']} {second}", "run_id": run["run_id"], **about, **more}
        for run, more in ((source, {}), (refined, {"forecaster": source["run_id"]}))
    ]
    assert stored.plan(inits_per_task=5)["tasks"] == tasks
    stored.data["runs"].append(candidate)
    assert stored.plan(inits_per_task=5)["tasks"][0]["init_times"] == [first, second], (
        "a candidate makes all of its own"
    )


@pytest.mark.parametrize("squash", [True, False])
def test_squash_venv_false_of_one_run_counts_for_its_environment(experiment, squash):
    first = experiment.data["runs"][0]["forecaster"]
    experiment.data["runs"].append({"forecaster": {**first, "steps": "0/6/6", "squash_venv": squash}})
    (env,) = experiment.plan()["envs"]
    assert env["spec"]["squash_venv"] is squash


def test_the_code_digest_follows_the_code(tmp_path, monkeypatch):
    package = tmp_path / "evalflow"
    package.mkdir()
    monkeypatch.setattr(planning, "__file__", str(package / "plan" / "plan.py"))
    (package / "planning.py").write_text("a = 1")
    one = code_digest()
    assert one == code_digest()
    (package / "planning.py").write_text("a = 2")
    two = code_digest()
    (package / "sub").mkdir()
    (package / "sub" / "more.py").write_text("")
    assert len({one, two, code_digest()}) == 3


@pytest.mark.parametrize(("per_task", "at_once", "warned"), [(1, 4, True), (4, 4, False), (1, 1, False)])
def test_more_at_once_than_a_task_has(experiment, per_task, at_once, warned):
    plan = experiment.plan(inits_per_task=per_task, inits_at_once=at_once)
    assert any("--inits_at_once 4: no task has more than" in text for text in plan["warnings"]) == warned


def test_what_forecasts_are_made_from_is_in_the_plan_with_its_digest(experiment):
    plan = experiment.plan()
    checkpoints = {env["env_id"]: env["spec"]["checkpoint"] for env in plan["envs"]}
    for run in plan["runs"]:
        spec, checkpoint = run["spec"], checkpoints[run["env_id"]]
        assert spec["checkpoint"] == hash_file(Path(checkpoint["location"]))
        named = [*spec["files"].values(), str(experiment.folder / "table.csv")]  # which physics.yaml names
        assert spec["digests"] == {path: hash_file(Path(path)) for path in named} != {}
