"""The dashboard in a real browser, where there is one."""

import shutil
from collections.abc import Iterator

import pytest
from evalflow.report.dashboard import draw_dashboard
from evalflow.report.pages import make_report
from evalflow.report.tables import ScoreTables
from support.browser import Browser
from support.report import SOURCES, bias, difference_rows, rmse, score_rows, write_tables

DRAWN = "document.documentElement.dataset.drawn > 0 && !!document.querySelector('.u-wrap, .panel table')"
CELLS = """[...document.querySelectorAll('.panel')].map((panel) => [panel.getAttribute('aria-label'),
  [...panel.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))])"""
CHOOSE = """(async () => {{
  const select = document.getElementById('choose-{name}'), drawn = document.documentElement.dataset.drawn;
  select.value = [...select.options].find((option) => option.text === '{text}').value;
  select.dispatchEvent(new Event('change'));
  while (document.documentElement.dataset.drawn === drawn) await new Promise((done) => setTimeout(done, 5));
}})()"""
PIXELS = "[...document.querySelectorAll('.panel canvas')].map((canvas) => canvas.toDataURL())"


@pytest.fixture
def address(spec, tmp_path) -> str:
    """The address of a dashboard that was copied to another place, with other scores in the Alps."""
    scores = score_rows()
    for row in scores:
        row["value"] *= 3 if row["region"] == "alps" else 1
    write_tables(spec.results, scores, difference_rows(scores))
    make_report(spec)
    shutil.copytree(spec.results, tmp_path / "elsewhere")
    shutil.rmtree(spec.results)
    return (tmp_path / "elsewhere" / "dashboard.html").as_uri()


@pytest.fixture
def opened(browser, address) -> Iterator[Browser]:
    """A browser that has opened the page; what it complained of, or asked for, fails the test."""
    browser.fresh(address, DRAWN)
    yield browser
    assert browser.complaints == []
    assert browser.left() == {address}


def number(text: str) -> float:
    return float(text.split()[0].replace("\N{MINUS SIGN}", "-"))


def test_the_tables_have_the_numbers_of_the_scores(opened, address):
    opened.open("about:blank")
    opened.open(address + "#tables=true", DRAWN)
    panels = dict(opened.run(CELLS))
    rows = panels["RMSE of T_2M [K], ↓ lower is better"]
    assert [row[0] for row in rows] == ["6\xa0h", "12\xa0h", "24\xa0h"]
    for lead, row in zip((6.0, 12.0, 24.0), rows, strict=True):
        values = [rmse(source, "T_2M", lead) for source in SOURCES]
        assert [number(cell) for cell in row[1:4]] == pytest.approx(values, rel=1e-5)
        assert [number(cell) for cell in row[4:6]] == pytest.approx([one - values[2] for one in values[:2]], abs=1e-4)
        assert row[6] == "20"
    assert rows[0][4] == "−0.4 ± 1, better, p < 0.05, q < 0.1" and rows[2][4] == "−1 ± 1"
    rows = panels["BIAS of T_2M [K], → 0 is best"]
    assert number(rows[1][5]) == pytest.approx(abs(bias("run-2", 12.0)) - abs(bias("baseline-1", 12.0)), abs=1e-4)


def test_a_filter_changes_what_is_drawn_and_the_address_restores_it(opened, address):
    first = opened.run(PIXELS)
    assert len(first) == 10  # RMSE and BIAS of two params, ETS of one, two plots each
    opened.run(CHOOSE.format(name="region", text="alps"))
    second = opened.run(PIXELS)
    assert len(second) == 10 and all(a != b for a, b in zip(first, second, strict=True))
    shared = opened.run("location.href")
    assert shared == address + "#region=alps"
    opened.open("about:blank")
    opened.open(shared, DRAWN)
    assert opened.run(PIXELS) == second
    opened.run(CHOOSE.format(name="region", text="all"))
    assert opened.run("location.href") == address and opened.run(PIXELS) == first


def test_the_keyboard_moves_the_cursor_of_all_panels(opened):
    opened.run("document.querySelector('.panel').focus()")
    opened.press("ArrowRight", 39)
    opened.press("ArrowRight", 39)
    says = opened.wait("document.querySelector('.panel .tip:not([hidden])')?.innerText")
    assert says.startswith("12\xa0h: n = 20 days, 40 init times, 4,000 pairs")
    assert "2.4\xa0K" in says and "better, p < 0.05" in says  # 0.8 × (1 + 12 / 6) K
    places = opened.run("[...document.querySelectorAll('.panel')].map((one) => one.panel.plots[0].cursor.idx)")
    assert places == [1] * 5


