"""What is missing, and why; which sources are compared alone; what runs were made with, and their cost."""

import json

import pytest
from evalflow.report.missing import find_coverage, find_missing, known_lacking
from evalflow.report.pages import make_report
from evalflow.report.provenance import find_made
from evalflow.report.spec import Lacking
from evalflow.report.tables import ScoreTables
from evalflow.report.verdict import make_verdict
from evalflow.store.layout import environment_folder, forecast_folder
from support.report import difference_rows, make_spec, score_rows, write_tables

TIMES = ["202401010000", "202401011200", "202401020000"]


def whole(spec, *sources: str, times=TIMES, **seal) -> None:
    """Put forecasts into the store, as far as their seals."""
    for source in sources:
        for time in times:
            folder = forecast_folder(spec.store, source, time)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "forecast.json").write_text(json.dumps(seal))


def lacks(time: str, reason: str, source: str = "run-1") -> Lacking:
    return Lacking(source_id=source, init_time=time, reason=reason)


def test_reasons_that_differ_in_their_init_times_are_one(spec):
    whole(spec, "run-1", "run-2")
    lacking = [
        lacks(TIMES[0], f"/archive/{TIMES[0]}/a.grib: no such file"),
        lacks(TIMES[1], f"/archive/{TIMES[1]}/a.grib: no such file"),
        lacks(TIMES[2], "/other place: no forecast of 2024-01-02 00:00 UTC"),
        lacks(TIMES[2], "/other place: no forecast of 2024-01-02 00:00 UTC"),
    ]
    (missing,) = find_missing(spec, lacking)
    assert missing.label == "candidate" and missing.unmade == [] and missing.more == 0
    assert missing.reasons == [
        ("a.grib: no such file", ["2024-01-01 00:00", "2024-01-01 12:00"]),
        ("/other place: no forecast of … UTC", ["2024-01-02 00:00"]),
    ]


def test_a_forecast_that_is_not_there_is_no_second_reason(spec):
    whole(spec, "run-1", times=TIMES[1:])
    whole(spec, "run-2")
    (missing,) = find_missing(spec, [lacks(TIMES[0], "no whole forecast"), lacks(TIMES[1], "T_2M: cannot be read")])
    assert missing.unmade == ["2024-01-01 00:00"]
    assert missing.reasons == [("T_2M: cannot be read", ["2024-01-01 12:00"])]


def test_a_forecast_made_elsewhere_may_be_absent(spec):
    whole(spec, "run-1", "run-2")
    absent = spec.sources[2].model_copy(update={"kind": "forecasts", "absent": TIMES[1:]})
    (missing,) = find_missing(spec.model_copy(update={"sources": [*spec.sources[:2], absent]}), [])
    assert (missing.label, missing.unmade) == ("persistence", ["2024-01-01 12:00", "2024-01-02 00:00"])


def test_many_reasons_are_counted(spec):
    whole(spec, "run-1", "run-2")
    (missing,) = find_missing(spec, [lacks(TIMES[0], f"reason {letter}") for letter in "abcdefgh"])
    assert len(missing.reasons) == 5 and missing.more == 3


def test_what_the_last_launch_said_holds_where_this_one_does_not_verify(spec):
    statistics = [{"source_id": "run-1", "label": "x", "lacking": {TIMES[0]: "no such file"}}]
    (spec.results / "summary.json").write_text(json.dumps({"statistics": statistics}))
    now = [lacks(TIMES[1], "another")]
    assert known_lacking(spec, now) == [lacks(TIMES[0], "no such file")]
    assert known_lacking(spec.model_copy(update={"verifies": True}), now) == now
    assert known_lacking(spec.model_copy(update={"verifies": True}), []) == [], "all is there by now"


@pytest.mark.parametrize("summary", ["", "[]", '{"statistics": null}', '{"statistics": [{"source_id": "a"}]}'])
def test_a_summary_without_statistics_says_nothing(spec, summary):
    (spec.results / "summary.json").write_text(summary)
    assert known_lacking(spec, []) == []


