"""Scorecards: cells have the numbers of the tables, and say what they mean."""

import csv
import io

import pytest
from evalflow.report.scorecards import make_scorecard, scorecard_csv
from evalflow.report.spec import SectionSpec
from evalflow.report.tables import ScoreTables
from evalflow.scores.intervals import false_discovery_rates
from support.report import bias, difference_rows, rmse, score_rows, write_tables


def make(spec, **changed):
    section = spec.sections[0].model_copy(update=changed)
    return make_scorecard(spec, section, ScoreTables(spec.results))


def cells_of(card, label, param, score):
    grid = next(grid for grid in card.grids if grid.label == label)
    return next(line.cells for line in grid.lines if (line.param, line.score) == (param, score))


def test_rows_and_columns(spec):
    card = make(spec)
    assert [grid.label for grid in card.grids] == ["candidate", "other"]
    rows = [(line.param, line.score) for line in card.grids[0].lines]
    assert rows == [("T_2M", "RMSE"), ("T_2M", "BIAS"), ("T_2M", "ETS > 273.15"), ("PMSL", "RMSE")]
    assert card.strata == ["all", "alps"] and [lead.split("\xa0")[0] for lead in card.lead_times] == ["6", "12", "24"]
    assert all(len(line.cells) == 6 for grid in card.grids for line in grid.lines)
    assert card.lacking == [] and card.grids[0].days == "20 days"


def test_better_is_better_whatever_the_score(spec):
    card = make(spec)
    assert {cell.better for cell in cells_of(card, "candidate", "T_2M", "RMSE")} == {True}
    assert {cell.better for cell in cells_of(card, "other", "T_2M", "RMSE")} == {False}
    assert {cell.better for cell in cells_of(card, "candidate", "T_2M", "ETS > 273.15")} == {True}
    assert {cell.better for cell in cells_of(card, "candidate", "T_2M", "BIAS")} == {False}  # |0.5| > |−0.3|
    assert {cell.better for cell in cells_of(card, "other", "T_2M", "BIAS")} == {True}


def test_numbers_of_a_cell(spec):
    first = cells_of(make(spec), "candidate", "T_2M", "RMSE")[0]
    assert first.text == "−20\xa0%" and first.left == "−5.0\xa0%"
    assert first.size == pytest.approx(20 / 30)
    assert first.numbers["value"] == rmse("run-1", "T_2M", 6.0)
    assert first.numbers["reference_value"] == rmse("baseline-1", "T_2M", 6.0)
    assert "over 200\xa0km −5.0\xa0%" in first.note and "20 days" in first.note


def test_a_source_with_few_init_times_is_marked(spec):
    scores = score_rows()
    rows = [{**row, "sample": "alone"} if row["source"] == "run-1" else row for row in difference_rows(scores)]
    write_tables(spec.results, scores, rows)
    card = make(spec)
    cell = cells_of(card, "candidate", "T_2M", "RMSE")[0]
    assert cell.note.endswith("40 init times; compared alone, on what both have")
    assert "compared alone" not in cells_of(card, "other", "T_2M", "RMSE")[0].note
    assert next(csv.DictReader(io.StringIO(scorecard_csv(card))))["sample"] == "alone"


def test_a_bias_is_compared_by_its_size_in_units(spec):
    cells = cells_of(make(spec), "candidate", "T_2M", "BIAS")
    expected = [abs(bias("run-1", lead)) - abs(bias("baseline-1", lead)) for lead in (6.0, 12.0, 24.0)]
    assert [cell.text for cell in cells[:3]] == [f"+{value:.2f}" for value in expected]
    # Its mark is as large as the change is against the RMSE of the baseline.
    assert cells[0].size == pytest.approx(expected[0] / rmse("baseline-1", "T_2M", 6.0) / 0.3)
    assert not any("%" in cell.text for cell in cells) and "|bias|" in cells[0].note


def test_no_percentage_of_what_is_about_nothing(spec):
    cells = cells_of(make(spec), "candidate", "T_2M", "ETS > 273.15")  # 0.4 against 0.01
    assert {cell.text for cell in cells} == {"+0.39"} and {cell.size for cell in cells} == {1.0}


