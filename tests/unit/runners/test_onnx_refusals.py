"""The program of the runner onnx: what it refuses, and how it fails."""

import subprocess
import sys

import eccodes
import numpy as np
import pytest
from evalflow.runners import onnx_program as runner
from support.onnx_inputs import INIT, POINTS, VARIABLES, analyses, analysis, increase, line_of


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
