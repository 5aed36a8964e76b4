"""The ONNX runner, with a function in the model's place: onnxruntime is not needed here."""

import datetime as dt
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import eccodes
import numpy as np
import pytest
import yaml
from evalflow.runners import onnx_program as runner

INIT = dt.datetime(1996, 1, 16)
STEP = dt.timedelta(hours=6)
VARIABLES = ["msl", "2t", "u_500"]
POINTS = 6


def analysis(name: str, time: dt.datetime, values: np.ndarray, **keys) -> bytes:
    """Return a GRIB2 analysis on a grid of 2 × 3 points; `name` is NAME or NAME_LEVEL."""
    short_name, _, level = name.partition("_")
    message = eccodes.GRIBMessage.from_samples("regular_ll_pl_grib2" if level else "regular_ll_sfc_grib2")
    message.set({"Ni": 3, "Nj": 2, "dataDate": int(f"{time:%Y%m%d}"), "dataTime": int(f"{time:%H%M}")})
    message.set({"level": int(level)} if level else {})
    message.set({"shortName": short_name, "bitsPerValue": 24, **keys}, check_values=False)
    message.set_array("values", np.asarray(values, dtype="f8"))
    return message.get_buffer()


def field(name: str, time: dt.datetime) -> np.ndarray:
    """Return the values of an analysis: another number for each variable, time and point."""
    hours = (time - INIT) / dt.timedelta(hours=1)
    return 1000.0 * VARIABLES.index(name) + hours + np.arange(POINTS) / 4


def analyses(*times: dt.datetime) -> list[bytes]:
    return [analysis(name, time, field(name, time)) for time in times for name in VARIABLES]


def messages_in(path: Path) -> list[eccodes.GRIBMessage]:
    with eccodes.FileReader(path) as reader:
        return list(reader)


def increase(states: np.ndarray) -> np.ndarray:
    """Stand in for a model: the newest state grows by 10."""
    return states[:, -1:] + np.float32(10)


@pytest.fixture
def inputs(tmp_path):
    """Return the paths of a whole input and the config's data; `grib` may be overwritten by a test."""
    grib = tmp_path / "analyses.grib"
    grib.write_bytes(b"".join(analyses(INIT - STEP, INIT, INIT + STEP)))
    config = {
        "date": "1996-01-16T00:00",
        "lead_time": 24,
        "steps": "0/24/6",
        "input": {"grib": str(grib)},
        "variables": list(VARIABLES),
        "timestep": "6h",
        "multistep_input": 2,
    }
    return SimpleNamespace(grib=grib, config=config, folder=tmp_path, output=tmp_path / "out")


@pytest.fixture
def run(inputs, monkeypatch):
    """Return a function that runs the script's main with `predict` in the model's place and config keys changed."""

    def run_main(predict=increase, **changes):
        monkeypatch.setattr(runner, "load_model", lambda checkpoint, shape: predict)
        config = {key: value for key, value in {**inputs.config, **changes}.items() if value is not ...}
        path = inputs.folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        runner.main(["--checkpoint", "model.onnx", "--config", str(path), "--output", str(inputs.output)])
        return {str(path.relative_to(inputs.output)) for path in inputs.output.rglob("*") if path.is_file()}

    return run_main


def line_of(error: pytest.ExceptionInfo) -> str:
    """Return the one line that a SystemExit shows on stderr (its exit status is then 1)."""
    line = error.value.code
    assert line.startswith("onnx runner: ") and "\n" not in line
    return line.removeprefix("onnx runner: ")


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
    assert runner.parse_leads(steps, 24, 6) == expected


