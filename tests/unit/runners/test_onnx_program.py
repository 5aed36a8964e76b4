"""The program of the runner onnx: what it reads, computes and writes."""

import datetime as dt

import eccodes
import numpy as np
import pytest
import yaml
from evalflow.fields.grib.index import read_index
from evalflow.runners import onnx_program as runner
from support.onnx_inputs import INIT, POINTS, STEP, VARIABLES, analyses, analysis, field, increase, messages_in

# The model's steps ---------------------------------------------------------------------------------------------------


def test_rollout_feeds_predictions_back():
    # One point, one variable; the model adds the two states: 1, 2 → 3 → 5 → 8.
    states = np.array([1, 2], dtype="f4").reshape(1, 2, 1, 1)
    found = [state.item() for state in runner.rollout(lambda x: x.sum(axis=1, keepdims=True), states, 3, 1.0)]
    assert found == [2, 3, 5, 8]


def test_rollout_scales_each_increment():
    # Increments of the sum: +1 of 1, 2 (half: 2.5); then 4.5 - 2.5 = 2 (half: 3.5).
    states = np.array([1, 2], dtype="f4").reshape(1, 2, 1, 1)
    found = [state.item() for state in runner.rollout(lambda x: x.sum(axis=1, keepdims=True), states, 2, 0.5)]
    assert found == [2, 2.5, 3.5]


def test_rollout_with_scale_zero_is_persistence_and_keeps_float32():
    states = np.arange(12, dtype="f4").reshape(1, 2, 3, 2)
    *_, last = runner.rollout(increase, states, 4, 0)
    assert last.dtype == np.float32
    np.testing.assert_array_equal(last, [[6, 7], [8, 9], [10, 11]])


@pytest.mark.parametrize("number_of_states", [1, 3])
def test_rollout_gives_the_model_as_many_states_as_it_takes(number_of_states):
    shapes = []

    def predict(states):
        shapes.append(states.shape)
        return increase(states)

    list(runner.rollout(predict, np.zeros((1, number_of_states, 4, 2), dtype="f4"), 2, 1.0))
    assert shapes == [(1, number_of_states, 4, 2)] * 2


@pytest.mark.parametrize(
    ("steps", "expected"),
    [("0/24/6", [0, 6, 12, 18, 24]), ("6/24/6", [6, 12, 18, 24]), ("12/24/12", [12, 24]), ("0/0/6", [0])],
)
def test_leads(steps, expected):
    assert runner.parse_leads(steps, 24 * 60, 6 * 60) == [60 * hours for hours in expected]


def test_leads_without_steps_are_every_timestep():
    assert runner.parse_leads(None, 18 * 60, 6 * 60) == [0, 360, 720, 1080]
    assert runner.parse_leads(None, 60, 20) == [0, 20, 40, 60]


@pytest.mark.parametrize(
    "date",
    ["1996-01-16T00:00", "'1996-01-16 00:00:00'", "1996-01-16", "1996-01-16 00:00:00", "1996-01-16T00:00:00Z",
     "1996-01-16T01:00:00+01:00", "'1996-01-16T00:00Z'"],
)  # fmt: skip
def test_date_in_any_spelling_that_yaml_allows(date):
    assert runner.parse_time(yaml.safe_load(f"date: {date}")["date"]) == INIT


# Reading -------------------------------------------------------------------------------------------------------------


def test_states_are_in_the_order_of_times_and_variables(inputs):
    states, messages = runner.read_states([inputs.grib], [INIT - STEP, INIT], ["u_500", "msl"])
    assert states.shape == (1, 2, POINTS, 2) and states.dtype == np.float32
    for index, time in enumerate([INIT - STEP, INIT]):
        for channel, name in enumerate(["u_500", "msl"]):
            np.testing.assert_allclose(states[0, index, :, channel], field(name, time), atol=1e-3)
    assert [(message["shortName"], message["dataDate"]) for message in messages] == [("u", 19960116), ("msl", 19960116)]


def test_fields_may_be_spread_over_files_in_any_order(inputs):
    first, second = inputs.folder / "a.grib", inputs.folder / "b.grib"
    messages = analyses(INIT, INIT - STEP)
    first.write_bytes(b"".join(messages[::-2]))
    second.write_bytes(b"".join(messages[-2::-2]))
    expected, _ = runner.read_states([inputs.grib], [INIT - STEP, INIT], VARIABLES)
    np.testing.assert_array_equal(runner.read_states([first, second], [INIT - STEP, INIT], VARIABLES)[0], expected)


def test_only_needed_values_are_decoded(inputs, monkeypatch):
    decoded = []
    get_array = eccodes.GRIBMessage.get_array

    def count(message, name):
        decoded.append((message["shortName"], message["dataTime"]))
        return get_array(message, name)

    monkeypatch.setattr(eccodes.GRIBMessage, "get_array", count)
    runner.read_states([inputs.grib], [INIT - STEP, INIT], ["2t"])
    assert decoded == [("2t", 1800), ("2t", 0)]


