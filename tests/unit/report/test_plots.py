"""Line plots: numbers of the tables, looks of the pages, and drawn only where what they show has changed."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from evalflow.report import plots
from evalflow.report.pages import make_report
from evalflow.report.pictures import png_of
from evalflow.report.plots import draw_plot, draw_plots, find_plots, palette
from evalflow.report.tables import ScoreTables
from PIL import Image
from support.report import LEADS, SOURCES, difference_rows, rmse, score_rows, write_tables

COLOURS = ["#0072b2", "#d55e00", "#007d5b", "#b5528f", "#a87400", "#2f8fc4", "#16191d", "#7a6f00"]


@pytest.fixture
def plotted(spec):
    """A report with plots as PNG."""
    return spec.model_copy(update={"plots": ["png"]})


def found(spec) -> dict:
    return {plot.name: plot for plot in find_plots(spec, ScoreTables(spec.results))}


def elements(svg: str, tag: str, **wanted) -> list[ET.Element]:
    everything = [one for one in ET.fromstring(svg).iter() if one.tag.endswith("}" + tag)]
    return [one for one in everything if all(one.get(key.replace("_", "-")) == value for key, value in wanted.items())]


def test_a_plot_has_the_numbers_of_the_tables(plotted):
    plot = found(plotted)["T_2M-RMSE"]
    assert [line.label for line in plot.scores] == list(SOURCES.values())
    for line, source in zip(plot.scores, SOURCES, strict=True):
        assert line.lead_times == list(LEADS)
        assert line.values == [rmse(source, "T_2M", lead) for lead in LEADS]
    first, _ = plot.differences
    assert first.values == [rmse("run-1", "T_2M", lead) - rmse("baseline-1", "T_2M", lead) for lead in LEADS]
    assert first.lower == [value - 1 for value in first.values] and first.sure == [True, True, False]
    assert plot.title == "RMSE of T_2M [K]" and plot.difference == "difference to persistence"
    assert plot.about.endswith("UTC · 40 init times, 20 days of data · lower is better")
    assert found(plotted)["T_2M-BIAS"].difference == "difference of |BIAS| to persistence"


def test_what_is_plotted(plotted):
    assert list(found(plotted)) == ["T_2M-RMSE", "T_2M-BIAS", "T_2M-ETS-gt-273.15", "PMSL-RMSE", "PMSL-BIAS"]
    scores = score_rows()
    parts = [{**row, "metric": "MSE_BIAS"} for row in scores if row["metric"] == "BIAS"]
    write_tables(plotted.results, scores + parts, difference_rows(scores))
    assert not any("MSE_" in name for name in found(plotted)), "parts of scores are on the dashboard"


def test_several_truths_have_plots_of_their_own(plotted):
    scores = score_rows()
    other = [{**row, "truth": "stations"} for row in scores]
    write_tables(plotted.results, scores + other, difference_rows(scores) + difference_rows(other))
    truths = [plotted.truths[0], plotted.truths[0].model_copy(update={"label": "stations"})]
    names = list(found(plotted.model_copy(update={"truths": truths})))
    assert len(names) == 10 and {"analyses-T_2M-RMSE", "stations-T_2M-RMSE"} <= set(names)


def test_lines_markers_and_bands(plotted):
    svg = draw_plot(found(plotted)["T_2M-RMSE"], palette())
    assert palette() == COLOURS
    lines = [one for one in elements(svg, "path", fill="none", stroke_width="2.4") if "L" in one.get("d")]
    assert [one.get("stroke") for one in lines] == COLOURS[:3] + COLOURS[:2]
    bands = elements(svg, "path", fill_opacity="0.15")
    assert [(one.get("fill"), len(re.findall("[ML]", one.get("d")))) for one in bands] == [
        (COLOURS[0], 6),
        (COLOURS[1], 6),
    ]
    # Of the candidate: a circle in the legend, three scores, and differences, of which two are more than chance.
    marks = elements(svg, "circle", stroke=COLOURS[0])
    assert [one.get("fill") for one in marks] == [COLOURS[0]] * 6 + ["#ffffff"]
    texts = [one.text for one in elements(svg, "text")]
    assert {"0", "6", "12", "18", "24", "lead time [h]", "candidate", "RMSE of T_2M [K]"} <= set(texts)
    assert "difference to persistence (full marks: more than chance)" in texts


def test_places_on_the_axes(plotted):
    """Values lie between the ticks that they are between, in proportion."""
    svg = draw_plot(found(plotted)["T_2M-RMSE"], palette())
    ticks = {one.text: float(one.get("y")) - 4 for one in elements(svg, "text", text_anchor="end")}
    # The upper panel's ticks come first, and of equal texts the lower panel's stay: take those above 1.
    marks = [float(one.get("cy")) for one in elements(svg, "circle", stroke=COLOURS[0])][1:4]
    scale = (ticks["4"] - ticks["6"]) / 2
    assert scale > 0, "a larger value is higher up"
    assert marks == pytest.approx([ticks["4"] + (4 - rmse("run-1", "T_2M", lead)) * scale for lead in LEADS], abs=0.2)
    across = {one.text: float(one.get("x")) for one in elements(svg, "text", text_anchor="middle")}
    marks = [float(one.get("cx")) for one in elements(svg, "circle", stroke=COLOURS[0])][1:4]
    assert marks == pytest.approx([across[text] for text in ("6", "12", "24")], abs=0.2)


def test_too_few_days_are_said(plotted):
    scores = score_rows()
    unknown = {"lower": None, "upper": None, "p_value": None, "q_value": None}
    write_tables(plotted.results, scores, [{**row, **unknown} for row in difference_rows(scores)])
    svg = draw_plot(found(plotted)["T_2M-RMSE"], palette())
    assert not elements(svg, "path", fill_opacity="0.15") and "(too few days for a band)" in svg


def test_a_source_compared_alone_is_marked(plotted):
    scores = [{**row, "sample": "alone" if row["source"] == "run-2" else "common"} for row in score_rows()]
    write_tables(plotted.results, scores, difference_rows(scores))
    labels = [line.label for line in found(plotted)["T_2M-RMSE"].scores]
    assert labels == ["candidate", "other (compared alone)", "persistence"]


def test_more_sources_than_colours_have_other_dashes(plotted):
    source = plotted.sources[0]
    sources = [source.model_copy(update={"source_id": f"run-{one}", "label": f"model {one}"}) for one in range(10)]
    scores = [row for row in score_rows() if row["source"] == "run-1"]
    rows = [{**row, "source": one.source_id} for one in sources for row in scores]
    write_tables(plotted.results, rows, difference_rows(score_rows()))
    svg = draw_plot(found(plotted.model_copy(update={"sources": sources, "references": []}))["T_2M-RMSE"], palette())
    lines = [one for one in elements(svg, "path", fill="none", stroke_width="2.4") if "L" in one.get("d")]
    assert [one.get("stroke") for one in lines] == [*COLOURS, *COLOURS[:2]]
    assert [one.get("stroke-dasharray") for one in lines] == [None] * 8 + ["7 3"] * 2


def written(spec) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (spec.results / "plots").iterdir()}


def test_a_plot_is_drawn_again_only_where_what_it_shows_has_changed(plotted):
    make_report(plotted)
    before = written(plotted)
    assert set(before) == {f"{name}.png" for name in found(plotted)}
    assert make_report(plotted.model_copy(update={"question": "Another?"})).drawn and written(plotted) == before
    scores = score_rows()
    for row in scores:
        row["value"] += 0.1 if (row["param"], row["metric"]) == ("PMSL", "BIAS") else 0
    write_tables(plotted.results, scores, difference_rows(scores), "def")
    assert make_report(plotted).drawn
    assert {name for name, when in written(plotted).items() if when != before[name]} == {"PMSL-BIAS.png"}
    renamed = [one.model_copy(update={"label": f"new {one.label}"}) for one in plotted.sources]
    make_report(plotted.model_copy(update={"sources": renamed}))
    assert all(when != before[name] for name, when in written(plotted).items())


def test_one_that_is_gone_is_drawn_again_and_one_that_nobody_wants_goes(plotted):
    make_report(plotted)
    (plotted.results / "plots" / "PMSL-BIAS.png").unlink()
    make_report(plotted)
    assert (plotted.results / "plots" / "PMSL-BIAS.png").exists()
    mine = plotted.results / "plots" / "mine.png"
    mine.write_bytes(b"mine")
    make_report(plotted.model_copy(update={"plots": ["svg"]}))
    assert set(written(plotted)) == {"mine.png", *(f"{name}.svg" for name in found(plotted))}


def test_without_formats_or_tables_there_are_none(plotted, tmp_path):
    assert draw_plots(plotted.model_copy(update={"plots": []}), ScoreTables(plotted.results)) == []
    assert draw_plots(plotted, ScoreTables(tmp_path)) == []


def test_matplotlib_is_not_needed_for_pages_without_pictures(plotted, monkeypatch):
    """SVG alone imports no matplotlib."""
    monkeypatch.setattr(plots, "png_of", None)
    (page,) = draw_plots(plotted.model_copy(update={"plots": ["svg"]}), ScoreTables(plotted.results))
    assert len(page.more) == 5


# --- pictures ----------------------------------------------------------------------------------------------------------

PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50" font-size="12" fill="#16191d">
<title>{text}</title><rect width="100%" height="100%" fill="#ffffff"/>
<circle cx="20" cy="10" r="6" fill="#0072b2" stroke="#0072b2"/><path d="M60 30L80 30L80 45L60 45Z" fill="#d55e00"/>
<path d="M0 25H100" stroke="#007d5b" stroke-width="4" fill="none"/><text x="30" y="48">{text}</text></svg>"""


