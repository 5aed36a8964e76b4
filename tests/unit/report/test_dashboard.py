"""What the dashboard holds: the numbers of the tables, whole and small."""

import base64
import json
import re
import zlib

import numpy as np
import pyarrow.parquet as pq
import pytest
from evalflow.report.dashboard import draw_dashboard
from evalflow.report.dashboard_data import KEYS
from evalflow.report.pages import make_report
from evalflow.report.tables import ScoreTables
from support.dashboard import large_tables
from support.report import LEADS, SOURCES, difference_rows, make_spec, rmse, score_rows, write_tables


def drawn(spec) -> str:
    """Return the page of a report whose tables are there."""
    (page,) = draw_dashboard(spec, ScoreTables(spec.results))
    return (spec.results / page.name).read_text(encoding="utf-8")


def about(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="about">(.*?)</script>', text, re.S)[1])


class Arrays:
    """Reads the arrays of a part again, as docs and data.js say."""

    def __init__(self, text: str, number: int) -> None:
        found = re.search(rf'<script type="text/plain" id="part-{number}">(.*?)</script>', text, re.S)
        self.bytes, self.at = zlib.decompress(base64.b64decode(found[1])), 0

    def take(self, kind: str, *shape: int) -> np.ndarray:
        count, size = int(np.prod(shape)), np.dtype(kind).itemsize
        some = np.frombuffer(self.bytes, np.uint8, count * size, self.at).reshape(size, count)
        self.at += count * size
        return np.ascontiguousarray(some.T).view(kind).reshape(shape)


def decoded(text: str) -> dict:
    """Return truth, param, keys, lead → (value, n_days), and the same with the reference → (rest, half, marks)."""
    known = about(text)
    words, leads, scores, differences = known["words"], known["words"]["lead_time"], {}, {}
    for number, head in enumerate(known["parts"]):
        arrays, n, m, of = Arrays(text, number), head["scores"], head["differences"], len(leads)
        whole = (words["truth"][head["truth"]], words["param"][head["param"]])
        keys = arrays.take("<u2", 8, n)
        columns = [arrays.take("<f4", n, of), *(arrays.take("<u4", n, of) for _ in range(3))]
        for i, lead in ((i, lead) for i in range(n) for lead in range(of)):
            name = tuple(words[key][keys[place, i]] for place, key in enumerate(KEYS))
            scores[*whole, *name, leads[lead]] = (columns[0][i, lead], columns[2][i, lead])
        keys = arrays.take("<u2", 9, m)
        kinds = ("<f4", "<f4", "u1", "<u4")
        columns = [arrays.take(kind, m, of) for kind in kinds]
        for i, lead in ((i, lead) for i in range(m) for lead in range(of)):
            name = tuple(words[key][keys[place, i]] for place, key in enumerate((*KEYS, "source")))
            differences[*whole, *name, leads[lead]] = tuple(column[i, lead] for column in columns)
        assert arrays.at == len(arrays.bytes)
    return {"scores": scores, "differences": differences}


def key_of(row: dict, *more: str) -> tuple:
    return (
        row["truth"],
        row["param"],
        *(row[key] or ("" if key == "threshold" else 0.0) for key in KEYS),
        *more,
        row["lead_time"],
    )


def test_the_page_holds_each_score_as_float32(spec):
    found = decoded(drawn(spec))["scores"]
    rows = pq.read_table(spec.results / "scores.parquet").to_pylist()
    there = {key for key, (value, _) in found.items() if np.isfinite(value)}
    assert there == {key_of(row) for row in rows}
    for row in rows:
        assert found[key_of(row)] == (np.float32(row["value"]), 20)


def test_a_difference_is_what_the_two_scores_do_not_say(spec):
    found = decoded(drawn(spec))["differences"]
    rows = pq.read_table(spec.results / "differences.parquet").to_pylist()
    assert rows
    for row in rows:
        rest, half, marks, days = found[key_of(row, row["reference"])]
        assert rest == 0 and half == pytest.approx(1, rel=1e-3) and days == 20
        small = {6.0: 3, 12.0: 1, 24.0: 0}[row["lead_time"]]
        assert marks == small + (4 if row["better"] else 8)


def test_a_difference_of_other_pairs_keeps_its_own_value(spec):
    scores = score_rows()
    rows = difference_rows(scores)
    rows[0]["difference"] += 0.25
    write_tables(spec.results, scores, rows)
    found = decoded(drawn(spec))["differences"]
    assert found[key_of(rows[0], "baseline-1")][0] == pytest.approx(0.25, rel=1e-5)
    assert sum(rest != 0 for rest, *_ in found.values() if np.isfinite(rest)) == 1


def test_cases_are_no_stratum_of_the_dashboard(spec):
    scores = score_rows()
    case = [{**row, "case": "storm", "value": 99.0} for row in scores]
    write_tables(spec.results, scores + case, difference_rows(scores))
    assert 99.0 not in [value for value, _ in decoded(drawn(spec))["scores"].values()]


def test_words_come_in_the_order_of_the_config(spec):
    words = about(drawn(spec))["words"]
    assert words["source"] == list(SOURCES) and words["param"] == ["T_2M", "PMSL"]
    assert words["region"] == ["all", "alps"] and words["lead_time"] == list(LEADS)
    assert words["threshold"] == ["", "> 273.15"] and words["scale"] == [0.0, 200.0]


def test_a_source_that_the_config_does_not_name_any_more_is_left_in(spec):
    spec = spec.model_copy(update={"sources": spec.sources[1:]})
    known = about(drawn(spec))
    assert known["words"]["source"][-1] == "run-1" and known["sources"][-1]["label"] == "run-1"


def test_the_page_asks_for_nothing(spec):
    text = drawn(spec)
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", text)
    assert not re.search(r"@import|\bfetch\(|XMLHttpRequest|<link[^>]+stylesheet", text)


def test_labels_cannot_end_the_script(spec):
    label = "</script><script>alert('ä')</script>"
    sources = [one.model_copy(update={"label": label}) for one in spec.sources]
    text = drawn(spec.model_copy(update={"sources": sources}))
    assert about(text)["sources"][0]["label"] == label and "alert(" not in re.sub(
        r"\\u003cscript>alert\('ä'\)", "", text
    )


def test_it_is_drawn_by_the_report_and_linked_from_the_first_page(spec):
    done = make_report(spec)
    assert "dashboard.html" in done.pages
    assert 'href="dashboard.html"' in (spec.results / "index.html").read_text(encoding="utf-8")


def test_without_tables_or_rows_there_is_no_dashboard(tmp_path):
    spec = make_spec(tmp_path)
    assert draw_dashboard(spec, ScoreTables(spec.results)) == []
    rows = score_rows()
    write_tables(spec.results, [{**rows[0], "case": "storm"}], [{**difference_rows(rows)[0], "case": "storm"}])
    assert draw_dashboard(spec, ScoreTables(spec.results)) == []


def test_sixty_panels_are_a_small_page(tmp_path):
    spec = large_tables(tmp_path)
    text = drawn(spec)
    assert len(text.encode()) < 1_500_000
    assert sum(len(head["panels"]) for head in about(text)["parts"]) == 60


def test_units_and_directions(spec):
    known = about(drawn(spec))
    metrics = dict(zip(known["words"]["metric"], known["metrics"], strict=True))
    assert metrics["RMSE"]["units"] == ["K", "Pa"] and metrics["RMSE"]["better"] == "↓ lower is better"
    assert metrics["BIAS"]["target"] == 0 and metrics["BIAS"]["better"] == "→ 0 is best"
    assert metrics["ETS"]["units"][0] == "" and metrics["ETS"]["better"] == "↑ higher is better"
    assert rmse("run-1", "T_2M", 6.0) == 1.6