def test_leads_without_steps_are_every_timestep():
    assert runner.parse_leads(None, 18, 6) == [0, 6, 12, 18]


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


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"leadtime": 24}, "config: unknown key leadtime"),
        ({"date": ...}, "config: missing key date"),
        ({"input": {"grib": "a", "zarr": "b"}}, "input: unknown key zarr"),
        ({"input": "a.grib"}, "input: must be a mapping"),
        ({"output": {"bits": 12}}, "output: unknown key bits"),
        ({"input": {"grib": []}}, "input.grib: [] must be a list of texts"),
        ({"variables": "msl"}, "variables: 'msl' must be a list of texts"),
        ({"variables": ["msl", "msl"]}, "each once"),
        ({"variables": ["msl", 2]}, "variables: ['msl', 2] must be a list of texts"),
        ({"date": "the 16th"}, "date: 'the 16th' is not a time"),
        ({"date": 16}, "date: '16' is not a time"),
        ({"lead_time": "1d"}, "lead_time: '1d' is not a number of hours"),
        ({"timestep": 0}, "timestep: 0 is not a number of hours"),
        ({"steps": "0-24"}, "steps: '0-24' is not start/end/step"),
        ({"steps": "24/0/6"}, "steps: '24/0/6' is not start/end/step"),
        ({"steps": "0/24/0"}, "steps: '0/24/0' is not start/end/step"),
        ({"steps": "0/30/6"}, "steps: 0/30/6 goes beyond lead_time, 24 h"),
        ({"steps": "0/24/3"}, "lead 3 h is not a multiple of the model's timestep, 6 h"),
        ({"lead_time": 25}, "lead 25 h is not a multiple of the model's timestep, 6 h"),
        ({"multistep_input": 0}, "multistep_input: 0 is not"),
        ({"multistep_input": True}, "multistep_input: True is not"),
        ({"increment_scale": -1}, "increment_scale: -1 is no number"),
        ({"increment_scale": float("nan")}, "increment_scale: nan is no number"),
        ({"output": {"bits_per_value": 64}}, "output.bits_per_value: 64 is not"),
        ({"output": {"path": "all.grib"}}, "output.path: needs {step}"),
        ({"output": {"path": "{step}_{param}.grib"}}, "output.path: {step}_{param}.grib may use {date}"),
        ({"input": {"grib": "nowhere.grib"}}, "nowhere.grib: cannot be read as GRIB: [Errno 2] No such file"),
        ({"date": "1996-01-17T00:00"}, "no 2t at 1996-01-16T18:00, msl at 1996-01-16T18:00, u_500 at"),
        ({"variables": ["msl", "v_500"]}, "no v_500 at 1996-01-15T18:00, v_500 at 1996-01-16T00:00 in "),
        ({"multistep_input": 3}, "no 2t at 1996-01-15T12:00"),
    ],
)
def test_config_is_refused_in_one_line(run, changes, expected):
    with pytest.raises(SystemExit) as error:
        run(**changes)
    assert expected in line_of(error)


@pytest.mark.parametrize("text", ["- a list", "", "{", "date: 1996-13-45"])
def test_config_that_is_no_mapping(inputs, text):
    path = inputs.folder / "config.yaml"
    path.write_text(text)
    with pytest.raises(SystemExit) as error:
        runner.main(["--checkpoint", "model.onnx", "--config", str(path), "--output", str(inputs.output)])
    assert "must be a mapping" in line_of(error) or f"{path}: cannot be read as YAML" in line_of(error)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (analysis("msl", INIT, np.ones(POINTS)), "msl at 1996-01-16T00:00 in {grib}: found more than once"),
        (
            analysis("v_500", INIT, [1, 2, 3, 4, 5, 9999], bitmapPresent=1, missingValue=9999),
            "v_500 at 1996-01-16T00:00 in {grib}: has missing values",
        ),
        (analysis("v_500", INIT, np.ones(POINTS), iScansNegatively=1), "on different grids: msl at "),
        (analysis("v_500", INIT, np.ones(POINTS))[:-20], "{grib}: cannot be read as GRIB: "),
    ],
)
def test_broken_analyses_are_refused(run, inputs, message, expected):
    inputs.grib.write_bytes(b"".join(analyses(INIT)) + message)
    with pytest.raises(SystemExit) as error:
        run(multistep_input=1, variables=[*VARIABLES, "v_500"])
    assert expected.format(grib=inputs.grib) in line_of(error)


@pytest.mark.parametrize(("broken", "scale"), [(np.nan, 1), (np.inf, 1.5), (3e38, 1.5)])
def test_non_finite_forecast_names_lead_and_variable(run, inputs, recwarn, broken, scale):
    def predict(states):
        following = increase(states)
        following[..., 3, 1] = broken if states[0, -1, 0, 0] > 2 * scale * 10 - 1 else 0
        return following

    with pytest.raises(SystemExit) as error:
        run(predict, increment_scale=scale)
    assert line_of(error) == "lead 18 h: the model gives values that are not finite in 2t"
    assert not recwarn
    assert sorted(path.name[-8:] for path in inputs.output.rglob("*.grib")) == ["000.grib", "006.grib", "012.grib"]


