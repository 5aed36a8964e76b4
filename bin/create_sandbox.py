#!/usr/bin/env python3
"""Write the sandbox of a run."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import SPEC, command
from evalflow.inference.spec import RunSpec
from evalflow.inference.sandbox import create_sandbox
from evalflow.store.files import replace_file


@command
@SPEC
@click.option("--checkpoint", required=True, type=click.Path(path_type=Path), help="The run's checkpoint.")
@click.option("--lock", required=True, type=click.Path(path_type=Path), help="The locked requirements.")
@click.option("--init_time", required=True, help="Init time of the forecast to be made by hand, YYYYmmddHHMM.")
@click.option(
    "--with_checkpoint/--link_checkpoint", default=False, help="Put the checkpoint into the zip, or a link to it."
)
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="The zip to write, here and in the store."
)
def main(spec, checkpoint, lock, init_time, with_checkpoint, output):
    """Write a zip to make a forecast by hand: checkpoint, lock, config, README and scripts."""
    spec = RunSpec.read(spec)
    create_sandbox(spec, checkpoint, lock, init_time, output, link=not with_checkpoint)
    replace_file(output, spec.folder / output.name)


if __name__ == "__main__":
    main()
