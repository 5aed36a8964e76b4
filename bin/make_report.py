#!/usr/bin/env python3
"""Draw the pages of an experiment from its tables of scores."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.report.pages import make_report
from evalflow.report.spec import Lacking, ReportSpec
from evalflow.verification.done import PackDone
from evalflow.store.files import write_over
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="What the plan says of the report.")
@click.option(
    "--verified", type=click.File(encoding="utf-8"), help="List of the done.json of this launch's packs, one a line."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was drawn.")
def main(spec, verified, output):
    """Draw index, dashboard, scorecards and plots from the tables of scores, in the results of the experiment.

    Nothing is drawn where nothing that the pages show has changed.
    """
    files = [Path(line) for line in verified.read().splitlines()] if verified else []
    packs = [PackDone.from_json(read_text(file), str(file)) for file in files]
    lacking = [
        Lacking(source_id=pack.source, init_time=init.init_time, reason=init.reason)
        for pack in packs
        for init in pack.inits
        if init.reason
    ]
    done = make_report(ReportSpec.from_json(read_text(spec), str(spec)), lacking)
    write_over(output, done.to_json(indent=1) + "\n")
    click.echo("\n".join([*done.problems, *([done.index] if done.index else [])]))


if __name__ == "__main__":
    main()
