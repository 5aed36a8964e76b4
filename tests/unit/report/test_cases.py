"""Cases: the scores of each event, beside those of the whole."""

import re

import pytest
from evalflow.report.cases import find_cases
from evalflow.report.pages import make_report
from evalflow.report.spec import ReportCase
from evalflow.report.tables import ScoreTables
from support.report import LEADS, difference_rows, rmse, score_rows, write_tables

STORM = {"name": "Storm <b>", "start": "2024-01-01T06:00:00", "end": "2024-01-02T00:00:00"}


@pytest.fixture
def stormy(spec):
    """A report of a case in the Alps, whose RMSE is twice that of the whole."""
    whole = score_rows()
    case = [
        {**row, "case": STORM["name"], "value": 2 * row["value"], "n_inits": 3, "n_days": 1, "n_pairs": 7}
        for row in whole
        if row["region"] == "alps" and row["lead_time"] < 24
    ]
    other = [{**row, "case": "another", "value": 9 * row["value"]} for row in case]
    write_tables(spec.results, whole + case + other, difference_rows(whole))
    return spec.model_copy(update={"cases": [ReportCase(**STORM, region="alps")]})


def test_each_score_stands_beside_that_of_the_whole(stormy):
    (case,) = find_cases(stormy, ScoreTables(stormy.results))
    (table,) = case.tables
    assert table.counts == "up to 3 init times, 1 day of data, 7 pairs a score"
    assert [(param, lead) for param, lead, _ in table.rows] == [
        (param, f"{lead:g}\xa0h") for param in ("T_2M", "PMSL") for lead in LEADS[:2]
    ]
    _, _, cells = table.rows[0]
    assert [(cell.case, cell.whole) for cell in cells] == [
        (f"{2 * rmse(one, 'T_2M', 6.0):.2f}\xa0K", f"{rmse(one, 'T_2M', 6.0):.2f}")
        for one in ("run-1", "run-2", "baseline-1")
    ]
    assert [cell.best for cell in cells] == [True, False, False]
    assert [cell.change for cell in cells] == ["−20\xa0%", "+10\xa0%", ""]


def test_the_page_of_cases(stormy):
    done = make_report(stormy)
    assert "cases.html" in done.pages and done.problems == []
    text = (stormy.results / "cases.html").read_text()
    assert "<bdi>Storm &lt;b&gt;</bdi>" in text and "2024-01-01 06:00 to 2024-01-02 00:00 UTC" in text
    titles = re.findall(r'aria-label="([^"]+)"', text)
    assert titles == [
        f"RMSE, {what} of {param} over lead time" for param in ("T_2M", "PMSL") for what in ("in the case", "whole")
    ]
    assert 'href="cases.html"' in (stormy.results / "index.html").read_text()
    assert "Storm <b>" not in (stormy.results / "dashboard.html").read_text(), "data that is no markup"


def test_a_case_without_pairs_is_named(spec):
    spec = spec.model_copy(update={"cases": [ReportCase(**STORM, region="all")]})
    done = make_report(spec)
    assert done.problems == ["case Storm <b>: there are no scores: no pair of forecast and truth lies in it"]
    assert "no pair of forecast and truth lies in it" in (spec.results / "cases.html").read_text()


def test_a_source_compared_alone_is_marked_and_never_the_best(stormy):
    rows = score_rows()
    case = [{**row, "case": STORM["name"], "sample": "alone" if row["source"] == "run-1" else "common"} for row in rows]
    write_tables(stormy.results, rows + case, difference_rows(rows))
    (table,) = find_cases(stormy, ScoreTables(stormy.results))[0].tables
    assert [(cell.best, cell.alone) for cell in table.rows[0][2]] == [(False, True), (False, False), (True, False)]


def test_without_cases_there_is_no_page(spec):
    assert "cases.html" not in make_report(spec).pages
