"""The folder of a report: whole in itself, in order, drawn when something that it shows has changed."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evalflow.errors import UserError
from evalflow.report import pages
from evalflow.report.pages import make_report
from support.report import difference_rows, make_spec, rmse, score_rows, write_tables

HOSTILE = [
    "</script><script>alert(1)</script>",
    "\" onload='x' & <b>fat</b>",
    "Größe مرحبا \u202eabc",
    "x" * 200,
    "{{ 7 * 7 }}",
    "nul \x00 bell \x07",
]


VOID = {"meta", "link", "br", "img"}
"""Tags that are not closed."""


LATER = {"summary.json"}
"""What the first page links to, and what the launch writes after it."""
SCRIPTS = {"cases.html": 0, "plots.html": 0, "index.html": 0, "dashboard.html": 5}
"""How many scripts a page has; others have one."""


PLOTS = {"T_2M-RMSE", "T_2M-BIAS", "T_2M-ETS-gt-273.15", "PMSL-RMSE", "PMSL-BIAS"}


class Page(HTMLParser):
    """What a page holds: tags with attributes, its text, and whether all tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"[ \n\t]+", " ", " ".join(self.texts))


def read(spec, name="index.html") -> Page:
    return Page((spec.results / name).read_text(encoding="utf-8"))


def test_a_report_is_whole_in_itself(spec):
    spec = spec.model_copy(update={"plots": ["png", "svg"]})
    done = make_report(spec)
    assert done.drawn and done.problems == [] and done.index == str(spec.results / "index.html")
    scorecard = {
        "scorecard-first.html",
        "scorecard-first.csv",
        *(f"scorecard-first-{one}.{kind}" for one in ("candidate", "other") for kind in ("svg", "png")),
    }
    plots = {f"plots/{one}.{kind}" for one in PLOTS for kind in ("svg", "png")}
    assert set(done.pages) == {"index.html", "dashboard.html", "plots.html", *scorecard, *plots}
    for name in done.pages:
        if name.endswith(".png"):
            assert (spec.results / name).read_bytes().startswith(b"\x89PNG")
            continue
        text = (spec.results / name).read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", text), name
        assert not re.search(r"@import|fetch\(|XMLHttpRequest|<link[^>]+stylesheet", text), name
        if name.endswith(".svg"):
            ET.fromstring(text)
        elif name.endswith(".html"):
            page = Page(text)
            links = [known[key] for _, known in page.tags for key in ("href", "src") if key in known]
            assert links
            for link in links:
                inside = not link.startswith("/") and ".." not in link and (spec.results / link).is_file()
                assert link == "data:," or link in LATER or link.startswith("#") or inside, link
    assert not list(spec.results.glob(".*"))


def test_the_first_page_has_the_numbers_of_the_tables(spec):
    make_report(spec)
    page = read(spec)
    assert f"{rmse('run-1', 'T_2M', 6.0):.2f}\xa0K" in page.text
    for text in ("Is the candidate better?", "2024-01-01 00:00 to 2024-01-02 00:00 UTC", "20", "analyses", "a trial"):
        assert text in page.text
    charts = [known for tag, known in page.tags if tag == "svg" and known.get("class") == "chart"]
    assert [known["aria-label"] for known in charts] == [
        f"{metric} of {param} over lead time" for param in ("T_2M", "PMSL") for metric in ("RMSE", "BIAS")
    ]
    says = [text for text in page.texts if re.fullmatch(r"candidate, 24\xa0h: 4\.000\xa0K", text)]
    assert len(says) == 1  # 0.8 × (1 + 24/6) K


def test_marks_of_known_cells(spec):
    make_report(spec)
    tags = read(spec, "scorecard-first.html").tags
    cells = [known for tag, known in tags if tag == "td" and "data-note" in known]
    assert len(cells) == 2 * 4 * 6
    (first,) = [known for known in cells if known["data-note"].startswith("candidate, T_2M RMSE, all, 6\xa0h")]
    assert first["class"].split()[:3] == ["better", "sure", "kept"]
    (last,) = [known for known in cells if known["data-note"].startswith("other, PMSL RMSE, alps, 24\xa0h")]
    assert last["class"].split() == ["worse"]
    radii = re.findall(r'r="([\d.]+)" fill="#0072b2"', (spec.results / "scorecard-first-candidate.svg").read_text())
    assert radii[0] == f"{2 + 9 * 20 / 30:.1f}"


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_shown_as_text(spec, label):
    sources = [one.model_copy(update={"label": label}) if one.source_id == "run-1" else one for one in spec.sources]
    sections = [spec.sections[0].model_copy(update={"name": label})]
    truths = [one.model_copy(update={"origin": label}) for one in spec.truths]
    spec = spec.model_copy(
        update={"sources": sources, "question": label, "config_text": label, "sections": sections, "truths": truths}
    )
    done = make_report(spec)
    shown = label.replace("\x00", "\ufffd").replace("\x07", "\ufffd")
    for name in done.pages:
        if name.endswith(".png"):
            continue
        text = (spec.results / name).read_text(encoding="utf-8")
        if name.endswith(".svg"):
            assert all(
                one.tag.endswith(("svg", "title", "rect", "text", "tspan", "path", "g", "circle"))
                for one in ET.fromstring(text).iter()
            )
        elif name.endswith(".html"):
            page = Page(text)
            assert name == "dashboard.html" or re.sub(r"\s+", " ", shown) in page.text
            assert sum(tag == "script" for tag, _ in page.tags) == SCRIPTS.get(name, 1)
            assert not any(key.startswith("on") for _, known in page.tags for key in known)
            assert not any(tag == "b" for tag, _ in page.tags)
    assert all(path.parent == spec.results for path in spec.results.rglob("*"))


