#!/usr/bin/env python3
"""Check the parameters of a launch."""

import json

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import UserError
from evalflow.launch.parameters import check_folders, check_parameters, usage


@command
@click.option("--given", default="{}", help="JSON: parameter → value, as Nextflow has them.")
@click.option(
    "--folder", "folders", nargs=2, multiple=True, metavar="WHAT PATH", help="A folder that Nextflow's scripts name."
)
@click.option(
    "--usage", "show_usage", is_flag=True, help="Print what `nextflow run . --help` shows, and check nothing."
)
def main(given, folders, show_usage):
    """Print a launch's parameters as JSON with their types, or say which ones are wrong."""
    if show_usage:
        click.echo(usage(), nl=False)
        return
    check_folders(dict(folders))
    try:
        values = json.loads(given)
    except ValueError as error:
        raise UserError(f"--given: not valid JSON: {error}") from None
    click.echo(json.dumps(check_parameters(values)))


if __name__ == "__main__":
    main()
