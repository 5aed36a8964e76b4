"""What a launch says at its end of the forecasts that it was to make, and that it names what has no name."""

import json
import os
import shutil
from pathlib import Path

import pytest
from evalflow.launch.summary import describe_summary, is_lacking, make_summary, write_summary
from evalflow.plan.model import Plan
from evalflow.plan.plan import write_plan
from evalflow.verification.aggregated import Aggregated
from evalflow.verification.done import PackDone
from support.environments import run as run_script
from support.stored import give_name, store_made, write_forecast


@pytest.fixture
def planned(experiment) -> dict:
    """A plan of one run of three init times, nothing of which is stored."""
    return experiment.plan()


def summarize(planned: dict) -> tuple[dict, dict, bool]:
    """Return the summary, what it says of the run, and whether something is lacking."""
    plan = Plan(**planned)
    summary = make_summary(plan)
    (counted,) = summary["runs"]
    return summary, counted, is_lacking(plan, summary)


def test_all_have_their_names(planned):
    for init_time in planned["init_times"]:
        give_name(store_made(planned["runs"][0], init_time))
    _, counted, lacking = summarize(planned)
    assert (counted["made"], counted["missing"], counted["unnamed"], lacking) == (3, [], [], False)
    assert (counted["seconds"], counted["bytes"]) == (6.0, 24)


def test_whole_forecasts_without_a_name_get_it(planned):
    """The last job ran out of time, say, or Nextflow could not make the names."""
    made = [store_made(planned["runs"][0], init_time) for init_time in planned["init_times"]]
    _, counted, lacking = summarize(planned)
    assert counted["made"] == 3 and not lacking
    for path in made:
        assert (path.parents[1] / path.name.split(".")[0]).samefile(path)


@pytest.mark.parametrize("name", ["a file", "leads nowhere"])
def test_what_is_in_the_way_of_a_name_is_moved(planned, name):
    made = [store_made(planned["runs"][0], init_time) for init_time in planned["init_times"]]
    if name == "a file":
        (made[0].parents[1] / planned["init_times"][0]).write_text("in the way")
    else:
        other = store_made(planned["runs"][0], planned["init_times"][0], "a" * 8)
        give_name(other)
        shutil.rmtree(other)
    _, counted, lacking = summarize(planned)
    assert counted["made"] == 3 and not lacking


def test_a_name_that_cannot_be_made_is_said_with_the_forecast_and_the_reason(planned, monkeypatch):
    made, _ = [store_made(planned["runs"][0], init_time) for init_time in planned["init_times"][:2]]

    def refuse(_target, name):
        raise OSError(30, "Read-only file system", str(name))

    monkeypatch.setattr(os, "symlink", refuse)
    summary, counted, lacking = summarize(planned)
    assert counted["missing"] == planned["init_times"] and lacking and len(counted["unnamed"]) == 2
    text = describe_summary(Plan(**planned), summary)
    line = (
        f"{made}: is whole, but cannot be given its name: {made.parents[1]}/{planned['init_times'][0]}: Read-only file"
    )
    assert line in text and "missing: " in text


def test_what_is_odd_in_forecasts_is_said_once_for_all_of_them(planned):
    """A model whose precipitation is missing everywhere, say. Old forecasts have no warnings."""
    for number, init_time in enumerate(planned["init_times"]):
        seal = give_name(store_made(planned["runs"][0], init_time)) / "forecast.json"
        about = json.loads(seal.read_text())
        if number:
            about["warnings"] = ["every value is missing at all lead times: tp (0)", *map(str, range(4 + number))]
        seal.write_text(json.dumps(about))
    summary, counted, lacking = summarize(planned)
    assert counted["warnings"]["every value is missing at all lead times: tp (0)"] == 2 and not lacking
    run_id, lines = counted["run_id"], describe_summary(Plan(**planned), summary).splitlines()
    assert f"warning: {run_id}: every value is missing at all lead times: tp (0) (in 2 of 3 made)" in lines
    assert f"warning: {run_id}: and 2 more warnings, in summary.json" in lines
    assert len([line for line in lines if line.startswith(f"warning: {run_id}")]) == 6


def test_missing_forecasts_are_lacking_and_those_that_nobody_wanted_are_not(planned):
    give_name(store_made(planned["runs"][0], planned["init_times"][0]))
    _, counted, lacking = summarize(planned)
    assert counted["missing"] == planned["init_times"][1:] and lacking
    _, counted, lacking = summarize(planned | {"tasks": []})
    assert counted["missing"] == [] and not lacking, "a launch of environments only"
    assert not summarize(planned | {"stub": True})[2]


def test_a_folder_of_an_old_store_counts(planned):
    run = planned["runs"][0]
    write_forecast(Path(run["spec"]["folder"]) / planned["init_times"][0], run["spec"]["sha256"])
    assert summarize(planned)[1]["made"] == 1


def test_what_is_set_aside_is_no_forecast(planned):
    run = planned["runs"][0]
    for name in (planned["init_times"][0], f"{planned['init_times'][1]}.bad-20240101T000000"):
        write_forecast(Path(run["spec"]["folder"]) / name, run["spec"]["sha256"])
    summary, *_ = summarize(planned)
    assert f"{{{planned['init_times'][0]}}}  1 forecast\n" in describe_summary(Plan(**planned), summary) + "\n"


