"""Numbers, units and names as pages show them."""

import pytest
from evalflow.report.charts import lead_ticks, make_chart, nice_ticks
from evalflow.report.words import duration, file_name, number, percent, unit, visible


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.84254, "3.84"),
        (1032.4, "1,032"),
        (0.000943, "0.000943"),
        (-0.5, "−0.500"),
        (0.0, "0"),
        (-1e-12, "0"),
        (9.999, "10.00"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_signs():
    assert (number(2, signed=True), number(-2, signed=True), number(0, signed=True)) == ("+2.00", "−2.00", "0")


@pytest.mark.parametrize(
    ("value", "text"),
    [(-12.3, "−12 %"), (3.14, "+3.1 %"), (9.96, "+10 %"), (0.01, "0.0 %"), (-0.04, "0.0 %"), (None, "–")],
)
def test_percent(value, text):
    assert percent(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(("text", "shown"), [("m2 s-2", "m² s⁻²"), ("1", ""), ("K", "K"), ("kg m-2", "kg m⁻²")])
def test_unit(text, shown):
    assert unit(text) == shown


def test_names_of_files_are_safe_and_differ():
    taken: set[str] = set()
    names = [file_name(text, taken) for text in ("../../etc", "a b", "a/b", "A b", "…", "é" * 300, "x" * 300)]
    assert names == ["etc", "a-b", "a-b-2", "A-b-3", "unnamed", "unnamed-2", "x" * 60]


def test_what_xml_cannot_hold_is_replaced():
    assert visible("a\x00b\x1bc\n") == "a\ufffdb\ufffdc\n"


def test_ticks_are_round_and_cover_the_values():
    assert nice_ticks(0, 7) == [0, 2, 4, 6, 8]
    assert nice_ticks(-0.012, 0.03) == [-0.02, -0.01, 0, 0.01, 0.02, 0.03]
    ticks = nice_ticks(5, 5)
    assert ticks[0] <= 5 <= ticks[-1] and len(ticks) > 2
    assert lead_ticks(24) == [0, 6, 12, 18, 24] and lead_ticks(240)[-1] == 240 and len(lead_ticks(1000)) <= 7


def test_a_chart_puts_values_where_they_belong():
    chart = make_chart("t", "a", [("x", 0, [(12.0, 4.0, "b"), (0.0, 0.0, "a")])])
    assert [(x, y) for x, y, _ in chart.lines[0].points] == [(50.0, 170.0), (330.0, 10.0)]
    assert chart.lines[0].path == "M50.0 170.0L330.0 10.0" and chart.zero is None
    assert make_chart("t", "a", []) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.5, "3.5\xa0s"), (59, "59\xa0s"), (90, "1.5\xa0min"), (3600, "1.0\xa0h"), (90000, "25\xa0h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