def test_the_first_page_names_reasons_and_a_source_without_scores(spec):
    whole(spec, "run-1", "run-2")
    scores = [row for row in score_rows() if row["source"] != "run-2"]
    write_tables(spec.results, scores, difference_rows(scores))
    spec = spec.model_copy(update={"verifies": True})
    make_report(spec, [lacks(time, f"/x/{time}.grib: no such file", "run-2") for time in TIMES])
    text = " ".join((spec.results / "index.html").read_text().split())
    assert "<strong><bdi>other</bdi> has no scores</strong>" in text
    assert "3 init times: ….grib: no such file" in text and "2024-01-01 12:00" in text
    assert not make_report(spec, [lacks(time, f"/x/{time}.grib: no such file", "run-2") for time in TIMES]).drawn
    assert make_report(spec, []).drawn


def alone(spec) -> None:
    """Let run-1, which is the best, be compared alone."""
    scores = [{**row, "sample": "alone" if row["source"] == "run-1" else "common"} for row in score_rows()]
    write_tables(spec.results, scores, difference_rows(scores))


def test_a_source_compared_alone_is_marked_and_wins_nothing(spec):
    alone(spec)
    marked = {one.label: one.alone for one in find_coverage(spec, ScoreTables(spec.results))}
    assert marked == {"candidate": True, "other": False, "persistence": False}
    verdict = make_verdict(spec, ScoreTables(spec.results), "analyses")
    assert {cell.best for _, row in verdict.rows for cell in row} == {"persistence"}
    make_report(spec)
    assert (spec.results / "index.html").read_text().count("compared alone</span>") == 3  # twice a source, and coverage


def test_where_all_are_alone_one_is_best_all_the_same(spec):
    scores = [{**row, "sample": "alone"} for row in score_rows()]
    write_tables(spec.results, scores, difference_rows(scores))
    verdict = make_verdict(spec, ScoreTables(spec.results), "analyses")
    assert {cell.best for _, row in verdict.rows for cell in row} == {"candidate"}


def test_provenance_and_cost(tmp_path):
    spec = make_spec(tmp_path)
    run = spec.sources[0].model_copy(update={"env_id": "env-1", "runner": "onnx", "checkpoint": "ab" * 32})
    spec = spec.model_copy(update={"sources": [run, *spec.sources[1:]]})
    folder = environment_folder(spec.store, "env-1")
    folder.mkdir(parents=True)
    (folder / "env.json").write_text('{"python": "3.11.7", "image_id": "c14acab9"}')
    (folder / "requirements.txt").write_text("# a comment\nnumpy==2.0 \\\n    --hash=sha256:00\nonnx==1.0\n")
    files = {"a.grib": {"size": 1_500_000}, "config.yaml": {"size": 500_000}}
    whole(spec, "run-1", times=TIMES[:2], seconds=1800, gpus=4, files=files, evalflow="0.2.0")
    (made,) = find_made(spec)
    # By hand: two forecasts of half an hour on 4 GPUs, of 2 MB each.
    assert made.cost == "4.0 GPU hours, 1.0\xa0h, 4.0 MB" and made.forecasts == "2 of 3"
    assert made.environment == "Python 3.11.7, image c14acab9" and made.lock.startswith("2 packages, SHA-256 ")
    assert (made.checkpoint, made.runner, made.version) == ("ab" * 8, "onnx", "0.2.0")
    make_report(spec)
    assert "4.0 GPU hours, 1.0\xa0h, 4.0 MB" in (spec.results / "index.html").read_text()


def test_seals_of_older_versions_and_an_environment_that_is_gone(tmp_path):
    spec = make_spec(tmp_path)
    run = spec.sources[0].model_copy(update={"env_id": "env-1"})
    spec = spec.model_copy(update={"sources": [run]})
    whole(spec, "run-1", times=TIMES[:1])
    (made,) = find_made(spec)
    assert (made.version, made.environment, made.lock) == ("0.1", "not in the store", "not in the store")


def test_the_licence_of_the_truth_is_shown(spec):
    truths = [spec.truths[0].model_copy(update={"license": "CC BY 4.0 <b>&"})]
    make_report(spec.model_copy(update={"truths": truths}))
    assert "licence: <bdi>CC BY 4.0 &lt;b&gt;&amp;</bdi>" in (spec.results / "index.html").read_text()
