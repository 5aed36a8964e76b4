#!/usr/bin/env python3
"""Lock the requirements of an environment."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.environment.spec import EnvironmentSpec
from evalflow.environment.lock import lock_requirements


@command
@SPEC
@click.option(
    "--metadata", required=True, type=click.Path(path_type=Path), help="The checkpoint's metadata (anemoi.json)."
)
def main(spec, metadata):
    """Resolve an environment's requirements to a full lock with hashes."""
    lock_requirements(EnvironmentSpec.read(spec), metadata)


if __name__ == "__main__":
    main()
