"""All pages of a report in a real browser: nothing is asked for, nobody is shut out, texts are texts."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from evalflow.report.pages import make_report
from evalflow.report.spec import ReportCase, ReportSpec
from support.browser import Browser
from support.paths import PROJECT
from support.report import EVENTS, LEADS, difference_rows, make_spec, score_rows, view_rows, write_tables
from support.score_maps import LONGITUDES, with_maps, write_score_maps

AXE = PROJECT / "tests" / "vendor" / "axe-core" / "axe.min.js"
VIOLATIONS = """axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations
  .filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => [one.id, one.nodes.slice(0, 3)
  .map((node) => node.html.slice(0, 120) + ' ' + node.any.map((why) => why.message).join())]))"""
DRAWN = "document.documentElement.dataset.drawn > 0 && !!document.querySelector('.u-wrap, .panel table, .panel svg')"
VIEWS = ("lead", "activity", "parts", "performance", "quantiles")
LABELS = ["</script><script>alert(1)</script>", "\" onload='x' & <b>fat</b> Größe مرحبا", "x" * 200]
PICTURES = ("plots.html", "score_maps.html")
"""Pages whose labels are in pictures."""
REACHABLE = "a[href], button, select, input, summary, .panel, [tabindex='0']"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> ReportSpec:
    """A report with every page, whose sources have labels of the worst kind, in a copy of its folder."""
    spec = make_spec(tmp_path_factory.mktemp("report"), references=["baseline-1", "run-1"], plots=["png"])
    case = ReportCase(name="storm", start="2024-01-01T00:00:00", end="2024-01-02T00:00:00", region="alps")
    spec = spec.model_copy(update={"cases": [case]})
    sources = [one.model_copy(update={"label": label}) for one, label in zip(spec.sources, LABELS, strict=True)]
    spec = spec.model_copy(update={"sources": sources, "question": "Which? </title><b>y</b> " + "y" * 300})
    scores = score_rows() + view_rows()
    scores += [{**row, "case": "storm"} for row in score_rows() if row["region"] == "alps"]
    for row in scores:
        if row["source"] == "run-2" and row["metric"] == "BIAS":
            row["sample"] = "alone"
    write_tables(spec.results, scores, difference_rows(scores) + difference_rows(scores, "run-1"))
    write_score_maps(spec.results, {"RMSE": {one.source_id: LONGITUDES for one in spec.sources}})
    spec = with_maps(spec)
    done = make_report(spec)
    assert done.problems == []
    return spec.model_copy(update={"results": spec.results.rename(spec.results.with_name("copied"))})


@pytest.fixture(scope="module")
def addresses(drawn) -> dict[str, str]:
    """Name of a page, and of a view of the dashboard → its address."""
    pages = {path.name: path.as_uri() for path in sorted(drawn.results.glob("*.html"))}
    dashboard = pages.pop("dashboard.html")
    return (
        pages
        | {f"dashboard, {view}": f"{dashboard}#view={view}" for view in VIEWS}
        | {"dashboard, tables": dashboard + "#tables=true"}
    )


def opened(browser: Browser, address: str) -> None:
    browser.fresh(address, DRAWN if "dashboard" in address else "document.readyState === 'complete'")


def test_all_pages_are_looked_at(addresses):
    assert {
        "index.html",
        "scorecard-first.html",
        "cases.html",
        "plots.html",
        "score_maps.html",
        "dashboard, quantiles",
    } <= set(addresses)


def test_no_page_asks_for_anything_or_complains(browser, addresses):
    for name, address in addresses.items():
        opened(browser, address)
        assert browser.complaints == [], name
        page = address.partition("#")[0]
        pictures = set(browser.run("[...document.images].map((one) => one.src)"))
        own = tuple(f"{page.rpartition('/')[0]}/{folder}/" for folder in ("plots", "score_maps"))
        assert all(one.startswith((*own, "data:")) for one in pictures), name
        assert browser.left() - pictures == {page}, f"{name}: pictures are asked for when they are near the window"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_check_of_accessibility_finds_nothing_serious(browser, addresses, dark):
    browser.look(dark=dark)
    found = {}
    for name, address in addresses.items():
        opened(browser, address)
        browser.run(AXE.read_text(encoding="utf-8") + "; 0")
        found[name] = browser.run(VIOLATIONS)
    assert {name: one for name, one in found.items() if one} == {}


def test_no_page_scrolls_sideways_on_a_narrow_screen(browser, addresses):
    browser.look(width=390, height=800)
    found = {}
    for name, address in addresses.items():
        opened(browser, address)
        found[name] = browser.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert {name: wide for name, wide in found.items() if not wide[0] <= wide[1] <= 390} == {}


def test_texts_of_users_are_shown_as_texts(browser, addresses):
    with_labels = {name: address for name, address in addresses.items() if name not in PICTURES}
    for name, address in with_labels.items():
        opened(browser, address)
        shown = (
            browser.run("document.body.innerText")
            if "dashboard" not in name
            else browser.run("[...document.querySelectorAll('#legend bdi')].map((one) => one.textContent).join(' ')")
        )
        assert all(label in shown for label in LABELS), name
        assert browser.run("document.querySelectorAll('b, [onload]').length") == 0, name


def test_the_keyboard_reaches_everything(browser, addresses):
    for name, address in addresses.items():
        opened(browser, address)
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        wanted = f"[...document.querySelectorAll(`{REACHABLE}`)].filter((one) => one.checkVisibility())"
        browser.run("window.met = new Set(); document.addEventListener('focusin', (event) => met.add(event.target)); 0")
        count = browser.run(f"(window.wanted = {wanted}).length")
        for _ in range(count + 5):
            browser.press("Tab", 9)
        missed = browser.run("wanted.filter((one) => !met.has(one)).map((one) => one.outerHTML.slice(0, 100))")
        assert count and missed == [], name


def point_at(browser: Browser, panel: int, lead: float) -> str:
    """Put the pointer over a lead time of a panel and return what is shown there."""
    place = browser.run(f"""(() => {{
      const panel = document.querySelectorAll('.panel')[{panel}].panel, plot = panel.plots[0];
      panel.root.scrollIntoView({{block: 'center'}});
      const box = plot.over.getBoundingClientRect();
      return [box.left + plot.valToPos({lead}, 'x'), box.top + box.height / 2];
    }})()""")
    browser.move(place[0] - 3, place[1])
    browser.move(*place)
    return browser.wait(f"document.querySelectorAll('.panel')[{panel}].querySelector('.tip:not([hidden])')?.innerText")


def test_the_numbers_under_the_pointer_are_those_of_the_tables(browser, drawn, addresses):
    rows = pq.read_table(drawn.results / "scores.parquet").to_pylist()
    opened(browser, addresses["dashboard, lead"])
    for lead in LEADS[:2]:
        says = point_at(browser, 0, lead)
        assert says.startswith(f"{lead:g}\xa0h: n = 20 days, 40 init times, 4,000 pairs")
        wanted = [
            row["value"]
            for row in rows
            if (row["param"], row["metric"], row["scale"], row["region"]) == ("T_2M", "RMSE", 0, "all")
            and row["lead_time"] == lead
            and row["case"] is None
        ]
        assert len(wanted) == 3 and all(f"{value:.5g}\xa0K" in says for value in wanted), says
        assert all(label in says for label in LABELS)
    says = point_at(browser, 1, 12.0)
    assert "BIAS" in browser.run("document.querySelectorAll('.panel')[1].ariaLabel") and "†" in says


def test_cases_and_strata_that_are_not_crossed(browser, addresses):
    opened(browser, addresses["dashboard, lead"])
    choose = """(() => {{ const one = document.getElementById('choose-{}');
      one.value = '{}'; one.dispatchEvent(new Event('change')); }})()"""
    browser.run(choose.format("case", 1))
    assert browser.wait("location.hash.includes('case=storm') && location.hash") == "#region=alps&case=storm"
    assert "case storm" in browser.run("document.getElementById('status').innerText")
    browser.run(choose.format("region", 0))
    assert browser.wait("!location.hash.includes('case') && document.getElementById('status').innerText").endswith(
        "so case changed: dashboard.stratification says what is crossed"
    )
    opened(browser, addresses["dashboard, lead"] + "&case=storm")
    assert "region alps" in browser.run("document.getElementById('status').innerText")


CELLS = """Object.fromEntries([...document.querySelectorAll('.panel')].map((panel) => [panel.panel.title(),
  [...panel.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))]))"""


def tables_of(browser: Browser, addresses: dict[str, str], view: str) -> dict[str, list[list[str]]]:
    opened(browser, addresses[f"dashboard, {view}"] + "&tables=true")
    return browser.run(CELLS)


def test_mse_in_parts(browser, addresses):
    found = tables_of(browser, addresses, "parts")
    rows = found[f"MSE of T_2M in parts [K²]: {LABELS[0]}"]
    assert rows[1] == ["12\xa0h", "1 (7\xa0%)", "2 (13\xa0%)", "12 (80\xa0%)", "15", "20"]
    assert len(found) == 3


def test_activity_beside_that_of_the_truth(browser, addresses):
    found = tables_of(browser, addresses, "activity")
    assert found["STD_F of T_2M [K]"][0][:5] == ["6\xa0h", "8", "8", "8", "10"]
    assert found["ACTIVITY of T_2M"][0][:4] == ["6\xa0h", "0.8", "0.8", "0.8"]


def test_the_performance_diagram(browser, addresses):
    found = tables_of(browser, addresses, "performance")
    assert list(found) == [f"performance of T_2M {event}" for event in EVENTS]
    pod, ratio = 0.5 * 0.8, 1 - 0.2
    hits, alarms, misses = pod, pod * (1 / ratio - 1), 1 - pod  # of one observed event
    expected = [pod, ratio, hits / (hits + alarms + misses), (hits + alarms) / (hits + misses)]
    assert [float(cell) for cell in found["performance of T_2M < 263"][0][1:5]] == pytest.approx(expected, rel=1e-4)
    opened(browser, addresses["dashboard, performance"])
    place = browser.run("""(() => {
      const panel = document.querySelector('.panel').panel, [x, y] = panel.spots[0], box = panel.body.getBoundingClientRect();
      return [box.left + x, box.top + y]; })()""")
    browser.move(*place)
    says = browser.wait("document.querySelector('.tip:not([hidden])')?.innerText")
    assert "POD 0.4, success ratio 0.8" in says and "n = 20 days" in says


def test_quantiles(browser, addresses):
    found = tables_of(browser, addresses, "quantiles")
    (rows,) = found.values()
    values = [float(event.split()[1]) for event in EVENTS]
    truth, forecast = (np.array([pair[place] for pair in EVENTS.values()]) for place in (0, 1))
    expected = np.interp(
        truth, forecast, values, left=np.nan, right=np.nan
    )  # the forecast's own distribution, inverted
    assert [float(row[0]) for row in rows] == values
    assert [float(row[1]) for row in rows] == pytest.approx(forecast) and [
        float(row[2]) for row in rows
    ] == truth.tolist()
    assert [float(row[3].replace("–", "nan")) for row in rows] == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_views_are_saved(browser, addresses, tmp_path):
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    for view in ("parts", "performance", "quantiles"):
        opened(browser, addresses[f"dashboard, {view}"])
        browser.run(
            "document.querySelectorAll('.panel .tools')[0].querySelectorAll('button').forEach((one) => one.click())"
        )
        browser.wait("document.getElementById('status').innerText.includes('png is saved')")
    names = ["MSE-of-T_2M-in-parts", "performance-of-T_2M-263", "quantiles-of-T_2M-K-from-events"]

    def saved(name: str, kind: str) -> Path | None:
        return next((path for path in tmp_path.glob(f"{name}*.{kind}") if path.stat().st_size), None)

    for _ in range(400):
        if all(saved(name, kind) for name in names for kind in ("svg", "png", "csv")):
            break
        browser.run("new Promise((done) => setTimeout(done, 25))")
    for name in names:
        svg, png, csv = (saved(name, kind) for kind in ("svg", "png", "csv"))
        assert svg and png and csv, sorted(path.name for path in tmp_path.iterdir())
        assert "<path" in svg.read_text(encoding="utf-8") and png.read_bytes().startswith(b"\x89PNG")
        assert csv.read_text(encoding="utf-8").startswith("truth,param,metric,units,threshold,region,")


def test_the_arrow_keys_go_from_cell_to_cell_of_a_scorecard(browser, addresses):
    browser.look(width=390, height=800)
    opened(browser, addresses["scorecard-first.html"])
    browser.run("document.querySelector('td[data-note]').focus()")
    browser.press("ArrowRight", 39)
    browser.press("ArrowDown", 40)
    place = "[document.activeElement.cellIndex, document.activeElement.parentElement.rowIndex]"
    note = "document.getElementById('numbers').textContent === document.activeElement.dataset.note"
    assert browser.run(place) == [2, 3] and browser.run(note)
