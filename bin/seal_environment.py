#!/usr/bin/env python3
"""Seal an environment."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.environment.spec import EnvironmentSpec
from evalflow.environment.seal import seal_environment


@command
@SPEC
@click.option("--image", required=True, type=click.Path(path_type=Path), help="The image in the store.")
def main(spec, image):
    """Write env.json, an environment's last file: identity, sizes and digests of its files."""
    seal_environment(EnvironmentSpec.read(spec), image)


if __name__ == "__main__":
    main()
