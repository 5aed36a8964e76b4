#!/usr/bin/env python3
"""Say what a launch has done and where the results are."""

import json
from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.summary import describe_summary, make_summary, write_summary
from evalflow.yamlio import read_text


@command
@click.option(
    "--plan", required=True, type=click.Path(path_type=Path), help="The plan.json that the launch began with."
)
def main(plan):
    """Compare the plan that a launch began with against the store as it is now."""
    planned = json.loads(read_text(plan))
    summary = make_summary(planned)
    write_summary(plan, planned, summary)
    click.echo(describe_summary(planned, summary))


if __name__ == "__main__":
    main()
