"""The program of the runner onnx on small analyses."""

from types import SimpleNamespace

import pytest
import yaml
from evalflow.runners import onnx_program as runner
from support.onnx_inputs import INIT, STEP, VARIABLES, analyses, increase


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
