#!/usr/bin/env python3
"""Draw the pages of an experiment from its tables of scores."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.report.pages import make_report
from evalflow.report.spec import ReportSpec
from evalflow.store.files import write_over
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="What the plan says of the report.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was drawn.")
def main(spec, output):
    """Draw index, dashboard and scorecards from the tables of scores, in the results of the experiment.

    Nothing is drawn where nothing that the pages show has changed.
    """
    done = make_report(ReportSpec.from_json(read_text(spec), str(spec)))
    write_over(output, done.to_json(indent=1) + "\n")
    click.echo("\n".join([*done.problems, *([done.index] if done.index else [])]))


if __name__ == "__main__":
    main()