def test_zoom_is_linked(opened, address):
    opened.run(CHOOSE.format(name="from", text="12 h"))
    ranges = (
        "[...document.querySelectorAll('.panel')].flatMap((one) => one.panel.plots.map((plot) => plot.scales.x.min))"
    )
    assert opened.run(ranges) == [12] * 10 and opened.run("location.href") == address + "#from=12"
    opened.run("document.querySelector('.panel').focus()")
    opened.press("Escape", 27)
    opened.wait(f"{ranges}.every((lead) => lead === 6)")


def test_a_drag_zooms_all(opened):
    box = opened.run(
        "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('.u-over').getBoundingClientRect())"
    )
    x, y = box[0], box[1] + box[3] / 2
    steps = [("mousePressed", 0.2), ("mouseMoved", 0.5), ("mouseMoved", 1.0), ("mouseReleased", 1.0)]
    for kind, part in steps:
        opened.call(
            "Input.dispatchMouseEvent", type=kind, x=x + part * box[2], y=y, button="left", buttons=1, clickCount=1
        )
    assert opened.wait("location.hash") == "#from=12"


def test_the_legend_hides_and_highlights(opened):
    opened.run("document.getElementById('source-0').click()")
    drawn = "document.querySelector('.panel').panel.plots[0].series.length"
    opened.wait(f"{drawn} === 3")
    opened.run("document.getElementById('strong-1').click()")
    opened.wait("document.querySelector('.panel').panel.plots[0].series[2].alpha === 0.2")
    assert opened.run("decodeURIComponent(location.hash)") == '#hidden=["run-1"]&strong=["run-2"]'
    assert opened.run("document.getElementById('strong-1').getAttribute('aria-pressed')") == "true"


def test_panels_are_saved(opened, tmp_path):
    opened.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    opened.run("document.querySelectorAll('.panel')[0].querySelectorAll('.tools button').forEach((one) => one.click())")
    names = [tmp_path / f"RMSE-of-T_2M-K.{kind}" for kind in ("svg", "png", "csv")]
    for name in names:
        for _ in range(400):
            if name.is_file() and name.stat().st_size:
                break
            opened.run("new Promise((done) => setTimeout(done, 25))")
    assert names[0].read_text(encoding="utf-8").startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert names[1].read_bytes().startswith(b"\x89PNG")
    header, first, *_ = names[2].read_text(encoding="utf-8").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=False))
    assert row["value"] == "1.6" and row["n_days"] == "20" and row["difference"] == "-0.4" and row["half_width"] == "1"


def test_a_browser_without_decompression_says_so(spec, browser):
    make_report(spec)
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source="delete globalThis.DecompressionStream")
    try:
        browser.open((spec.results / "dashboard.html").as_uri(), "!document.getElementById('problem').hidden")
        assert "no DecompressionStream" in browser.run("document.getElementById('problem').innerText")
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])


def test_an_address_of_another_experiment_shows_the_first_view(browser, address):
    browser.open(address + "#region=nowhere&metric=[&from=7&reference=x&hidden=[1]&__proto__=1", DRAWN)
    assert browser.complaints == [] and len(browser.run(PIXELS)) == 10


def test_one_lead_time_no_reference_and_a_source_without_values(spec, browser):
    rows = [row for row in score_rows() if row["lead_time"] == 6.0]
    for row in rows:
        row["value"] = None if row["source"] == "run-2" else row["value"]
    differences = [{**row, "reference": "gone"} for row in difference_rows(score_rows())]
    write_tables(spec.results, rows, differences)
    draw_dashboard(spec, ScoreTables(spec.results))
    page = (spec.results / "dashboard.html").as_uri()
    browser.open(page, DRAWN)
    browser.run("Promise.all([...document.querySelectorAll('.panel')].map((one) => one.panel.draw()))")
    assert browser.run("document.querySelectorAll('.panel canvas').length") == 5  # no plots of differences
    browser.open("about:blank")
    browser.open(page + "#tables=true&log=true", DRAWN)
    rows = dict(browser.run(CELLS))["RMSE of T_2M [K], ↓ lower is better"]
    assert rows == [["6\xa0h", "1.6", "–", "2", "20"]]
    assert browser.complaints == []


def test_a_logarithmic_scale_only_where_all_scores_are_positive(opened, address):
    opened.open("about:blank")
    opened.open(address + "#log=true", DRAWN)
    kinds = (
        "[...document.querySelectorAll('.panel')].map((one) => [one.panel.title(), one.panel.plots[0].scales.y.distr])"
    )
    found = dict(opened.run(kinds))
    assert found["RMSE of T_2M [K]"] == 3 and found["BIAS of T_2M [K]"] == 1
