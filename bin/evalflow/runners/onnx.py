"""The runner `onnx`: our program onnx_program.py runs ONNX Runtime inside the environment."""

from pathlib import Path

from evalflow.runners.base import ForecastRequest, Runner

_PROGRAM = Path(__file__).resolve().with_name("onnx_program.py")


def settings(job: ForecastRequest) -> dict:
    """Return what evalflow sets in the inference config of one forecast."""
    return {
        "date": job.init_time,
        "lead_time": job.lead_times[-1],
        "steps": f"{job.lead_times[0]}/{job.lead_times[-1]}/{job.step}",
    }


def command(job: ForecastRequest) -> list[str]:
    """Return the command line of a forecast."""
    return [
        job.python, "-I", str(_PROGRAM), "--checkpoint", str(job.checkpoint), "--config", str(job.config),
        "--output", str(job.output),
    ]  # fmt: skip


RUNNER = Runner(
    "onnx",
    version=1,
    requirements=lambda _metadata, _local, _chosen: ["onnxruntime", "eccodes", "numpy", "pyyaml"],
    imports=("onnxruntime", "eccodes", "yaml"),
    settings=settings,
    overrides=frozenset({"date", "lead_time", "steps"}),
    command=command,
)
