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
    """Return truth, param, keys, lead → numbers; with the reference among the keys those of a difference."""
    known = about(text)
    words, leads, scores, differences = known["words"], known["words"]["lead_time"], {}, {}
    for number, head in enumerate(known["parts"]):
        arrays, of = Arrays(text, number), len(leads)
        whole = (words["truth"][head["truth"]], words["param"][head["param"]])

        def read(count: int, names: tuple, kinds: dict, into: dict, whole=whole, arrays=arrays, of=of) -> None:
            keys = arrays.take("<u2", len(names), count)
            columns = {name: arrays.take(kind, count, of) for name, kind in kinds.items()}
            for i, lead in ((i, lead) for i in range(count) for lead in range(of)):
                name = tuple(words[key][keys[place, i]] for place, key in enumerate(names))
                into[*whole, *name, leads[lead]] = {name: column[i, lead] for name, column in columns.items()}

        counts = dict.fromkeys(("inits", "days", "pairs"), "<u4")
        read(head["scores"], KEYS, {"value": "<f4", **counts, "alone": "u1"}, scores)
        own = {"rest": "<f4", "relative": "<f4", "half": "<f4", "marks": "u1", "days": "<u4"}
        read(head["differences"], (*KEYS, "source"), own, differences)
        assert arrays.at == len(arrays.bytes)
    return {"scores": scores, "differences": differences}


def key_of(row: dict, *more: str) -> tuple:
    return (
        row["truth"],
        row["param"],
        *(row[key] or ("" if key in ("threshold", "case") else 0.0) for key in KEYS),
        *more,
        row["lead_time"],
    )


def test_the_page_holds_each_score_as_float32(spec):
    found = decoded(drawn(spec))["scores"]
    rows = pq.read_table(spec.results / "scores.parquet").to_pylist()
    there = {key for key, numbers in found.items() if np.isfinite(numbers["value"])}
    assert there == {key_of(row) for row in rows}
    for row in rows:
        expected = {"value": np.float32(row["value"]), "inits": 40, "days": 20, "pairs": 4000, "alone": 0}
        assert found[key_of(row)] == expected


def test_a_difference_is_what_the_two_scores_do_not_say(spec):
    found = decoded(drawn(spec))["differences"]
    rows = pq.read_table(spec.results / "differences.parquet").to_pylist()
    assert rows
    for row in rows:
        numbers = found[key_of(row, row["reference"])]
        assert numbers["rest"] == 0 and numbers["half"] == pytest.approx(1, rel=1e-3) and numbers["days"] == 20
        small = {6.0: 3, 12.0: 1, 24.0: 0}[row["lead_time"]]
        assert numbers["marks"] == small + (4 if row["better"] else 8)


def test_percent_are_missing_where_the_tables_lack_them_and_exact_elsewhere(spec):
    found = decoded(drawn(spec))["differences"]
    for row in pq.read_table(spec.results / "differences.parquet").to_pylist():
        rest = found[key_of(row, row["reference"])]["relative"]
        if row["metric"] == "BIAS":
            assert np.isnan(rest)
        elif row["scale"]:  # the tables of the tests say −5 % whatever the scores are
            base = 0.5 * rmse("baseline-1", row["param"], row["lead_time"])
            assert rest == pytest.approx(-5 - 100 * row["difference"] / base, rel=1e-4)
        else:
            assert rest == 0


def test_a_difference_of_other_pairs_keeps_its_own_value(spec):
    scores = score_rows()
    rows = difference_rows(scores)
    rows[0] |= {"difference": rows[0]["difference"] + 0.25, "sample": "alone"}
    write_tables(spec.results, [{**scores[0], "sample": "alone"}, *scores[1:]], rows)
    text = drawn(spec)
    found = decoded(text)
    moved = found["differences"][key_of(rows[0], "baseline-1")]
    assert moved["rest"] == pytest.approx(0.25, rel=1e-5) and moved["marks"] & 16
    assert sum(one["rest"] != 0 for one in found["differences"].values() if np.isfinite(one["rest"])) == 1
    assert [key for key, one in found["scores"].items() if one["alone"]] == [key_of(scores[0])]
    assert about(text)["alone"] == [0]


def test_a_difference_whose_scores_are_not_in_the_table_is_there_itself(spec):
    scores = score_rows()
    rows = difference_rows(scores)
    left = [row for row in scores if row["source"] != "baseline-1" or row["metric"] != "ETS"]
    write_tables(spec.results, left, rows)
    found = decoded(drawn(spec))["differences"]
    for row in rows:
        whole = row["difference"] if row["metric"] == "ETS" else 0
        assert found[key_of(row, "baseline-1")]["rest"] == np.float32(whole)


def test_cases_are_strata_with_the_region_that_they_are_in(spec):
    scores = score_rows()
    case = [{**row, "case": "storm", "value": 99.0} for row in scores if row["region"] == "alps"]
    write_tables(spec.results, scores + case, difference_rows(scores))
    text = drawn(spec)
    found = decoded(text)["scores"]
    assert all(found[key_of(row)]["value"] == 99 for row in case)
    assert about(text)["words"]["case"] == ["", "storm"]
    assert about(text)["strata"] == [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 1]]


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
    write_tables(spec.results, score_rows(), difference_rows(score_rows()))
    for name in ("scores", "differences"):
        path = spec.results / f"{name}.parquet"
        pq.write_table(pq.read_table(path)[:0], path)
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
