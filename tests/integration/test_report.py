"""What the report shows after real launches: drawn once, drawn again where what it shows has changed, whole in a copy."""

import json
import os
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from support.launches import Workspace, copy_workspace
from support.verifying import make_workspace, verify, write_perfect_forecast

DRAWS = {"MAKE_PLAN": 1, "MAKE_REPORT": 1}
"""Tasks of a launch with `--target report`."""
LABEL = "made elsewhere"


@pytest.fixture(scope="module")
def first_report(tmp_path_factory) -> Workspace:
    """A workspace after a launch that reports; forecasts made elsewhere lack one of two init times, a case holds both."""
    workspace = make_workspace(tmp_path_factory.mktemp("reported"))
    write_perfect_forecast(workspace.root / "made" / "1996011512.grib", datetime(1996, 1, 15, 12))

    def change(config: dict) -> None:
        config["config_label"] = "trial"
        config["truth"]["license"] = "CC BY 4.0"
        forecasts = {"label": LABEL, "root": str(workspace.root / "made"), "pattern": "%Y%m%d%H.grib"}
        config["runs"].append({"forecasts": {**forecasts, "steps": "0/24/6"}})
        config["experiment"]["params"] = ["T_2M"]
        config["experiment"]["cases"] = [{"name": "storm", "start": "1996-01-16", "end": "1996-01-17"}]

    workspace.edit(change)
    launch = verify(workspace, "--target", "experiment")
    assert launch.result.text.rstrip().endswith(f"report: {launch.results}/index.html")
    return workspace


@pytest.fixture
def copied_report(first_report, tmp_path) -> Workspace:
    """A copy of it."""
    return copy_workspace(first_report, tmp_path / "copy")


def results(workspace: Workspace) -> Path:
    (folder,) = [path for path in (workspace.root / "out" / "results").iterdir() if not path.is_symlink()]
    return folder


def pages(workspace: Workspace) -> dict[str, int]:
    """Return when each page and picture was written, and each table."""
    folder = results(workspace)
    names = [*json.loads((folder / "report.json").read_text())["pages"], "scores.parquet"]
    return {name: (folder / name).stat().st_mtime_ns for name in names}


def text(workspace: Workspace, name: str = "index.html") -> str:
    return " ".join((results(workspace) / name).read_text(encoding="utf-8").split())


def test_a_report_of_a_partial_experiment_names_what_is_missing(first_report):
    index = text(first_report)
    assert f"<h3><bdi>{LABEL}</bdi></h3>" in index and "1 forecast is not there" in index
    assert index.count("compared alone</span>") >= 2 and "licence: <bdi>CC BY 4.0</bdi>" in index
    assert "storm" in text(first_report, "cases.html") and "scorecard-first-day.html" in index
    best = re.findall(r'class="best"><bdi>([^<]+)', index)
    assert best and set(best) <= {"persistence", "day before"}, "the perfect one has too few init times"


def test_it_is_whole_in_itself_and_in_a_copy(first_report, tmp_path):
    link = first_report.root / "out" / "results" / "trial"
    assert os.readlink(link) == results(first_report).name
    copy = shutil.copytree(link, tmp_path / "report")
    assert not [path for path in copy.rglob("*") if path.is_symlink()]
    for page in copy.glob("*.html"):
        html = re.sub(r"<script.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r'(?:href|src)="([^"#]+)"', html):
            assert target == "data:," or ((copy / target).resolve().is_relative_to(copy) and (copy / target).exists())


def test_nothing_is_drawn_where_nothing_has_changed(first_report):
    before = pages(first_report)
    launch = verify(first_report, "--target", "report")
    assert launch.result.tasks == DRAWS and pages(first_report) == before


def test_it_is_drawn_from_what_is_stored_where_something_has_changed(copied_report):
    """Launch after launch on one store."""
    before = pages(copied_report)
    copied_report.edit(lambda config: config["experiment"]["scorecards"]["sections"].update(config_of_another()))
    launch = verify(copied_report, "--target", "report")
    now = pages(copied_report)
    assert launch.result.tasks == DRAWS and launch.computed == {}
    assert {"scorecard-another.html", "scorecard-another.csv"} <= now.keys() - before.keys()
    kept = {name for name in before if now[name] == before[name]}
    assert "scores.parquet" in kept and {name for name in before if name.endswith(".png")} <= kept
    assert now["index.html"] > before["index.html"] and now["index.html"] == max(now.values())
    assert "1 forecast is not there" in text(copied_report)

    copied_report.edit(lambda config: config["runs"][0]["baseline"].update(label="renamed"))
    copied_report.edit(lambda config: config["experiment"]["scorecards"].update(sections={}))
    launch = verify(copied_report, "--target", "report")
    assert launch.result.tasks == DRAWS and "<bdi>renamed</bdi>" in text(copied_report)
    assert not list(results(copied_report).glob("scorecard-another*")) and "scorecard-overview.html" in pages(
        copied_report
    )
    assert pages(copied_report)["scores.parquet"] == before["scores.parquet"]


def config_of_another() -> dict:
    return {"another": {"baseline": "day before", "lead_times": "6/24/6", "stratification": "region", "variables": []}}


def test_without_tables_and_with_a_scorecard_of_what_is_not_there(copied_report):
    """Each is one line, and the pages are there all the same."""
    copied_report.edit(
        lambda config: config["experiment"]["scorecards"]["sections"]["first day"].update(variables=["PS"])
    )
    launch = verify(copied_report, "--target", "report")
    assert "problem: scorecard first day: PS: there are no scores; there are some of T_2M" in launch.result.text
    for name in ("scores.parquet", "differences.parquet"):
        (results(copied_report) / name).unlink()
    launch = verify(copied_report, "--target", "report")
    assert "there are no tables of scores; --target experiment makes them" in launch.result.text
    assert "There are no tables of scores yet." in text(copied_report)
    assert not list(results(copied_report).glob("scorecard*")) and not list(results(copied_report).glob("plots/*"))
