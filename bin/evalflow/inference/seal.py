"""Seal a forecast: check what a model wrote, and write the proof that it is whole."""

import os
from datetime import UTC, datetime
from pathlib import Path

from evalflow import __version__
from evalflow.inference.output import Wanted, check_output
from evalflow.inference.proof import check_inputs
from evalflow.inference.spec import RunSpec
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.files import describe_file, replace_link, to_json, write_over
from evalflow.store.layout import CONFIG_FILE, FORECAST_SEAL, init_time_of
from evalflow.yamlio import read_yaml


def _make_links_relative(folder: Path) -> None:
    """Let links within a forecast stay right where it is moved to."""
    roots = (folder, Path(os.path.realpath(folder)))
    for link in [path for path in folder.rglob("*") if path.is_symlink()]:
        target = link.readlink()
        root = next((root for root in roots if target.is_relative_to(root)), None)
        if root:
            replace_link(link, os.path.relpath(folder / target.relative_to(root), link.parent))


def seal_forecast(spec: RunSpec, job: ForecastRequest, method: str, seconds: float) -> None:
    """Check what a model wrote and write `forecast.json`, by which a forecast is complete.

    Parameters
    ----------
    spec : the run as the plan has it
    job : the forecast
    method : how the environment was made visible
    seconds : how long the model ran

    Raises
    ------
    UserError
        Where the forecast is not whole, or what it was made from has changed meanwhile.
    """
    folder = job.output
    check_inputs(spec, job.checkpoint)
    _make_links_relative(folder)
    same_fields = runner_named(spec.runner).same_fields(read_yaml(folder / CONFIG_FILE))
    found = check_output(folder, Wanted(init_time_of(folder.name), spec.lead_times, same_fields))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    document = {
        "evalflow": __version__,
        "run_id": spec.run_id,
        "init_time": folder.name,
        "sha256": spec.sha256,
        "leads": {str(lead): count for lead, count in found.leads.items()},
        "warnings": found.warnings,
        "files": {str(path.relative_to(folder)): describe_file(path) for path in files},
        "environment": method,
        "seconds": round(seconds, 1),
        "gpus": job.gpus,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_over(folder / FORECAST_SEAL, to_json(document))
