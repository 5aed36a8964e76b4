"""Score maps of the report: pixels at known points, hatching, shared colours, what is drawn again, the page."""

import io
import json
import re

import numpy as np
import pytest
from evalflow.drawing.names import DomainEntry
from evalflow.report.map_pictures import palette
from evalflow.report.pages import make_report
from evalflow.report.score_maps import draw_score_maps, shared_scale
from evalflow.report.tables import ScoreTables
from evalflow.scores.intervals import false_discovery_rates
from PIL import Image
from support.score_maps import LATITUDES, LONGITUDES, with_maps, write_score_maps

TITLES, MARGIN = {3: 98, 4: 122}, 10
"""Lines of text → row of the map's upper edge; column of its left edge, where the map is wide enough."""
HATCH, COAST, NOTHING = (48, 48, 48), (24, 24, 24), (223, 227, 232)
OFF_SHORE = DomainEntry(name="south sea", extent=(-140.0, -130.0, -45.0, -35.0), projection="platecarree")
"""A domain without a coast or border."""


def some_scores() -> dict[str, dict[str, np.ndarray]]:
    """Return RMSE that rises to the east, and BIAS that changes its sign; the baseline has 4 K everywhere."""
    rising = LONGITUDES.astype(np.float32)
    base = np.full(rising.size, 4, np.float32)
    return {
        "RMSE": {"run-1": rising, "run-2": rising / 2, "baseline-1": base},
        "BIAS": {"run-1": rising - 5, "run-2": -rising / 10, "baseline-1": base / 4},
    }


@pytest.fixture
def mapped(spec):
    """A report with maps of one domain."""
    write_score_maps(spec.results, some_scores())
    return with_maps(spec)


def draw(spec) -> dict[str, Image.Image]:
    """Draw the maps, and return (source, kind) of RMSE and BIAS → picture."""
    (page,) = draw_score_maps(spec, ScoreTables(spec.results))
    found = {}
    for name in page.digests:
        about = re.search(r"T_2M-(\w+)-24h-.*-(run-\d|baseline-1)-\w{6}(-minus)?\.png", name)
        found[about[1], about[2], bool(about[3])] = Image.open(io.BytesIO((spec.results / name).read_bytes()))
    return found


def at(picture: Image.Image, lines: int, latitude: float, longitude: float) -> tuple[int, ...]:
    """Return the colour a little beside the middle of a degree of the square."""
    height = width = 700
    left = max((picture.width - width) // 2, MARGIN)
    x = left + round((longitude + 0.2) / 10 * width)
    y = TITLES[lines] + round((50 - latitude - 0.2) / 10 * height)
    return picture.convert("RGB").getpixel((x, y))


def colour_of(scale, value: float) -> tuple[int, ...]:
    return tuple(palette(scale)[int(scale.classes(np.array([value], np.float32))[0])].tolist())


def test_pixels_have_the_colours_of_the_values(mapped):
    pictures, scores = draw(mapped), some_scores()
    assert len(pictures) == 2 * (3 + 2), "each source, and its difference to the reference"
    for metric, around_zero in (("RMSE", False), ("BIAS", True)):
        scale = shared_scale("T_2M", list(scores[metric].values()), around_zero=around_zero)
        for source, values in scores[metric].items():
            for point in (0, 37, 55, 99):
                found = at(pictures[metric, source, False], 3, LATITUDES[point], LONGITUDES[point])
                lines = (COAST, (112, 112, 112))
                assert found in (colour_of(scale, values[point]), *lines), (metric, source, point)


def test_better_is_blue_and_a_bias_is_compared_by_its_size(mapped):
    scores = some_scores()
    write_score_maps(mapped.results, scores, blocks=9)
    pictures = draw(mapped)
    sizes = {metric: {one: np.abs(some) for one, some in of.items()} for metric, of in scores.items()}
    for metric in scores:
        gains = {one: sizes[metric][one] - sizes[metric]["baseline-1"] for one in ("run-1", "run-2")}
        scale = shared_scale("T_2M", list(gains.values()), around_zero=True)
        for source, gain in gains.items():
            for point in (50, 52, 57):
                found = at(pictures[metric, source, True], 4, LATITUDES[point], LONGITUDES[point])
                assert found in (colour_of(scale, gain[point]), COAST, (112, 112, 112))
        assert np.argmax(colour_of(scale, -9)) == 2 and np.argmax(colour_of(scale, 9)) == 0


def test_what_may_be_chance_is_hatched(spec):
    west = LONGITUDES < 5
    p = {"run-1": np.where(west, 0.5, 1e-4), "run-2": np.where(west, 0.9, 0.04)}
    assert (false_discovery_rates(p["run-2"]) > 0.05)[~west].all()
    write_score_maps(spec.results, some_scores(), p)
    pictures = draw(with_maps(spec).model_copy(update={"false_discovery_rate": 0.05}))

    def hatched(source: str) -> tuple[float, float]:
        pixels = np.asarray(pictures["RMSE", source, True].convert("RGB"))[130:810, 15:715]
        dark = (pixels == HATCH).all(axis=-1)
        return dark[:, :340].mean(), dark[:, 360:].mean()

    left, right = hatched("run-1")
    assert 0.09 < left < 0.14 and right == 0, "one pixel in eight, in the west alone"
    left, right = hatched("run-2")
    assert left > 0.09 and right > 0.09, "q is over the whole map, not p at each point"


def test_below_ten_blocks_nothing_is_hatched_and_a_line_says_so(spec):
    write_score_maps(spec.results, some_scores(), blocks=9)
    pictures = draw(with_maps(spec))
    for picture in pictures.values():
        assert not (np.asarray(picture.convert("RGB"))[130:810, 15:715] == HATCH).all(axis=-1).any()
    text = (spec.results / "score_maps.html").read_text()
    assert "no test of chance: 9 blocks of ten days, 10 are needed" in text


def test_stations_are_discs(spec):
    write_score_maps(spec.results, some_scores(), stations=True)
    picture = draw(with_maps(spec))["RMSE", "run-1", False]
    scale = shared_scale("T_2M", list(some_scores()["RMSE"].values()), around_zero=False)
    pixels = np.asarray(picture.convert("RGB"))
    row, column = TITLES[3] + 350 + 35, MARGIN + 350 + 35  # the station at 44.5°N, 5.5°E
    assert tuple(pixels[row, column]) == colour_of(scale, 5.5)
    assert tuple(pixels[row + 10, column + 10]) == NOTHING
    across = [tuple(one) == COAST for one in pixels[row, column - 8 : column + 9]]
    assert sum(across) == 2, "a rim on both sides"


def test_missing_points_and_sources_that_are_not_mapped(spec):
    scores = some_scores()
    scores["RMSE"]["run-2"][:] = np.nan
    scores["RMSE"]["run-1"][55] = np.nan
    write_score_maps(spec.results, {"RMSE": scores["RMSE"]}, notes="T_2M 24 h: other is not mapped")
    pictures = draw(with_maps(spec))
    assert set(pictures) == {("RMSE", "run-1", False), ("RMSE", "run-1", True), ("RMSE", "baseline-1", False)}
    assert "T_2M 24 h: other is not mapped" in (spec.results / "score_maps.html").read_text()


def test_without_the_reference_there_are_no_differences(spec):
    scores = {"RMSE": some_scores()["RMSE"]}
    scores["RMSE"]["baseline-1"][:] = np.nan
    write_score_maps(spec.results, scores)
    assert not any(difference for _, _, difference in draw(with_maps(spec)))
    assert "persistence is not mapped here: there are no differences" in (spec.results / "score_maps.html").read_text()


def test_a_domain_without_a_point_is_a_line(mapped):
    done = make_report(with_maps(mapped, OFF_SHORE, *mapped.map_domains))
    assert done.problems == ["score maps: the domain south sea holds no point of analyses"]
    assert sum(name.startswith("score_maps/") for name in done.pages) == 10 and "index.html" in done.pages


def test_a_damaged_file_is_a_line_and_other_pages_are_drawn(mapped):
    (mapped.results / "score_maps.nc").write_bytes(b"nothing")
    done = make_report(mapped)
    assert len(done.problems) == 1 and "score_maps.nc: cannot be read" in done.problems[0]
    assert done.problems[0].endswith("remove it and launch again") and "dashboard.html" in done.pages


def test_the_index_links_to_the_page_and_nothing_is_drawn_twice(mapped):
    done = make_report(mapped)
    assert done.drawn and "score_maps.html" in done.pages and not done.problems
    assert 'href="score_maps.html"' in (mapped.results / "index.html").read_text()
    assert not make_report(mapped).drawn


def times(spec) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (spec.results / "score_maps").iterdir()}