def test_the_script_tells_by_its_status(planned, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(planned))
    made = [store_made(planned["runs"][0], init_time) for init_time in planned["init_times"][:2]]
    result = run_script("summarize.py", "--plan", tmp_path / "plan.json")
    assert (
        result.returncode == 1
        and f"missing: {planned['runs'][0]['run_id']}/{planned['init_times'][2]}" in result.stdout
    )
    shutil.copytree(made[0], made[0].with_name(f"{planned['init_times'][2]}.01234567"))
    result = run_script("summarize.py", "--plan", tmp_path / "plan.json")
    assert result.returncode == 0 and "3 made, 0 reused, 0 missing" in result.stdout, result.stderr


def test_the_config_that_is_kept_is_the_one_that_was_planned(experiment, tmp_path):
    """A launch takes days, and the file may be edited for the next one meanwhile."""
    plan = experiment.plan()
    file = Path(plan["config"])
    before = file.read_text()
    write_plan(Plan(**plan), tmp_path / "plan.json")
    file.write_text("for: the next experiment")
    assert (write_summary(tmp_path / "plan.json", Plan(**plan), {}) / "config.yaml").read_text() == before


def test_the_last_line_is_the_path_of_the_report(planned, tmp_path):
    for init_time in planned["init_times"]:
        give_name(store_made(planned["runs"][0], init_time))
    (tmp_path / "plan.json").write_text(json.dumps(planned))
    reported = {"index": "/out/results/x/index.html", "pages": [], "drawn": True, "problems": ["scorecard a: no b"]}
    (tmp_path / "reported.json").write_text(json.dumps(reported))
    result = run_script("summarize.py", "--plan", tmp_path / "plan.json", "--reported", tmp_path / "reported.json")
    lines = result.stdout.splitlines()
    assert lines[-1] == "report: /out/results/x/index.html" and "problem: scorecard a: no b" in lines, result.stderr


# --- verification ---------------------------------------------------------------------------------------------------------


def pack(planned: dict, **fields) -> PackDone:
    inits = [
        {"init_time": "202401010000", "computed": ["T_2M", "PMSL"]},
        {"init_time": "202401011200", "computed": ["T_2M"], **fields},
    ]
    return PackDone(source=planned["runs"][0]["run_id"], truth=0, inits=inits, notes=["a field is left out"])


def test_statistics_are_counted_with_what_lacks_some_and_why(planned):
    plan = Plan(**planned)
    summary = make_summary(plan, done=[pack(planned), pack(planned, reason="PMSL: no sum", failed=True)])
    (counted,) = summary["statistics"]
    assert (counted["computed"], counted["failed"]) == (6, ["202401011200"])
    assert counted["lacking"] == {"202401011200": "PMSL: no sum"} and counted["notes"] == ["a field is left out"]
    assert is_lacking(plan, {**summary, "runs": []})


def test_each_truth_has_its_own_reason(planned):
    done = [pack(planned, reason="PMSL: no sum", failed=True), pack(planned, reason="the truth is gone", failed=True)]
    (counted,) = make_summary(Plan(**planned), done=[*done, done[0]])["statistics"]
    assert counted["lacking"] == {"202401011200": "PMSL: no sum; the truth is gone"}


def test_a_forecast_that_is_not_there_is_no_fault(planned):
    plan = Plan(**planned)
    summary = make_summary(plan, done=[pack(planned, reason="no such file")])
    assert summary["statistics"][0]["lacking"] and not is_lacking(plan, {**summary, "runs": []})


def test_what_an_archive_lacks_is_said_though_nothing_was_computed(planned):
    planned["target"], planned["verification"]["truths"] = "verification", [TRUTH]
    plan, source_id = Plan(**planned), planned["verification"]["sources"][0]["source_id"]
    without = {source_id: {"202401011200": "/archive/2024010112.grib: no such forecast"}}
    scores = Aggregated(
        evalflow="0.2", made_from="", tables=[], rows={}, headline=[], domains=[], notes=[], problems=[], days=0,
        without=without,
    )  # fmt: skip
    summary = make_summary(plan, scores=scores)
    assert summary["statistics"][0]["without"] == without[source_id]
    text = describe_summary(plan, summary)
    assert "0 computed, 1 init times lack some" in text
    assert "202401011200: /archive/2024010112.grib: no such forecast" in text
    assert not is_lacking(plan, {**summary, "runs": []})
    assert make_summary(plan)["statistics"][0]["without"] == {}


def test_many_notes_are_not_all_shown(planned):
    planned["target"], planned["verification"]["truths"] = "verification", [TRUTH]
    done = pack(planned).model_copy(update={"notes": [f"note {number}" for number in range(7)]})
    text = describe_summary(Plan(**planned), make_summary(Plan(**planned), done=[done]))
    assert "note: note 4\n" in text and "note 5" not in text and "and 2 more notes, in summary.json" in text


TRUTH = {"label": "analyses", "root": "/truth.grib", "identity": {}}
