"""Lead times and init times below an hour, ends of periods, times that are left out."""

import itertools
from datetime import datetime, timedelta

import pytest
from evalflow.config.times import Dates, as_hours, hours_of, lead_times_of, parse_steps
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "canonical", "minutes"),
    [
        ("0/120/6", "0/120/6", range(0, 7201, 360)),
        ("0/0120/06", "0/120/6", range(0, 7201, 360)),
        ("0/6/0.5", "0/6/30m", range(0, 361, 30)),
        ("0/6/30m", "0/6/30m", range(0, 361, 30)),
        ("0/6h/0.50", "0/6/30m", range(0, 361, 30)),
        (" 0 / 1 / 10m ", "0/1/10m", range(0, 61, 10)),
        ("15m/1.5/15m", "15m/90m/15m", range(15, 91, 15)),
        ("0/2/60m", "0/2/1", range(0, 121, 60)),
        ("6/6/6", "6/6/6", [360]),
    ],
)
def test_steps_below_an_hour(text, canonical, minutes, read):
    config = read({"runs.0.forecaster.steps": text})
    entry = config.runs[0].forecaster
    assert entry.steps == canonical
    assert list(parse_steps(canonical)) == list(minutes)
    assert config.lead_times(entry) == [timedelta(minutes=minute) for minute in minutes]
    assert entry.lead_times() == [minute / 60 for minute in minutes]


def test_whole_hours_stay_whole_numbers():
    """They are in identities and in the plan: 6.0 would rename every run."""
    assert repr(hours_of("0/24/6")) == "[0, 6, 12, 18, 24]"
    assert repr(hours_of("0/1/0.5")) == "[0, 0.5, 1]"
    assert repr(as_hours(10)) == repr(1 / 6)


@pytest.mark.parametrize(
    "text",
    [
        "0/6/0.001",
        "0/6/1.5m",
        "0/1/0.3333",
        "0/6/30s",
        "0/6/m",
        "0/6/-0.5",
        "0/.5/0.5",
        "0/6/0m",
        "1/30m/30m",
        "0/6/1e0",
    ],
)
def test_steps_that_are_no_minutes_are_refused(text, refusals):
    (line,) = refusals({"runs.0.forecaster.steps": text})
    assert line.startswith(f'runs[0].forecaster.steps: got "{text}"; allowed: start/end/step in whole hours or minutes')


def test_too_many_lead_times_are_refused(refusals):
    (line,) = refusals({"runs.0.forecaster.steps": "0/999999/1m"})
    assert line.startswith("runs[0].forecaster.steps: more than 1000000 lead times")


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 500))
def test_lead_times_are_the_grid_from_start_to_end(start, length, step):
    text = f"{start}m/{start + length}m/{step}m"
    found = lead_times_of(text)
    assert found == [timedelta(minutes=minute) for minute in range(start, start + length + 1, step)]
    assert [hour * 60 for hour in hours_of(text)] == pytest.approx([time / timedelta(minutes=1) for time in found])


@pytest.mark.parametrize(("frequency", "count"), [("30m", 49), ("10m", 145), ("90m", 17), ("1440m", 2), ("1d", 2)])
def test_init_times_below_an_hour(frequency, count, read):
    dates = {"start": "2024-01-01", "end": "2024-01-02", "frequency": frequency}
    times = read({"dates": dates, "runs.1.forecasts.pattern": "%Y%m%d%H%M.grib"}).init_times()
    assert len(times) == count and times[0] == datetime(2024, 1, 1) and times[-1] == datetime(2024, 1, 2)
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {times[1] - times[0]}


def test_a_pattern_must_tell_apart_the_init_times_that_there_are(read, refusals):
    dates = {"start": "2024-01-01T00:30", "end": "2024-01-02", "frequency": "1h"}
    assert read({"dates": dates}), "one an hour, whatever the minute"
    baseline = {"label": "B", "root": "/b", "pattern": "%Y%m%d%H.grib", "steps": "0/6/6"}
    lines = refusals({"dates": {**dates, "frequency": "30m"}, "runs.2.baseline": baseline})
    assert lines == [
        f'runs[{index}].{kind}.pattern: "{pattern}" is the same for init times within an hour; allowed: year to minute, '
        "such as %Y%m%d%H%M"
        for index, kind, pattern in ((1, "forecasts", "%Y%m%d%H/*.grib"), (2, "baseline", "%Y%m%d%H.grib"))
    ]


def test_times_to_leave_out_that_are_no_init_times_are_told(read):
    dates = {"start": "2024-01-01", "end": "2024-01-03", "frequency": "12h"}
    config = read({"dates": {**dates, "blacklist": ["2024-01-02T00:00", "2024-01-02T06:00", "2024-01-04T00:00"]}})
    assert config.warnings() == [
        f"dates.blacklist[{index}]: {text} is no init time, so nothing is left out for it; allowed: init times 12h apart "
        "from 2024-01-01T00:00 on"
        for index, text in ((1, "2024-01-02T06:00"), (2, "2024-01-04T00:00"))
    ]
    assert len(config.init_times()) == 4
    assert read({"dates": dates}).warnings() == []
    assert read({"dates": ["2024-01-01"]}).warnings() == []


def test_what_is_said_of_a_period_ends_with_its_last_day(read):
    case = {"name": "storm", "start": "2024-12-07", "end": "2024-12-09"}
    (found,) = read({"experiment.cases": [case]}).experiment.cases
    assert (found.start, found.end) == ("2024-12-07T00:00", "2024-12-09T23:59")
    (found,) = read({"experiment.cases": [{**case, "end": "2024-12-09T06:00"}]}).experiment.cases
    assert found.end == "2024-12-09T06:00"


def test_the_end_of_dates_is_as_it_was():
    """Of init times, a day without an hour is its first hour: those after it are others."""
    assert Dates(start="2024-01-01", end="2024-01-02", frequency="6h").times()[-1] == datetime(2024, 1, 2)
