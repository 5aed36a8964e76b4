"""The player in a real browser, where there is one: steps, keys, side by side, hostile texts, no request."""

import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from evalflow.drawing.colours import difference_scale, scale_of
from support.browser import Browser
from support.showcases import Show, temperatures

READY = "document.body.dataset.ready === '1'"
HOSTILE = "</script><script>window.hurt = 1</script>\u2028<img src=x onerror='window.hurt=1'>&amp;$x_1$"
LEADS = "[...document.querySelectorAll('.pane canvas')].map((one) => one.dataset.lead)"
CAPTIONS = "[...document.querySelectorAll('.pane figcaption')].map((one) => one.textContent)"
COLOURS = """[...document.querySelectorAll('.pane canvas')].map((one) => {
  const read = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  read.drawImage(one, -one.width / 8, -one.height / 2);
  return '#' + [...read.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part.toString(16).padStart(2, '0')).join('');
})"""


@pytest.fixture
def played(showing, tmp_path, browser) -> Iterator[Browser]:
    """The page, copied to another place and opened there; what it complains of or asks the network for fails the test."""
    showing.data["sources"][1]["label"] = HOSTILE
    showing.data["stations"][0]["name"] = HOSTILE.replace("/", "|")
    showing.data["times"][0]["cases"] = ["storm"]
    showing.run()
    yield from open_copy(showing, tmp_path, browser)


def open_copy(show: Show, folder, browser: Browser) -> Iterator[Browser]:
    shutil.copytree(show.results, folder / "copied")
    shutil.rmtree(show.results)
    shutil.rmtree(show.store)
    browser.fresh((folder / "copied" / "showcase.html").as_uri(), READY)
    yield browser
    assert browser.complaints == []
    here = (folder / "copied").as_uri()
    assert all(address.startswith(f"{here}/showcase") for address in browser.left())
    assert browser.run("window.hurt === undefined")


def colour(scale, value):
    return scale.colours[scale.classes(np.array([value], np.float32))[0] - 1]


def west(lead, warmer=0.0):
    return colour(scale_of("T_2M"), 273.7 + lead / 4 + warmer)


def test_sources_are_side_by_side_in_step(played):
    assert played.run(CAPTIONS) == ["first", HOSTILE, "analyses"]
    for place, lead in enumerate([0, 6, 12, 18, 0]):
        assert played.run(LEADS) == [str(lead)] * 3
        assert played.run(COLOURS) == [west(lead), west(lead, 1), west(lead, -2)], place
        played.run("step(1)")


def test_keys(played):
    played.press("ArrowRight", 39)
    played.wait(f"{LEADS}[0] === '6'")
    played.press("End", 35)
    played.wait(f"{LEADS}[2] === '18'")
    played.press("ArrowRight", 39)
    played.wait(f"{LEADS}[0] === '0'")
    played.press("ArrowLeft", 37)
    played.wait(f"{LEADS}[0] === '18'")
    played.press("Home", 36)
    played.wait(f"{LEADS}[0] === '0'")
    played.press(" ", 32)
    played.wait(f"{LEADS}[0] === '6'")
    played.wait(f"{LEADS}[0] === '12'")
    played.press(" ", 32)
    assert played.run("document.getElementById('play').textContent") == "play"


def test_the_speed_is_that_of_the_config_and_can_be_changed(played):
    assert played.run("document.getElementById('speed').value") == "2"
    steps = """(async () => { const set = document.getElementById('speed'); set.value = 20; const start = performance.now();
      document.getElementById('play').click();
      while (document.querySelector('.pane canvas').dataset.lead !== '18') await new Promise((done) => setTimeout(done, 5));
      document.getElementById('play').click(); return performance.now() - start; })()"""
    assert 3 * 50 <= played.run(steps) < 3000


def test_the_difference_to_truth_is_a_switch(played):
    played.press("d", 68)
    played.wait(f"{CAPTIONS}.length === 2 && {LEADS}.every((one) => one === '0')")
    scale = difference_scale("T_2M")
    assert played.run(CAPTIONS) == ["first", HOSTILE]
    assert played.run(COLOURS) == [colour(scale, 2.0), colour(scale, 3.0)]
    assert "forecast minus truth [K]" in played.run("document.getElementById('legend').textContent")
    played.press("d", 68)
    played.wait(f"{CAPTIONS}.length === 3")


def test_a_source_can_be_left_out(played):
    played.run("document.querySelector('#sources input[value=s0]').click()")
    played.wait(f"{CAPTIONS}.length === 2")
    assert played.run(CAPTIONS) == [HOSTILE, "analyses"]


def test_valid_time_case_and_meteogram_are_said(played):
    played.run("step(2)")
    assert played.run("document.getElementById('when').textContent") == "+12 h, valid 2024-01-10 12:00 UTC"
    assert "chosen because of what happened afterwards (storm)" in played.run(
        "document.getElementById('chosen').textContent"
    )
    assert played.run("document.querySelector('#time optgroup').label") == "case storm, chosen by its outcome"
    assert played.wait("document.getElementById('meteogram').naturalWidth") > 500


def test_a_missing_lead_time_says_so(showing, tmp_path, browser):
    showing.data["sources"][0]["lead_times"] = [0.0, 3.0]
    showing.run()
    for page in open_copy(showing, tmp_path, browser):
        page.run("step(1)")
        assert page.run("[...document.querySelectorAll('.pane .message')].map((one) => one.textContent)") == [
            "no field at +3 h", "no field at +3 h", "no field at +3 h",
        ]  # fmt: skip
        page.run("step(1)")
        assert page.run(LEADS) == ["", "6", "6"]


def test_files_that_are_gone_are_said_and_the_rest_is_shown(showing, tmp_path, browser):
    showing.run()
    for path in (showing.results / "showcase").glob("forecasts*/*_england.js"):
        path.unlink()
    shutil.copytree(showing.results, tmp_path / "copied")
    browser.fresh((tmp_path / "copied" / "showcase.html").as_uri(), READY)
    assert browser.run(LEADS) == ["0", "", "0"]
    assert browser.run("document.querySelectorAll('.pane .message')[1].textContent") == "these frames cannot be loaded"


def test_another_domain_and_param(tmp_path, browser):
    show = Show(tmp_path)
    pressure = np.tile(np.linspace(99000, 102000, 12), (4, 1))
    show.add_run({"T_2M": temperatures(), "PMSL": pressure})
    show.data["params"] = ["T_2M", "PMSL"]
    show.data["domains"].append({"name": "globe", "projection": "orthographic"})
    show.run()
    for page in open_copy(show, tmp_path, browser):
        choose = """((id, value) => {{ const one = document.getElementById(id); one.value = value;
          one.dispatchEvent(new Event('change')); }})('{}', '{}')"""
        page.run(choose.format("domain", "globe"))
        page.wait("document.querySelector('.pane canvas').width === 700")
        page.run(choose.format("param", "PMSL"))
        page.wait("document.getElementById('legend').textContent.includes('lines every 4 hPa')")
        assert page.run("document.getElementById('domain').value") == "globe"


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(played, width):
    played.look(width, 900)
    assert played.run("document.documentElement.scrollWidth") <= width
    played.look()
