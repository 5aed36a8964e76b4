"""What the plan says of the report."""

import json

import pytest
from evalflow.plan.model import Plan
from evalflow.plan.plan import write_plan

CARD = {"lead_times": "6/24/6", "stratification": "init_hour", "variables": ["T_2M:RMSE"]}


@pytest.fixture
def reported(experiment):
    """An experiment with a baseline and a truth."""
    experiment.data["runs"].append({"baseline": {"label": "persistence", "builtin": "persistence"}})
    experiment.data["truth"] = {"label": "analyses", "root": "/archive"}
    return experiment


def test_sources_truths_and_question(reported):
    plan = reported.plan()
    report = plan["report"]
    run, baseline = report["sources"]
    assert (run["label"], run["origin"], run["env_id"]) == ("first", "model.onnx", plan["runs"][0]["env_id"])
    assert run["checkpoint"] == plan["runs"][0]["spec"]["checkpoint"] and len(run["checkpoint"]) == 64
    assert (baseline["label"], baseline["origin"]) == ("persistence", "persistence")
    assert report["truths"] == [{"label": "analyses", "origin": "/archive"}] and report["question"] == "One run"
    assert report["references"] == [baseline["source_id"]]
    assert report["results"].endswith(f"/results/{plan['experiment_id']}")


def test_a_scorecard_of_all_params_where_none_is_asked_for(reported):
    reported.data["experiment"] = {"params": ["T_2M"]}
    (card,) = reported.plan()["report"]["sections"]
    assert (card["name"], card["variables"], card["lead_times"]) == ("overview", ["T_2M:RMSE,BIAS,CORR"], [])


def test_scorecards_of_the_config(reported):
    sections = {"one": {**CARD, "baseline": "first"}, "two": {**CARD, "baseline": "persistence"}}
    reported.data["experiment"] = {"scorecards": {"sections": sections}}
    plan = reported.plan()
    one, two = plan["report"]["sections"]
    run, baseline = (source["source_id"] for source in plan["report"]["sources"])
    assert (one["baseline"], two["baseline"], one["lead_times"]) == (run, baseline, [6.0, 12.0, 18.0, 24.0])
    assert plan["verification"]["references"] == [baseline, run], "differences are computed for both"


def test_scorecards_that_are_switched_off(reported):
    reported.data["experiment"] = {"scorecards": {"enabled": False}}
    assert reported.plan()["report"]["sections"] == []


def test_domains_of_score_maps(reported):
    assert "map_domains" not in reported.plan()["report"] or not reported.plan()["report"]["map_domains"]
    regions = ["alps", {"name": "west", "extent": [-20, 0, 40, 60], "projection": "platecarree"}, {"name": "all of it"}]
    reported.data["experiment"] = {"scoremaps": {"enabled": True, "leadtimes": [6], "regions": regions}}
    assert reported.plan()["report"]["map_domains"] == [
        {"name": "alps", "extent": [4.5, 16.0, 43.5, 48.5], "projection": "orthographic"},
        {"name": "west", "extent": [-20, 0, 40, 60], "projection": "platecarree"},
        {"name": "all of it", "projection": "orthographic"},
    ]


@pytest.mark.parametrize(("target", "there"), [("report", True), ("experiment", True), ("verification", False)])
def test_it_is_written_where_pages_are_to_be_drawn(reported, tmp_path, target, there):
    plan = Plan(**json.loads(json.dumps(reported.plan(target=target))))
    write_plan(plan, tmp_path / "plan.json")
    assert (tmp_path / "report.json").exists() == there
    assert (tmp_path / "verification.json").exists() == (target != "report")


def test_license_cases_and_plots(reported):
    reported.data["truth"]["license"] = "CC BY 4.0"
    box = {"name": "a", "start": "2024-01-01", "end": "2024-01-02", "region": {"box": [5, 11, 45, 48]}}
    whole = {"name": "b", "start": "2024-01-01T06:00", "end": "2024-01-02T00:00"}
    reported.data["experiment"] = {"cases": [box, whole]}
    plan = reported.plan()
    report = plan["report"]
    assert report["truths"] == [{"label": "analyses", "origin": "/archive", "license": "CC BY 4.0"}]
    assert [(case["name"], case["region"]) for case in report["cases"]] == [
        ("a", "5 to 11°E, 45 to 48°N"),
        ("b", "the whole domain"),
    ]
    assert report["plots"] == ["png"] and "license" not in plan["verification"]["truths"][0]
    reported.data["experiment"]["plots"] = {"formats": []}
    assert reported.plan()["report"]["plots"] == []


@pytest.mark.parametrize(("target", "verifies"), [("experiment", True), ("verification", True), ("report", False)])
def test_whether_a_launch_verifies(reported, target, verifies):
    assert reported.plan(target=target)["report"]["verifies"] == verifies
