"""Prepare a run and the folder of each of its forecasts."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from evalflow import __version__
from evalflow.checkpoints.metadata import read_task
from evalflow.inference.spec import Resources, RunSpec
from evalflow.lookup import RESOURCES
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.files import read_json, replace_link, to_json, write_over
from evalflow.store.layout import CONFIG_FILE, FORECASTER, INFERENCE_FILE, RUN_FILE, init_time_of
from evalflow.yamlio import dump_yaml


@dataclass(frozen=True)
class ForecastTask:
    """The forecasts of one run that one task makes.

    Attributes
    ----------
    spec : the run as the plan has it
    inference : the run's `inference.yaml`, as `prepare_run` wrote it
    checkpoint, image : the run's checkpoint and the image of its environment
    init_times : `YYYYmmddHHMM`, UTC
    output : the task's folder
    forecaster : for a temporal downscaler, the folder that holds its forecaster's forecasts by init
        time
    gpus : GPUs of each forecast; over more than one, a model is split where its runner can do that
    at_once : forecasts that are made at a time; the job has `gpus` for each of them
    on_node : make forecasts on node-local scratch and store them from there
    failures : folder that the tasks of a launch share, for marks of the forecasts that fail
    """

    spec: RunSpec
    inference: Path
    checkpoint: Path
    image: Path
    init_times: list[str]
    output: Path
    forecaster: Path | None = None
    gpus: int = 0
    at_once: int = 1
    on_node: bool = False
    failures: Path | None = None


def prepare_run(spec: RunSpec, folder: Path) -> None:
    """Write what all forecasts of a run share: its inference config and its identity (`run.json`).

    `run.json` goes into the store, and the folder gets a link to it: where it is gone from the
    store, -resume writes it again.

    Parameters
    ----------
    spec : the run as the plan has it
    folder : folder to write to
    """
    keys = {"run_id", "env_id", "model_type", "runner", "sha256", "identity", "files"}
    about = {"evalflow": __version__, **spec.model_dump(mode="json", include=keys)}
    stored = spec.folder / RUN_FILE
    if read_json(stored) != about:
        write_over(stored, to_json(about))
    folder.mkdir(parents=True, exist_ok=True)
    replace_link(folder / RUN_FILE, str(stored))
    (folder / INFERENCE_FILE).write_text(spec.config, encoding="utf-8")


def _link_forecaster(folder: Path, forecaster: Path) -> None:
    """Show a downscaler the GRIB files that it refines, as `forecaster/` in its working folder."""
    grib = forecaster / "grib"
    (folder / FORECASTER).symlink_to(grib if grib.is_dir() else forecaster)


def place_resources(resources: Resources, folder: Path) -> None:
    """Make `resources/` in a working folder: links to the config's files, rewritten files."""
    if resources.linked or resources.rewritten:
        (folder / RESOURCES).mkdir()
    for name, target in resources.linked.items():
        (folder / RESOURCES / name).symlink_to(target)
    for name, text in resources.rewritten.items():
        (folder / RESOURCES / name).write_text(text, encoding="utf-8")


def prepare_forecast(task: ForecastTask, config: dict, init_time: str, folder: Path) -> ForecastRequest:
    """Make the folder of one forecast, with the inference config that this forecast is made from.

    Parameters
    ----------
    config : the run's inference config
    init_time : which of the task's forecasts
    folder : working folder of the model
    """
    shutil.rmtree(folder, ignore_errors=True)  # of a former try
    folder.mkdir(parents=True)
    spec, forecaster = task.spec, task.forecaster
    if forecaster:
        _link_forecaster(folder, Path(os.path.abspath(forecaster / init_time)))
    request = ForecastRequest(
        task.checkpoint,
        folder / CONFIG_FILE,
        folder,
        init_time_of(init_time).strftime("%Y-%m-%dT%H:%M"),
        spec.lead_times,
        spec.step,
        spec.command,
        forecaster=FORECASTER if forecaster else "",
        gpus=task.gpus,
    )
    place_resources(spec.resources, folder)
    runner = runner_named(spec.runner)
    config = {**config, **runner.settings(request)}
    if task.gpus > 1 and runner.parallel:
        config = runner.parallel(config, read_task(task.checkpoint), task.gpus, str(folder))
    (folder / CONFIG_FILE).write_text(dump_yaml(config), encoding="utf-8")
    return request
