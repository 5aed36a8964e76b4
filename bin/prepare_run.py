#!/usr/bin/env python3
"""Prepare a run."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.inference.spec import RunSpec
from evalflow.inference.prepare import prepare_run


@command
@SPEC
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
def main(spec, output):
    """Write what all forecasts of a run share: inference.yaml, and run.json in the store."""
    prepare_run(RunSpec.read(spec), output)


if __name__ == "__main__":
    main()