def test_q_is_of_the_cells_of_the_scorecard(spec):
    card = make(spec, variables=["T_2M:RMSE"], lead_times=[6.0, 12.0])
    cells = [cell for grid in card.grids for line in grid.lines for cell in line.cells]
    assert len(cells) == 8
    expected = false_discovery_rates([cell.numbers["p_value"] for cell in cells])
    assert [cell.numbers["q_value"] for cell in cells] == list(expected)
    # By hand: four of 8 have p 0.001, four 0.04: q = 0.001 × 8/4 and 0.04 × 8/8.
    assert sorted({cell.numbers["q_value"] for cell in cells}) == pytest.approx([0.002, 0.04])
    assert all(cell.chance and cell.many for cell in cells)
    assert {cell.look for cell in cells} == {"better sure kept", "worse sure kept"}
    assert {cell.look for cell in cells_of(make(spec), "candidate", "PMSL", "RMSE")[2:3]} == {"better"}


def test_csv_has_the_numbers_of_the_tables(spec):
    rows = list(csv.DictReader(io.StringIO(scorecard_csv(make(spec)))))
    assert len(rows) == 2 * 4 * 6
    wanted = ("run-2", "PMSL", "RMSE", "alps", "12.0")
    names = ("source", "param", "metric", "stratum", "lead_time")
    (row,) = [one for one in rows if tuple(one[name] for name in names) == wanted]
    assert float(row["value"]) == rmse("run-2", "PMSL", 12.0) and row["units"] == "Pa"
    assert float(row["difference"]) == rmse("run-2", "PMSL", 12.0) - rmse("baseline-1", "PMSL", 12.0)
    assert float(row["relative_at_coarsest"]) == -5.0 and row["better"] == "False"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"variables": ["T_2M:RMSE", "TD_2M:RMSE"]}, "TD_2M: there are no scores; there are some of T_2M, PMSL"),
        ({"variables": ["T_2M:RMSE,RSME"]}, "T_2M: score 'RSME': unknown; allowed: BIAS"),
        ({"variables": ["PMSL:RMSE,ETS"]}, "PMSL: there are no scores ETS"),
        ({"variables": ["T_2M:ETS > 1"]}, "T_2M: there are no scores ETS > 1"),
        ({"lead_times": [6.0, 48.0]}, "no scores at 48\xa0h"),
        ({"baseline": "run-1"}, "nothing is compared with candidate against analyses"),
    ],
)
def test_what_cannot_be_had_is_left_out_with_a_line(spec, changed, said):
    card = make(spec, **changed)
    assert any(line.startswith(said) for line in card.lacking), card.lacking
    if "baseline" not in changed and changed["variables" if "variables" in changed else "lead_times"][0] in (
        "T_2M:RMSE",
        6.0,
    ):
        assert card.grids[0].lines


def test_without_variables_rmse_of_the_core_params(spec):
    rows = [(line.param, line.score) for line in make(spec, variables=[]).grids[0].lines]
    assert rows == [("T_2M", "RMSE"), ("PMSL", "RMSE")]


def test_a_param_without_scores_named_has_all_of_them(spec):
    rows = [line.score for line in make(spec, variables=["T_2M"]).grids[0].lines]
    assert rows == ["RMSE", "BIAS", "ETS > 273.15"]


def test_any_source_may_be_the_baseline(spec):
    scores = score_rows()
    both = [*difference_rows(scores), *difference_rows(scores, "run-2")]
    write_tables(spec.results, scores, both)
    card = make_scorecard(
        spec, SectionSpec(name="x", baseline="run-2", variables=["PMSL:RMSE"]), ScoreTables(spec.results)
    )
    assert [grid.label for grid in card.grids] == ["candidate", "persistence"] and card.baseline == "other"


def test_a_source_without_scores_is_named(spec):
    scores = [row for row in score_rows() if row["source"] != "run-2"]
    write_tables(spec.results, scores, difference_rows(scores))
    card = make(spec)
    assert [grid.label for grid in card.grids] == ["candidate"] and "other: nothing to compare" in card.lacking


def test_a_source_compared_alone_is_marked_on_its_scorecard(spec):
    scores = [{**row, "sample": "alone" if row["source"] == "run-2" else "common"} for row in score_rows()]
    write_tables(spec.results, scores, difference_rows(scores))
    days = {grid.label: grid.days for grid in make(spec).grids}
    assert days == {"candidate": "20 days", "other": "20 days; compared alone, on what both have"}
