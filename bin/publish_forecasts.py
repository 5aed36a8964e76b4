#!/usr/bin/env python3
"""Publish forecasts that are made but not in the store."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.inference.spec import RunSpec
from evalflow.inference.publish import publish_forecasts


@command
@SPEC
@click.option("--stub", is_flag=True, help="They are those of a stub run: empty.")
@click.argument("forecasts", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(spec, stub, forecasts):
    """Put FORECASTS, folders of one run named by their init times, into the store."""
    publish_forecasts(RunSpec.read(spec), list(forecasts), stub)


if __name__ == "__main__":
    main()
