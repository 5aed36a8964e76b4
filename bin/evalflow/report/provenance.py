"""What each run was made with, and what its forecasts cost."""

import hashlib
from dataclasses import dataclass

from evalflow.report.spec import ReportSource, ReportSpec
from evalflow.report.words import duration, number
from evalflow.store.files import read_json
from evalflow.store.layout import ENVIRONMENT_SEAL, FORECAST_SEAL, LOCK, environment_folder, forecast_folder


@dataclass(frozen=True)
class Made:
    """A run: what it was made with.

    Attributes
    ----------
    environment : Python and image
    lock : number of packages, and digest
    forecasts : how many there are of those of the experiment
    cost : hours that they took, of GPUs too, and their size
    version : of evalflow, that made them
    """

    label: str
    run_id: str
    env_id: str
    runner: str
    checkpoint: str
    environment: str
    lock: str
    forecasts: str
    cost: str
    version: str


def _lock(spec: ReportSpec, env_id: str) -> str:
    try:
        text = (environment_folder(spec.store, env_id) / LOCK).read_bytes()
    except OSError:
        return "not in the store"
    count = sum(bool(line.strip()) and not line.startswith((b"#", b" ")) for line in text.splitlines())
    return f"{count} packages, SHA-256 {hashlib.sha256(text).hexdigest()[:16]}"


def _environment(spec: ReportSpec, env_id: str) -> str:
    seal = read_json(environment_folder(spec.store, env_id) / ENVIRONMENT_SEAL)
    return f"Python {seal['python']}, image {seal['image_id']}" if seal else "not in the store"


def _made(spec: ReportSpec, source: ReportSource, env_id: str) -> Made:
    folders = [forecast_folder(spec.store, source.source_id, name) for name in spec.init_times]
    seals = [seal for folder in folders if (seal := read_json(folder / FORECAST_SEAL)) is not None]
    seconds = sum(seal.get("seconds", 0) for seal in seals)
    gpu_hours = sum(seal.get("seconds", 0) * seal.get("gpus", 0) for seal in seals) / 3600
    size = sum(file["size"] for seal in seals for file in seal.get("files", {}).values())
    gpus = f"{number(gpu_hours, 2)} GPU hours, " if gpu_hours else ""
    return Made(
        label=source.label,
        run_id=source.source_id,
        env_id=env_id,
        runner=source.runner or "",
        checkpoint=(source.checkpoint or "not known")[:16],
        environment=_environment(spec, env_id),
        lock=_lock(spec, env_id),
        forecasts=f"{len(seals):,} of {len(spec.init_times):,}",
        cost=f"{gpus}{duration(seconds)}, {number(size / 1e6, 2)} MB" if seals else "–",
        version=", ".join(sorted({str(seal.get("evalflow", "0.1")) for seal in seals})) or "–",
    )


def find_made(spec: ReportSpec) -> list[Made]:
    """Return what each run was made with; `cost` counts all forecasts of the experiment, whoever made them when."""
    return [
        _made(spec, source, source.env_id)
        for source in spec.sources
        if source.kind == "run" and source.env_id is not None
    ]