def test_another_label_draws_its_own_maps_again(mapped):
    make_report(mapped)
    before = times(mapped)
    sources = [one.model_copy(update={"label": "new"}) if one.source_id == "run-1" else one for one in mapped.sources]
    make_report(mapped.model_copy(update={"sources": sources}))
    changed = {name for name, time in times(mapped).items() if before[name] != time}
    assert len(changed) == 4 and all("run-1" in name for name in changed)


def test_other_numbers_draw_everything_again_and_what_is_not_asked_for_goes(mapped):
    make_report(mapped)
    before = times(mapped)
    write_score_maps(mapped.results, {"RMSE": some_scores()["RMSE"]}, made_from="other")
    assert make_report(mapped).drawn
    after = times(mapped)
    assert len(after) == 5 and all(before[name] != time for name, time in after.items())
    make_report(mapped.model_copy(update={"map_domains": []}))
    assert not times(mapped) and not (mapped.results / "score_maps.html").exists()


def test_texts_are_texts(spec):
    write_score_maps(spec.results, some_scores())
    sources = [one.model_copy(update={"label": "</script><b>\n\x07" + "x" * 200}) for one in spec.sources]
    draw_score_maps(with_maps(spec.model_copy(update={"sources": sources})), ScoreTables(spec.results))
    text = (spec.results / "score_maps.html").read_text()
    assert "<b>" not in text and "\x07" not in text and text.count("</script>") == 1


def test_the_page_in_a_browser(mapped, browser):
    make_report(mapped)
    address = (mapped.results / "score_maps.html").as_uri()
    shown = "[...document.querySelectorAll('.choice:not([hidden]) h2')].map((one) => one.firstChild.data.trim())"
    choose = """(() => { const select = document.querySelectorAll('#choose select')[2];
      select.value = 'BIAS'; select.dispatchEvent(new Event('change', {bubbles: true})); })()"""
    browser.open(address)
    assert browser.run(shown) == ["RMSE of T_2M at 24 h"]
    assert browser.run("[...document.images].filter((one) => one.complete).every((one) => one.naturalWidth > 0)")
    browser.run(choose)
    assert browser.run(shown) == ["BIAS of T_2M at 24 h"]
    view = browser.run("location.href")
    browser.open("about:blank")
    browser.open(view)
    assert browser.run(shown) == ["BIAS of T_2M at 24 h"], "the address of a view leads to it"
    browser.open("about:blank")
    browser.open(f"{address}#%5Bnonsense")
    assert browser.run(shown) == ["RMSE of T_2M at 24 h"]
    assert json.loads(browser.run("JSON.stringify(document.documentElement.scrollWidth <= innerWidth)"))
