#!/usr/bin/env python3
"""Store forecasts that are made but not in the store."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.inference.spec import RunSpec
from evalflow.inference.publish import store_forecasts


@command
@SPEC
@click.option("--stub", is_flag=True, help="The forecasts are empty ones of a stub run.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=".", show_default=True, help="Folder for links to them."
)
@click.argument("forecasts", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(spec, stub, output, forecasts):
    """Put FORECASTS, folders of one run named by their init times, into the store."""
    store_forecasts(RunSpec.read(spec), list(forecasts), output, stub)


if __name__ == "__main__":
    main()
