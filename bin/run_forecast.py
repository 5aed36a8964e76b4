#!/usr/bin/env python3
"""Make forecasts of one run."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.inference.spec import RunSpec
from evalflow.inference.prepare import ForecastTask
from evalflow.inference.task import run_forecasts


@command
@SPEC
@click.option(
    "--inference", required=True, type=click.Path(path_type=Path), help="The run's inference.yaml, by prepare_run.py."
)
@click.option("--checkpoint", required=True, type=click.Path(path_type=Path), help="The run's checkpoint.")
@click.option("--image", required=True, type=click.Path(path_type=Path), help="The image of the run's environment.")
@click.option("--init_times", required=True, help="Init times, YYYYmmddHHMM, separated by commas.")
@click.option(
    "--forecaster",
    type=click.Path(path_type=Path),
    help="Folder of the forecasts, by init time, that a downscaler refines.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--gpus", type=int, default=0, help="GPUs of each forecast.")
@click.option(
    "--at_once", type=click.IntRange(1), default=1, help="Forecasts to make at a time, each on GPUs of its own."
)
@click.option("--on_node", is_flag=True, help="Make forecasts on node-local scratch, and store them from there.")
@click.option(
    "--failures",
    type=click.Path(path_type=Path),
    help="Folder that the tasks of a launch share: a run whose first forecasts all failed is given up.",
)
def main(spec, init_times, **options):
    """Make forecasts of one run for some init times, and put each finished one into the store."""
    run_forecasts(ForecastTask(spec=RunSpec.read(spec), init_times=init_times.split(","), **options))


if __name__ == "__main__":
    main()
