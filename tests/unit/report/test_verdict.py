"""Which source is best, and whether that is more than chance."""

import pytest
from evalflow.report.tables import ScoreTables
from evalflow.report.verdict import choose_lead_times, make_verdict
from support.report import difference_rows, make_spec, rmse, score_rows, write_tables


@pytest.mark.parametrize(
    ("common", "asked", "chosen"),
    [
        ({0, 6, 12, 18, 24}, set(), [6, 12, 24]),
        ({0, 6, 12, 18, 24}, {12, 18, 24, 48}, [12, 18, 24]),
        ({6, 12}, {99}, [6, 12]),
        ({0}, set(), [0]),
        (set(), {6}, []),
    ],
)
def test_lead_times(common, asked, chosen):
    assert choose_lead_times(common, asked) == chosen


def verdict(spec):
    return make_verdict(spec, ScoreTables(spec.results), "analyses")


def test_the_best_source_has_the_numbers_of_the_tables(spec):
    table = verdict(spec)
    assert [param for param, _ in table.rows] == ["T_2M", "PMSL"] and len(table.lead_times) == 3
    for param, cells in table.rows:
        for cell, lead in zip(cells, (6.0, 12.0, 24.0), strict=True):
            assert cell.best == "candidate" and not cell.is_reference
            assert cell.value.startswith(f"{rmse('run-1', param, lead):.3g}")
            assert cell.change.startswith("−20")
    _, cells = table.rows[0]
    assert [(cell.chance, cell.many) for cell in cells] == [(False, True), (False, False), (True, False)]
    assert "about 7 more days" in cells[2].note and "about 7 more days" in cells[2].brief


def test_sentences_count_what_is_more_than_chance(spec):
    first, second = verdict(spec).sentences
    assert first == "candidate has the smallest RMSE in 6 of 6 comparisons of param and lead time."
    assert "beats persistence in 6 of 6; 4 of these 6 are more than chance" in second and "and 2 also" in second


def test_too_few_days_are_said_in_words(tmp_path):
    spec = make_spec(tmp_path)
    scores = [{**row, "n_days": 3} for row in score_rows()]
    unknown = {"lower": None, "upper": None, "p_value": None, "q_value": None, "detectable": None, "days_needed": None}
    write_tables(spec.results, scores, [{**row, **unknown, "n_days": 3} for row in difference_rows(scores)])
    table = verdict(spec)
    assert not table.decided and "3 days of data are too few" in table.sentences[1]
    assert all(cell.chance is None and not cell.many for _, row in table.rows for cell in row)


def test_the_reference_may_be_the_best(tmp_path):
    spec = make_spec(tmp_path)
    scores = [row for row in score_rows() if row["source"] != "run-1"]
    write_tables(spec.results, scores, difference_rows(scores))
    table = verdict(spec)
    assert all(cell.is_reference and cell.best == "persistence" for _, row in table.rows for cell in row)
    assert table.sentences[-1] == "No source is better than persistence in any of them."


def test_labels_come_from_the_config_not_from_the_tables(spec):
    renamed = spec.model_copy(
        update={"sources": [one.model_copy(update={"label": f"new {one.label}"}) for one in spec.sources]}
    )
    assert verdict(renamed).rows[0][1][0].best == "new candidate"
