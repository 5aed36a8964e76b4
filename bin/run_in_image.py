#!/usr/bin/env python3
"""Run a command in an image."""

import sys
from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.environment.mount import mounted


@command
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, required=True)
def main(image, words):
    """Run WORDS in the environment IMAGE (venv.squashfs, or a folder); pass on the exit status.

    Example: run_in_image.py output/data/runs/ENV_ID/venv.squashfs -- python -c 'import numpy'
    """
    with mounted(image) as environment:
        click.echo(f"evalflow: {image.name} by {environment.method}", err=True)
        status = environment.run(list(words))
    sys.exit(status)


if __name__ == "__main__":
    main()
