"""Prepare a run and the folder of each of its forecasts."""

import os
import shutil
from pathlib import Path

from evalflow import __version__
from evalflow.checkpoints.metadata import read_task
from evalflow.inference.spec import Resources, RunSpec
from evalflow.lookup import RESOURCES
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.files import to_json
from evalflow.store.layout import CONFIG_FILE, FORECASTER, INFERENCE_FILE, RUN_FILE, init_time_of
from evalflow.yamlio import dump_yaml


def prepare_run(spec: RunSpec, folder: Path) -> None:
    """Write what all forecasts of a run share: `run.json` (who it is) and `inference.yaml` (its inference config).

    Parameters
    ----------
    spec : the run as the plan has it
    folder : folder to write to
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = {"run_id", "env_id", "model_type", "runner", "sha256", "identity", "files"}
    about = {"evalflow": __version__, **spec.model_dump(mode="json", include=keys)}
    (folder / RUN_FILE).write_text(to_json(about), encoding="utf-8")
    (folder / INFERENCE_FILE).write_text(spec.config, encoding="utf-8")


def _link_forecaster(folder: Path, forecaster: Path) -> None:
    """Show a downscaler the fields that it refines: `forecaster/` in its working folder, with the GRIB files in it."""
    grib = forecaster / "grib"
    (folder / FORECASTER).symlink_to(grib if grib.is_dir() else forecaster)


def place_resources(resources: Resources, folder: Path) -> None:
    """Make `resources/` in a working folder: links to what belongs to the inference config, and rewritten files."""
    if resources.linked or resources.rewritten:
        (folder / RESOURCES).mkdir()
    for name, target in resources.linked.items():
        (folder / RESOURCES / name).symlink_to(target)
    for name, text in resources.rewritten.items():
        (folder / RESOURCES / name).write_text(text, encoding="utf-8")


def prepare_forecast(
    spec: RunSpec, config: dict, checkpoint: Path, init_time: str, folder: Path, forecaster: Path | None, gpus: int
) -> ForecastRequest:
    """Make the folder of one forecast, with the inference config that this forecast is made from.

    The parameters are those of `forecast_task.run_forecasts`.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of a former try
    folder.mkdir(parents=True)
    date = init_time_of(init_time).strftime("%Y-%m-%dT%H:%M")
    if forecaster:
        _link_forecaster(folder, Path(os.path.abspath(forecaster / init_time)))
    job = ForecastRequest(
        checkpoint,
        folder / CONFIG_FILE,
        folder,
        date,
        spec.lead_times,
        spec.step,
        spec.command,
        forecaster=FORECASTER if forecaster else "",
        gpus=gpus,
    )
    place_resources(spec.resources, folder)
    runner = runner_named(spec.runner)
    config = {**config, **runner.settings(job)}
    if gpus > 1 and runner.parallel:
        config = runner.parallel(config, read_task(checkpoint), gpus, str(folder))
    (folder / CONFIG_FILE).write_text(dump_yaml(config), encoding="utf-8")
    return job
