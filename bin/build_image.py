#!/usr/bin/env python3
"""Build the image of an environment."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.environment.spec import EnvironmentSpec
from evalflow.environment.image import build_image


@command
@SPEC
@click.option("--lock", required=True, type=click.Path(path_type=Path), help="The locked requirements.")
def main(spec, lock):
    """Build an environment on node-local scratch and put its image into the store."""
    build_image(EnvironmentSpec.read(spec), lock)


if __name__ == "__main__":
    main()
