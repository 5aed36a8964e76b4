"""The program of the runner onnx and onnxruntime: names, threads, what is missing."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from evalflow.runners import onnx_program as runner
from support.onnx_inputs import POINTS, line_of


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