def test_other_levels_and_forecasts_are_passed_over(inputs):
    noise = [
        analysis("u_850", INIT, np.zeros(POINTS)),
        analysis("u_500", INIT, np.zeros(POINTS), step=6),
        analysis("t_500", INIT, np.zeros(POINTS)),
        analysis("u", INIT, np.zeros(POINTS), typeOfLevel="heightAboveGround", level=500),
    ]
    inputs.grib.write_bytes(b"".join(noise + analyses(INIT)))
    states, _ = runner.read_states([inputs.grib], [INIT], VARIABLES)
    np.testing.assert_allclose(states[0, 0, :, 2], field("u_500", INIT), atol=1e-3)


# Whole runs ----------------------------------------------------------------------------------------------------------


def test_writes_one_file_per_lead(run, inputs, capsys):
    files = run()
    assert files == {f"grib/199601160000_{lead:03}.grib" for lead in (0, 6, 12, 18, 24)}
    assert len(capsys.readouterr().out.splitlines()) == 5
    for lead in (0, 6, 12, 18, 24):
        messages = messages_in(inputs.output / f"grib/199601160000_{lead:03}.grib")
        assert [(message["shortName"], message["level"]) for message in messages] == [("msl", 0), ("2t", 2), ("u", 500)]
        for message, name in zip(messages, VARIABLES, strict=True):
            assert message["edition"] == 2 and message["typeOfGeneratingProcess"] == 2
            assert (message["dataDate"], message["dataTime"], message["step:int"]) == (19960116, 0, lead)
            assert message["validityDate"] == 19960116 + lead // 24 and message["validityTime"] == lead % 24 * 100
            assert message["bitsPerValue"] == 16
            np.testing.assert_allclose(message["values"], field(name, INIT) + 10 * lead / 6, atol=1e-3)


def test_later_start_writes_only_later_leads(run, inputs):
    assert run(steps="12/24/12") == {"grib/199601160000_012.grib", "grib/199601160000_024.grib"}
    message = messages_in(inputs.output / "grib/199601160000_024.grib")[0]
    np.testing.assert_allclose(message["values"], field("msl", INIT) + 40, atol=1e-3)


def test_increment_scale_and_output_settings(run, inputs):
    output = {"path": "{step}/{date}T{time}.grib2", "bits_per_value": 24}
    assert run(lead_time="6h", steps="6/6/6", increment_scale=0.5, output=output) == {"6/19960116T0000.grib2"}
    message = messages_in(inputs.output / "6/19960116T0000.grib2")[1]
    assert message["bitsPerValue"] == 24
    np.testing.assert_allclose(message["values"], field("2t", INIT) + 5, atol=1e-3)


def test_steps_of_ten_minutes(run, inputs):
    step = dt.timedelta(minutes=10)
    inputs.grib.write_bytes(b"".join(analyses(INIT - step, INIT)))
    files = run(timestep="10m", lead_time="70m", steps="0/70m/10m", variables=["2t"])
    leads = {minutes: f"{minutes}m" if minutes % 60 else f"{minutes // 60:03}" for minutes in range(0, 71, 10)}
    assert files == {f"grib/199601160000_{name}.grib" for name in leads.values()}
    index = read_index([inputs.output / "grib" / f"199601160000_{name}.grib" for name in leads.values()])
    assert [message.lead_time for message in index] == [dt.timedelta(minutes=minutes) for minutes in leads]
    message = messages_in(inputs.output / "grib/199601160000_70m.grib")[0]
    np.testing.assert_allclose(message["values"], field("2t", INIT) + 70, atol=1e-2)


def test_relative_grib_path_is_beside_the_config(run):
    assert run(input={"grib": ["analyses.grib"]}, steps="0/0/6") == {"grib/199601160000_000.grib"}


def test_same_input_gives_same_bytes(run, inputs):
    first = {name: (inputs.output / name).read_bytes() for name in run()}
    assert {name: (inputs.output / name).read_bytes() for name in run()} == first


def test_templates_in_minutes_and_grib1_come_out_as_grib2_in_hours(run, inputs):
    minutes = {"indicatorOfUnitForForecastTime": 0}
    messages = [analysis("2t", time, field("2t", time), **minutes) for time in (INIT - STEP, INIT)]
    messages += [analysis("u_500", time, field("u_500", time), edition=1) for time in (INIT - STEP, INIT)]
    inputs.grib.write_bytes(b"".join(messages[:2]))
    run(variables=["2t"])
    message = messages_in(inputs.output / "grib/199601160000_006.grib")[0]
    assert (message["step"], message["forecastTime"], message["indicatorOfUnitForForecastTime"]) == (6, 6, 1)
    inputs.grib.write_bytes(b"".join(messages[2:]))
    run(variables=["u_500"])
    message = messages_in(inputs.output / "grib/199601160000_006.grib")[0]
    assert (message["edition"], message["shortName"], message["level"], message["step"]) == (2, "u", 500, 6)


def test_forecast_value_that_marks_missing_ones_in_the_analysis_is_kept(run, inputs):
    keys = {"bitmapPresent": 1, "missingValue": 9999}
    messages = [analysis("msl", time, [0, 1, 2, 3, 4, 5], **keys) for time in (INIT - STEP, INIT)]
    inputs.grib.write_bytes(b"".join(messages))
    run(lambda states: states[:, -1:] + np.float32(9999), variables=["msl"], steps="6/6/6")
    (message,) = messages_in(inputs.output / "grib/199601160000_006.grib")
    assert message["numberOfMissing"] == 0
    np.testing.assert_allclose(message["values"], [9999, 10000, 10001, 10002, 10003, 10004], atol=1e-3)
