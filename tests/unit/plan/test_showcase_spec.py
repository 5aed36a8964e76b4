"""What the plan says of the showcase: which init times, params, domains and places."""

import json
from datetime import datetime, timedelta

import pytest
from evalflow.plan.model import Plan
from evalflow.plan.plan import write_plan
from evalflow.plan.showcase import case_times

DAY = datetime(2024, 1, 10)
H = timedelta(hours=1)


@pytest.fixture
def shown(experiment):
    """An experiment of three init times, of which one is to be drawn."""
    experiment.data["dates"] = {"start": "2024-01-10T00:00", "end": "2024-01-11T00:00", "frequency": "12h"}
    experiment.data["showcase"] = {"dates": ["2024-01-10T12:00"], "params": ["2t", "TOT_PREC1", "NO_SUCH"]}
    return experiment


def times(plan):
    return [time["init_time"] for time in plan["showcase"]["times"]]


def test_an_experiment_draws_the_dates_and_its_own_target_all(shown):
    assert times(shown.plan()) == ["202401101200"]
    assert times(shown.plan(target="showcase")) == ["202401100000", "202401101200", "202401110000"]


def test_the_target_makes_forecasts_and_verifies_nothing(shown):
    plan = Plan(**json.loads(json.dumps(shown.plan(target="showcase"))))
    assert plan.makes_forecasts and plan.tasks and not plan.verifies and plan.shows
    assert plan.showcase.awaited == {plan.runs[0].run_id: ["202401100000", "202401101200", "202401110000"]}


@pytest.mark.parametrize(("target", "there"), [("showcase", True), ("experiment", True), ("report", False)])
def test_it_is_written_where_something_is_to_be_drawn(shown, tmp_path, target, there):
    plan = Plan(**json.loads(json.dumps(shown.plan(target=target))))
    write_plan(plan, tmp_path / "plan.json")
    assert (tmp_path / "showcase.json").exists() == there
    assert plan.report.showcase == there
    assert plan.reports == (target != "showcase")


def test_without_dates_and_cases_an_experiment_draws_nothing(shown):
    del shown.data["showcase"]["dates"]
    plan = Plan(**json.loads(json.dumps(shown.plan())))
    assert not plan.shows and not plan.report.showcase


def test_nothing_is_drawn_where_all_is_switched_off(shown):
    shown.data["showcase"] |= {"meteograms": {"enabled": False}, "animations": {"enabled": False}}
    assert not Plan(**json.loads(json.dumps(shown.plan(target="showcase")))).shows


def test_the_report_links_to_a_page_that_is_there(shown):
    plan = Plan(**json.loads(json.dumps(shown.plan(target="report"))))
    plan.report.results.mkdir(parents=True)
    (plan.report.results / "showcase.html").touch()
    assert shown.plan(target="report")["report"]["showcase"]
    (plan.report.results / "scores.parquet").touch()
    assert Plan(**json.loads(json.dumps(shown.plan(target="showcase")))).reports


def test_params_have_one_name_and_unknown_ones_are_kept_apart(shown):
    showcase = shown.plan()["showcase"]
    assert (showcase["params"], showcase["unknown_params"]) == (["T_2M", "TOT_PREC1"], ["NO_SUCH"])


def test_domains_by_name_and_by_definition(shown):
    own = {"name": "fiji", "extent": [170, -170, -25, -10], "projection": "platecarree"}
    shown.data["showcase"]["animations"] = {"domains": ["globe", "alps", own]}
    assert shown.plan()["showcase"]["domains"] == [
        {"name": "globe", "projection": "orthographic"},
        {"name": "alps", "extent": [4.5, 16.0, 43.5, 48.5], "projection": "orthographic"},
        {"name": "fiji", "extent": [170.0, 190.0, -25.0, -10.0], "projection": "platecarree"},
    ]


def test_places_and_regions(shown):
    shown.data["experiment"] = {"stratification": {"regions": [{"name": "west", "box": [0, 5, 45, 50]}]}}
    place = {"name": "here", "lat": 47.4, "lon": 8.6, "elevation": 440}
    shown.data["showcase"]["meteograms"] = {"stations": ["KLO", place], "regions": ["west"]}
    showcase = shown.plan()["showcase"]
    assert showcase["stations"] == [{"name": "KLO"}, {**place, "elevation": 440.0}]
    assert showcase["regions"] == [{"name": "west", "box": [0.0, 5.0, 45.0, 50.0]}]


def test_a_case_draws_the_init_times_that_reach_into_it(shown):
    del shown.data["showcase"]["dates"]
    shown.data["experiment"] = {"cases": [{"name": "storm", "start": "2024-01-10T13:00", "end": "2024-01-10T20:00"}]}
    drawn = shown.plan()["showcase"]["times"]
    assert {time["init_time"] for time in drawn} <= {"202401100000", "202401101200"}
    assert drawn and all(time["cases"] == ["storm"] for time in drawn)


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (48, 60, [30, 36, 42, 48]),  # the last four of those that reach into it
        (10, 12, [0, 6]),
        (51, 52, [30, 36, 42, 48]),
        (-9, -3, []),
        (-9, 9, [0]),  # all are later than its start: the first one in it
        (78, 90, [54]),  # 54 + 24 = 78
        (79, 90, []),
    ],
)
def test_init_times_of_a_case(start, end, wanted):
    inits = [DAY + hours * H for hours in range(0, 60, 6)]
    found = case_times(inits, 24 * H, DAY + start * H, DAY + end * H)
    assert found == [DAY + hours * H for hours in wanted]
