#!/usr/bin/env python3
"""Say what a launch has done and where the results are."""

import sys
from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import describe_os_error
from evalflow.launch.cost import read_made_twice
from evalflow.launch.summary import describe_shown, describe_summary, is_lacking, make_summary, write_summary
from evalflow.plan.model import Plan
from evalflow.report.spec import Reported
from evalflow.showcase.spec import Shown
from evalflow.verification.aggregated import Aggregated, describe_aggregated
from evalflow.verification.done import PackDone
from evalflow.yamlio import read_text


@command
@click.option(
    "--plan", required=True, type=click.Path(path_type=Path), help="The plan.json that the launch began with."
)
@click.option("--trace", type=click.Path(path_type=Path), help="Nextflow's trace of the launch, with raw values.")
@click.option(
    "--made_twice",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A task's list of forecasts that another launch made, too.",
)
@click.option("--aggregated", type=click.Path(path_type=Path), help="aggregated.json of the verification.")
@click.option("--shown", type=click.Path(path_type=Path), help="What the showcase says of itself.")
@click.option("--reported", type=click.Path(path_type=Path), help="What the report says of itself.")
@click.option(
    "--verified", multiple=True, type=click.Path(path_type=Path), help="done.json of a pack that was verified."
)
def main(plan, trace, made_twice, verified, **told):
    """Compare the plan that a launch began with against the store as it is now.

    Give whole forecasts the names that they lack. Say what failed, why, and what was left out
    because of it. Exit with status 1 if something that was to be made is missing, or what the
    config names could not be verified.
    """
    planned = Plan.from_json(read_text(plan), str(plan))
    aggregated, shown, reported = (told[name] for name in ("aggregated", "shown", "reported"))
    done = [PackDone.from_json(read_text(file), str(file)) for file in verified] if not planned.stub else []
    scores = Aggregated.from_json(read_text(aggregated), str(aggregated)) if aggregated and not planned.stub else None
    summary = make_summary(planned, trace, read_made_twice(made_twice), done, scores)
    click.echo(describe_summary(planned, summary))
    problems = False
    if scores is not None:
        click.echo("\n".join(["", *describe_aggregated(scores, planned.verification.significance.min_days)]))
        problems = bool(scores.problems)
    if shown and not planned.stub:
        click.echo("\n".join(describe_shown(Shown.from_json(read_text(shown), str(shown)))))
    if reported and not planned.stub:
        report = Reported.from_json(read_text(reported), str(reported))
        lines = [f"problem: {line}" for line in report.problems]
        click.echo("\n".join([*lines, *(["", f"report: {report.index}"] if report.index else [])]))
    try:
        write_summary(plan, planned, summary)
    except OSError as error:  # a store to read only, or a full one: what was asked for is done or not all the same
        click.echo(f"evalflow: warning: the summary is not kept: {describe_os_error(error)}", err=True)
    if is_lacking(planned, summary) or problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
