"""How a model is run. A runner says what its environment needs and which command makes one forecast."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from evalflow.errors import UserError

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Job:
    """One forecast to make.

    Attributes
    ----------
    python : name of the model environment's interpreter, found on the PATH that the environment sets
    checkpoint, config : absolute paths of the checkpoint and of the prepared inference config
    output : folder to write to, which is also the working folder
    init_time : ISO-8601 text, UTC
    leads : lead times in hours
    step : hours between leads
    command : the run's own command, for the runner that is called so
    forecaster : for a temporal downscaler, the name of the folder (in `output`) with the fields to refine
    """

    checkpoint: Path
    config: Path
    output: Path
    init_time: str
    leads: list[int]
    step: int
    command: list[str] = field(default_factory=list)
    python: str = "python"
    forecaster: str = ""


@dataclass(frozen=True)
class Runner:
    """One way to run models.

    Attributes
    ----------
    name : the value of `runner:` in a run entry
    version : raise it when the same config would give another forecast; it is part of the run_id from 2 on
    requirements : what the model's environment needs, from the checkpoint's metadata; the run's own requirements win
    imports : modules that must import before an environment is sealed
    settings : what evalflow sets in the inference config of one forecast
    overrides : the keys of `settings`; what a config says of them has no effect, so it is no identity
    command : the command line of one forecast
    """

    name: str
    version: int
    requirements: Callable[[dict], list[str]]
    imports: tuple[str, ...]
    settings: Callable[[Job], dict]
    overrides: frozenset[str]
    command: Callable[[Job], list[str]]


def _common_settings(job: Job) -> dict:
    return {"checkpoint": str(job.checkpoint), "date": job.init_time, "lead_time": f"{job.leads[-1]}h"}


def _onnx_settings(job: Job) -> dict:
    return {"date": job.init_time, "lead_time": job.leads[-1], "steps": f"{job.leads[0]}/{job.leads[-1]}/{job.step}"}


def _onnx(job: Job) -> list[str]:
    script = _HERE / "onnx_forecast.py"
    return [
        job.python, "-I", str(script), "--checkpoint", str(job.checkpoint), "--config", str(job.config),
        "--output", str(job.output),
    ]  # fmt: skip


def _command(job: Job) -> list[str]:
    values = {
        "python": job.python,
        "checkpoint": str(job.checkpoint),
        "config": str(job.config),
        "output": str(job.output),
        "forecaster": job.forecaster,
        "init_time": job.init_time,
        "lead_time": str(job.leads[-1]),
        "start": str(job.leads[0]),
        "end": str(job.leads[-1]),
        "step": str(job.step),
    }
    # Not str.format: braces that are not a placeholder (JSON) belong to the program.
    return [re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), word) for word in job.command]


def _anemoi(job: Job) -> list[str]:
    return ["anemoi-inference", "run", str(job.config)]


def _anemoi_requirements(metadata: dict) -> list[str]:
    raise UserError("runner: anemoi environments cannot be built yet; use runner: onnx or runner: command")


_RUNNERS = (
    Runner(
        "anemoi",
        version=1,
        requirements=_anemoi_requirements,
        imports=("anemoi.inference", "eccodes"),
        settings=_common_settings,
        overrides=frozenset({"checkpoint", "date", "lead_time"}),
        command=_anemoi,
    ),
    Runner(
        "onnx",
        version=1,
        requirements=lambda _metadata: ["onnxruntime", "eccodes", "numpy", "pyyaml"],
        imports=("onnxruntime", "eccodes", "yaml"),
        settings=_onnx_settings,
        overrides=frozenset({"date", "lead_time", "steps"}),
        command=_onnx,
    ),
    Runner(
        "command",
        version=1,
        requirements=lambda _metadata: [],
        imports=(),
        settings=_common_settings,
        overrides=frozenset({"checkpoint", "date", "lead_time"}),
        command=_command,
    ),
)


def runner_named(name: str) -> Runner:
    """Return the runner called `name`."""
    for runner in _RUNNERS:
        if runner.name == name:
            return runner
    raise UserError(f"runner {name!r} is not available; use one of {', '.join(runner.name for runner in _RUNNERS)}")
