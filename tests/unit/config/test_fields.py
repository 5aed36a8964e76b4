"""Values of the config: times, steps, requirements, commands, runtimes, members."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from evalflow.config.archives import ForecastsConfig
from evalflow.config.fields import parse_runtime
from evalflow.config.resources import InferenceResources
from evalflow.config.times import Dates, parse_steps, parse_time
from hypothesis import given
from hypothesis import strategies as st
from support.configs import CARD, changed, forecaster_config, refused, valid

# Steps


@given(st.integers(0, 500), st.integers(0, 499), st.integers(1, 50), st.integers(0, 3))  # no number of 7 digits
def test_lead_times_are_the_grid_from_start_to_end(start, length, step, zeros):
    end = start + length
    text = f"{start}/{'0' * zeros}{end}/{step}"
    run = forecaster_config(steps=text)
    hours = run.lead_times()
    assert run.steps == f"{start}/{end}/{step}"
    assert hours[0] == start and end - step < hours[-1] <= end
    assert all(later - earlier == step for earlier, later in pairwise(hours))
    assert (end in hours) == (length % step == 0)
    assert hours == ForecastsConfig(label="x", root="y", steps=text).lead_times()
    assert [60 * hour for hour in hours] == list(parse_steps(text))


def test_an_end_off_the_grid_is_left_out():
    assert forecaster_config(steps="0/33/6").lead_times() == [0, 6, 12, 18, 24, 30]


# Dates


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(0, 2000), st.integers(1, 100))
def test_init_times_are_the_grid_from_start_to_end(start, length, hours):
    start = start.replace(second=0, microsecond=0)
    end = start + timedelta(hours=length)
    dates = {"start": start.isoformat()[:16], "end": end.isoformat()[:16], "frequency": f"{hours}h"}
    times = valid({"dates": dates}).init_times()
    assert times == [start + timedelta(hours=hours * i) for i in range(length // hours + 1)]
    listed = valid({"dates": [f"{time.isoformat()}Z" for time in reversed(times + times)]})
    assert listed.init_times() == times
    if len(times) > 1:
        without = valid({"dates": {**dates, "blacklist": [times[0].isoformat()]}})
        assert without.init_times() == times[1:]


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00", "2024-01-01T00:00:00", "2024-01-01T00:00Z", "2024-01-01T00:00:00Z"]
)
def test_all_spellings_of_a_time_are_one(text):
    assert valid({"dates": [text]}).dates == ["2024-01-01T00:00"]
    assert parse_time(text) == datetime(2024, 1, 1)


@pytest.mark.parametrize(("frequency", "hours"), [("6h", 6), ("1d", 24), ("24h", 24), ("10d", 240), ("30m", 0.5)])
def test_frequencies(frequency, hours):
    dates = Dates(start="2024-01-01", end="2024-02-01", frequency=frequency)
    assert dates.interval == timedelta(hours=hours)


@pytest.mark.parametrize("frequency", ["0h", "06h", "6", "6s", "h", "-6h", "1.5h", "6 h", "6h\n"])
def test_other_frequencies_are_refused(frequency, tmp_path):
    dates = {"start": "2024-01-01", "end": "2024-02-01", "frequency": frequency}
    assert refused(changed({"dates": dates}), tmp_path)[0].startswith("dates.frequency: got ")


# Requirements, commands, resources


@pytest.mark.parametrize(
    "text",
    [
        "numpy",
        "earthkit-data<0.19.0",
        "anemoi-inference[plugins]==0.11.1; python_version < '3.13'",
        "anemoi-models @ git+https://github.com/ecmwf/anemoi-models@0.5.0",
        "git+https://github.com/ecmwf/anemoi-inference.git@fix/dataloader",
        "git+ssh://git@github.com/ecmwf/anemoi-inference.git",
        "https://example.org/flash_attn-2.7.4.post1+cu12torch2.6-cp312-cp312-linux_x86_64.whl",
        "wheels/model-1.0-py3-none-any.whl",
        "../model-1.0.tar.gz",
        "/data/model.zip",
    ],
)
def test_requirements_are_names_urls_or_archives(text):
    assert forecaster_config(extra_requirements=[f" {text} "]).extra_requirements == [text]
    assert forecaster_config(runner="onnx", requirements=[text]).requirements == [text]


@pytest.mark.parametrize(
    "text",
    [
        "", "-e .", "-r other.txt", "--index-url=https://x", "numpy\n-e .", "numpy\x00", "numpy=1", "two words",
        "folder/", "model.whl --no-deps", "-model.whl", "https://x/a.whl --no-deps", "git+https://", "ftp://x/y.whl",
    ],
)  # fmt: skip
def test_other_requirements_are_refused(text, tmp_path):
    (line,) = refused(changed({"runs.0.forecaster.extra_requirements": ["numpy", text]}), tmp_path)
    assert line.startswith("runs[0].forecaster.extra_requirements[1]: ")


def test_a_command_is_the_same_as_text_and_as_a_list():
    words = ["{python}", "-m", "my model", "--hours={start}-{end}", '{"json": 1}', "{output}"]
    text = """{python} -m 'my model' --hours={start}-{end} '{"json": 1}' {output}"""
    assert forecaster_config(runner="command", command=text).command == words
    assert forecaster_config(runner="command", command=words).command == words


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("run {outptu} {output}", "unknown placeholder {outptu}, did you mean output?; allowed: {checkpoint}"),
        ("run ${HOME} {output}", 'holds "${HOME}", which no shell reads here'),
        ("run {init_time:%Y} {output}", "unknown placeholder {init_time:%Y}"),
        ("run {checkpoint}", "does not use {output}"),
        ("run '{output}", "cannot be split into words"),
        ("", "is empty"),
        ([], "is empty"),
        (["", "{output}"], "is empty"),
        (["run", "\0{output}"], "NUL"),
        (5, "got 5; allowed: a list, each item text or text such as"),
    ],
)
def test_other_commands_are_refused(command, text, tmp_path):
    lines = refused(changed({"runs.0.forecaster.runner": "command", "runs.0.forecaster.command": command}), tmp_path)
    assert any(line.startswith(f"runs[0].forecaster.command: {text}") or text in line for line in lines)


def test_the_words_of_a_command_must_be_text(tmp_path):
    command = {"runs.0.forecaster.runner": "command", "runs.0.forecaster.command": ["run", 5, "{output}"]}
    assert refused(changed(command), tmp_path) == ["runs[0].forecaster.command[1]: got 5; allowed: text in quotes"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 5400), ("90", 5400), ("20m", 1200), ("2h", 7200), ("1h30m", 5400), ("1h 30m", 5400), ("1d", 86400),
        ("45s", 45), ("01:30:00", 5400), ("1-00:00:00", 86400), ("2-01:00:30", 176430), ("100:00:00", 360000),
    ],
)  # fmt: skip
def test_runtimes(text, seconds):
    assert parse_runtime(text) == seconds
    assert InferenceResources(runtime=text).runtime == str(text)


@pytest.mark.parametrize(
    "text", ["", "0", "0m", "h", "1.5h", "30m1h", "01:30", "00:99:00", "-5", -5, True, None, "1 hour"]
)
def test_other_runtimes_are_refused(text):
    with pytest.raises(ValueError, match="allowed: a time such as"):
        parse_runtime(text)


def test_gpus_is_another_name_of_gpu():
    assert InferenceResources(gpu=2) == InferenceResources.model_validate({"gpus": 2})


# Canonical values


@pytest.mark.parametrize(
    ("member", "canonical"),
    [("control", "000"), ("000", "000"), (0, "000"), (12, "012"), ("mean", "mean"), ("median", "median")],
)
def test_members(member, canonical):
    assert valid({"runs.1.baseline.member": member}).baselines()[0].member == canonical


def test_products_are_not_asked_for_twice():
    config = valid({"experiment.params": ["T_2M", "PS", "T_2M"], "experiment.scoremaps.init_hours": [0, "00", 12]})
    assert config.experiment.params == ["T_2M", "PS"]
    assert config.experiment.scoremaps.init_hours == ["00", "12"]


def test_spaces_in_scorecard_variables_change_nothing():
    config = valid({"experiment.scorecards.sections.a": CARD | {"variables": ["T_2M: RMSE, R2", "PS"]}})
    assert config.experiment.scorecards.sections["a"].variables == ["T_2M:RMSE,R2", "PS"]


def test_what_is_switched_off_is_not_compared_with_the_runs():
    cards = {"enabled": False, "sections": {"a": CARD | {"baseline": "none such"}}}
    maps = {"enabled": False, "leadtimes": [1000]}
    assert valid({"experiment.scorecards": cards, "experiment.scoremaps": maps})


def test_labels_are_data():
    label = "Stage D – 'N320' {x} $(y) | ü <b>"
    assert valid({"runs.0.forecaster.label": label, "config_label": "Étude 1 (new)"}).runs[0].forecaster.label == label