def test_model_that_gives_another_shape(run):
    with pytest.raises(SystemExit) as error:
        run(lambda states: states)
    assert line_of(error).startswith("the model gives (1, 2, 6, 3), not (1, 1, 6, 3)")


def test_model_that_fails(run):
    with pytest.raises(SystemExit) as error:
        run(lambda states: 1 / 0)
    assert line_of(error) == "the model failed: division by zero"


def test_output_that_cannot_be_written(run, inputs):
    inputs.output.mkdir()
    (inputs.output / "grib").write_text("a file in the folder's place")
    with pytest.raises(SystemExit) as error:
        run()
    assert "grib/199601160000_000.grib: cannot be written" in line_of(error)


def test_interrupted_write_leaves_no_file_of_that_name(run, inputs, monkeypatch):
    def break_off(message, file):
        file.write(b"GRIB")
        raise OSError("disk full")

    monkeypatch.setattr(eccodes.GRIBMessage, "write_to", break_off)
    with pytest.raises(SystemExit) as error:
        run()
    assert "disk full" in line_of(error)
    assert not list(inputs.output.rglob("1996*"))


def test_script_prints_one_line_and_exits_with_1(inputs):
    path = inputs.folder / "config.yaml"
    path.write_text("colour: blue\n")
    command = [sys.executable, runner.__file__, "--checkpoint", "x", "--config", str(path), "--output", "out"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=inputs.folder, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "onnx runner: config: unknown key colour\n"


# The ONNX session, with a stand-in for onnxruntime -------------------------------------------------------------------


@pytest.fixture
def fake_onnxruntime(monkeypatch):
    """Put a module in onnxruntime's place; its session multiplies by 2 and takes `module.shape`."""
    module = ModuleType("onnxruntime")
    module.shape = [1, 2, "points", 3]
    module.SessionOptions = SimpleNamespace

    class Session:
        def __init__(self, path, options, providers):
            module.options = options
            if not Path(path).is_file():
                raise RuntimeError(f"Load model from {path} failed:\nFile doesn't exist")

        def get_inputs(self):
            return [SimpleNamespace(name="states", shape=module.shape)]

        def get_outputs(self):
            return [SimpleNamespace(name="next")]

        def run(self, names, feeds):
            assert names == ["next"]
            return [2 * feeds["states"][:, -1:]]

    module.InferenceSession = Session
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return module


def test_names_are_taken_from_the_model(fake_onnxruntime, tmp_path):
    checkpoint = tmp_path / "model.onnx"
    checkpoint.touch()
    predict = runner.load_model(checkpoint, (1, 2, POINTS, 3))
    np.testing.assert_array_equal(predict(np.ones((1, 2, POINTS, 3), dtype="f4")), np.full((1, 1, POINTS, 3), 2))


@pytest.mark.parametrize(("environment", "threads"), [(None, 1), ("", 1), ("4", 4)])
def test_threads_come_from_the_environment(fake_onnxruntime, tmp_path, monkeypatch, environment, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if environment is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    checkpoint = tmp_path / "model.onnx"
    checkpoint.touch()
    runner.load_model(checkpoint, (1, 2, POINTS, 3))
    assert fake_onnxruntime.options.intra_op_num_threads == threads


@pytest.mark.parametrize("shape", [[1, 2, 726, 3], [1, 1, 6, 3], [1, 2, 6], [1, 2, 6, 3, 1]])
def test_model_for_another_grid_is_refused(fake_onnxruntime, tmp_path, shape):
    fake_onnxruntime.shape = shape
    checkpoint = tmp_path / "model.onnx"
    checkpoint.touch()
    with pytest.raises(SystemExit) as error:
        runner.load_model(checkpoint, (1, 2, 6, 3))
    assert f"model.onnx: takes {shape}, but config and analyses give [1, 2, 6, 3]" in line_of(error)


def test_missing_model(fake_onnxruntime, tmp_path):
    with pytest.raises(SystemExit) as error:
        runner.load_model(tmp_path / "model.onnx", (1, 2, 6, 3))
    assert "model.onnx: cannot be loaded: Load model from" in line_of(error)


def test_environment_without_onnxruntime(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SystemExit) as error:
        runner.load_model(tmp_path / "model.onnx", (1, 2, 6, 3))
    assert "cannot be loaded: import of onnxruntime halted" in line_of(error)
