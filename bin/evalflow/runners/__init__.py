"""How a model is run. A runner says what its environment needs and which command makes one forecast."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from evalflow.errors import UserError
from evalflow.runners import anemoi

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
    gpus : GPUs that the forecast has
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
    gpus: int = 0


@dataclass(frozen=True)
class Runner:
    """One way to run models.

    Attributes
    ----------
    name : the value of `runner:` in a run entry
    version : raise it when the same config would give another forecast; it is part of the run_id from 2 on
    requirements : what the model's environment needs, from the checkpoint's metadata and from whether ecCodes gets
        local definitions; the run's own requirements win
    imports : modules that must import before an environment is sealed
    settings : what evalflow sets in the inference config of one forecast
    overrides : the keys of `settings`; what a config says of them has no effect, so it is no identity
    command : the command line of one forecast
    python : the version of Python that the model was trained with, from the checkpoint's metadata, where that is known
    warnings : in what the environment differs from that of the training: pairs of package and text
    parallel : the inference config for several GPUs, from the config, the checkpoint's task, the number, and the output
    rewrites : whether a model looks for all names in its working folder, also for those in YAML files that are named
    same_fields : whether, with an inference config, a field of one lead time after the start is there at all later ones
    """

    name: str
    version: int
    requirements: Callable[[dict, bool], list[str]]
    imports: tuple[str, ...]
    settings: Callable[[Job], dict]
    overrides: frozenset[str]
    command: Callable[[Job], list[str]]
    python: Callable[[dict], str | None] = lambda _metadata: None
    warnings: Callable[[dict], list[tuple[str, str]]] = lambda _metadata: []
    parallel: Callable[[dict, str | None, int, str], dict] | None = None
    rewrites: bool = False
    same_fields: Callable[[dict], bool] = lambda _config: True


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


_RUNNERS = (
    Runner(
        "anemoi",
        version=1,
        requirements=anemoi.requirements,
        imports=("anemoi.inference", "eccodes", "torch"),
        settings=_common_settings,
        overrides=frozenset({"checkpoint", "date", "lead_time"}),
        command=anemoi.command,
        python=anemoi.python_version,
        warnings=anemoi.warnings,
        parallel=anemoi.parallel,
        rewrites=True,
        same_fields=anemoi.same_fields,
    ),
    Runner(
        "onnx",
        version=1,
        requirements=lambda _metadata, _local: ["onnxruntime", "eccodes", "numpy", "pyyaml"],
        imports=("onnxruntime", "eccodes", "yaml"),
        settings=_onnx_settings,
        overrides=frozenset({"date", "lead_time", "steps"}),
        command=_onnx,
    ),
    Runner(
        "command",
        version=1,
        requirements=lambda _metadata, _local: [],
        imports=(),
        settings=_common_settings,
        overrides=frozenset({"checkpoint", "date", "lead_time"}),
        command=_command,
        same_fields=lambda _config: False,  # a program's own business
    ),
)


def runner_named(name: str) -> Runner:
    """Return the runner called `name`."""
    for runner in _RUNNERS:
        if runner.name == name:
            return runner
    raise UserError(f"runner {name!r} is not available; use one of {', '.join(runner.name for runner in _RUNNERS)}")