def test_nothing_is_drawn_where_nothing_has_changed(spec):
    make_report(spec)
    before = {path: path.stat().st_mtime_ns for path in spec.results.iterdir()}
    again = make_report(spec)
    assert not again.drawn and again.index.endswith("index.html")
    assert {path: path.stat().st_mtime_ns for path in spec.results.iterdir()} == before


@pytest.mark.parametrize("what", ["label", "scores", "a page is gone", "notes", "a forecast"])
def test_it_is_drawn_again_where_something_has_changed(spec, what):
    make_report(spec)
    if what == "label":
        spec = spec.model_copy(update={"question": "Another?"})
    elif what == "scores":
        scores = score_rows()
        write_tables(spec.results, scores, difference_rows(scores), "def")
    elif what == "a page is gone":
        (spec.results / "scorecard-first.csv").unlink()
    elif what == "notes":
        (spec.results / "verification.json").write_text('{"notes": ["PS is left out"]}')
    else:
        (spec.store / "runs/run-1/202401010000").mkdir(parents=True)
        (spec.store / "runs/run-1/202401010000/forecast.json").write_text("{}")
    assert make_report(spec).drawn


def test_pages_of_a_section_that_is_gone_go(spec):
    make_report(spec)
    other = spec.results / "notes-of-a-user.txt"
    other.write_text("mine")
    make_report(spec.model_copy(update={"sections": []}))
    assert not list(spec.results.glob("scorecard*")) and other.exists()


def test_all_pages_take_their_places_together_the_index_last(spec, monkeypatch):
    moved = []
    real = Path.replace

    def replace(path, target):
        if path.parent.name.startswith(".report."):
            if target.parent == spec.results:
                moved.append(target.name)
                assert (path.parent / "index.html").exists(), "all is drawn before anything moves"
                assert not (spec.results / "report.json").exists()
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    (spec.results / "report.json").write_text("{}")
    make_report(spec)
    assert moved[-1] == "index.html" and len(moved) == 8


def test_a_report_that_cannot_be_drawn_leaves_the_earlier_one(spec, monkeypatch):
    make_report(spec)
    before = {path.name: path.read_bytes() for path in spec.results.iterdir()}

    def fail(*_):
        raise UserError("a page cannot be drawn")

    monkeypatch.setattr(pages, "DRAWERS", (*pages.DRAWERS, fail))
    with pytest.raises(UserError, match="cannot be drawn"):
        make_report(spec.model_copy(update={"question": "Another?"}))
    assert {path.name: path.read_bytes() for path in spec.results.iterdir()} == before


def test_only_what_was_drawn_here_is_removed(spec):
    make_report(spec)
    mine = spec.results.parent / "mine.txt"
    mine.write_text("mine")
    (spec.results / "old.html").write_text("old")
    made = json.loads((spec.results / "report.json").read_text())
    made["pages"] += ["../mine.txt", str(mine), "old.html"]
    (spec.results / "report.json").write_text(json.dumps(made))
    make_report(spec.model_copy(update={"question": "Another?"}))
    assert mine.exists() and not (spec.results / "old.html").exists()


def test_what_is_missing_is_said(spec):
    (spec.results / "verification.json").write_text('{"notes": ["PS is left out"], "problems": ["no truth of TD_2M"]}')
    scores = [row for row in score_rows() if row["source"] != "run-2"]
    write_tables(spec.results, scores, difference_rows(scores))
    done = make_report(spec)
    text = read(spec).text
    assert "PS is left out" in text and "no truth of TD_2M" in text and "3 forecasts are not there" in text
    assert done.problems == ["scorecard first: other: nothing to compare"] and done.problems[0] in text


def test_without_tables_the_page_says_so(tmp_path):
    spec = make_spec(tmp_path)
    done = make_report(spec)
    assert done.pages == ["index.html"] and "there are no tables of scores" in done.problems[0]
    assert "There are no tables of scores yet." in read(spec).text


def test_without_a_truth_the_page_says_so(tmp_path):
    spec = make_spec(tmp_path, truths=[])
    done = make_report(spec)
    assert done.problems == [] and "names no truth" in read(spec).text


def test_a_damaged_table_is_one_line(spec):
    (spec.results / "scores.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"scores\.parquet: cannot be read") as caught:
        make_report(spec)
    assert "\n" not in str(caught.value)


def test_the_newest_report_has_the_name_of_the_config(spec):
    make_report(spec)
    link = spec.results.parent / "trial"
    assert link.is_symlink() and link.resolve() == spec.results.resolve()
    other = spec.model_copy(update={"results": spec.results.parent / "trial_89abcdef"})
    make_report(other)
    assert link.resolve().name == "trial_89abcdef" and spec.results.is_dir()


def test_a_folder_of_the_user_with_that_name_stays(spec):
    mine = spec.results.parent / "trial"
    mine.mkdir()
    make_report(spec)
    assert mine.is_dir() and not mine.is_symlink()


def test_a_folder_that_cannot_be_written_to_ends_no_launch(spec, monkeypatch):
    def refuse(_folder, name, _text):
        raise OSError(30, "Read-only file system", name)

    monkeypatch.setattr(pages, "write_text", refuse)
    done = make_report(spec)
    assert done.index is None and "Read-only file system" in done.problems[0] and "\n" not in done.problems[0]
