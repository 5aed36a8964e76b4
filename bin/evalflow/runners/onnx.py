"""The runner `onnx`: our program onnx_program.py runs ONNX Runtime inside the environment."""

import re
from pathlib import Path

from evalflow.runners.base import ForecastRequest, Mistakes, Runner, listed, outside
from evalflow.texts import length_text

_PROGRAM = Path(__file__).resolve().with_name("onnx_program.py")


def settings(job: ForecastRequest) -> dict:
    """Return what evalflow sets in the inference config of one forecast."""
    steps = (length_text(length) for length in (job.lead_times[0], job.lead_times[-1], job.step))
    last = job.lead_times[-1]
    return {
        "date": job.init_time,
        "lead_time": last if isinstance(last, int) else length_text(last),
        "steps": "/".join(steps),
    }


def command(job: ForecastRequest) -> list[str]:
    """Return the command line of a forecast."""
    return [
        job.python, "-I", str(_PROGRAM), "--checkpoint", str(job.checkpoint), "--config", str(job.config),
        "--output", str(job.output),
    ]  # fmt: skip


def mistakes(config: dict, lead_times: list[int | float]) -> Mistakes:
    """Return what of an inference config keeps a forecast from being whole: key, and what it is."""
    output = config.get("output")
    what = outside(output.get("path")) if isinstance(output, dict) else None
    wrong: Mistakes = [("output.path", what)] if what else []
    match = re.fullmatch(r"([1-9]\d*)\s*h?", str(config.get("timestep")))
    lacking = [lead for lead in lead_times if match and lead % int(match[1])]
    if match and lacking:
        what = f"is {match[0]}, and steps ask for {listed(lacking)}; allowed: steps that are multiples of it"
        wrong.append(("timestep", what))
    return wrong


RUNNER = Runner(
    "onnx",
    version=1,
    requirements=lambda _metadata, _local, _chosen: ["onnxruntime", "eccodes", "numpy", "pyyaml"],
    imports=("onnxruntime", "eccodes", "yaml"),
    settings=settings,
    overrides=frozenset({"date", "lead_time", "steps"}),
    command=command,
    mistakes=mistakes,
)