def pixels(svg: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png_of(svg))).convert("RGB"))


def test_a_picture_has_the_places_and_colours_of_its_svg():
    shown = pixels(PICTURE.format(text="text"))
    assert shown.shape == (100, 200, 3)
    assert tuple(shown[20, 40]) == (0x00, 0x72, 0xB2) and tuple(shown[75, 140]) == (0xD5, 0x5E, 0x00)
    assert tuple(shown[50, 100]) == (0x00, 0x7D, 0x5B) and tuple(shown[2, 2]) == (255, 255, 255)
    assert tuple(shown[20, 60]) == (255, 255, 255), "to the right of the circle"
    dark = np.flatnonzero((shown[78:98].max(axis=2) < 100).any(axis=0))
    assert 60 <= dark.min() <= 64 and dark.max() < 120, "the text begins at 30, and no formula makes it longer"


@pytest.mark.parametrize("text", ["$x^{2$", "_hidden", "a$b$", "Größe مرحبا 模式", "x" * 300, "\\frac"])
def test_any_text_can_be_drawn(text):
    assert pixels(PICTURE.format(text=text)).shape == (100, 200, 3)


@pytest.mark.parametrize("wrong", ["<ellipse/>", '<path d="M0 0C1 1 2 2 3 3" stroke="#000000"/>'])
def test_what_it_does_not_know_is_an_error(wrong):
    with pytest.raises(ValueError, match="of another kind"):
        png_of(PICTURE.format(text="x").replace("</svg>", f"{wrong}</svg>"))
