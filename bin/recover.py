#!/usr/bin/env python3
"""Clean up after launches that ended early."""

import os
from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.launch.recovery import alone, recover, register


@command
@click.option("--work_dir", required=True, type=click.Path(exists=True, path_type=Path), help="Nextflow's work folder.")
@click.option("--dead", is_flag=True, help="Take launches on other hosts for dead, too.")
@click.option("--session", help="Session of the launch that calls this; it is registered.")
def main(work_dir, dead, session):
    """End jobs and processes of launches that ended early, and remove exit codes in their folders.

    Every launch does this when it begins. What jobs had finished is in the store and stays there.
    """
    with alone(work_dir):
        for line in recover(work_dir, dead):
            click.echo(f"evalflow: {line}")
        if session:
            register(work_dir, session, os.getppid())


if __name__ == "__main__":
    main()
