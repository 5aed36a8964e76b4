#!/usr/bin/env python3
"""Plan an experiment: ids, what is stored, what is left to do."""

import sys
from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.plan.describe import describe_plan
from evalflow.plan.options import Options, TARGETS
from evalflow.plan.plan import make_plan, write_plan
from evalflow.plan.writable import check_writable


@command
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The experiment's YAML.")
@click.option("--outdir", type=click.Path(path_type=Path), help="Root of all output [default: locations.output_root].")
@click.option("--output", type=click.Path(path_type=Path), help="Write the plan to this JSON file.")
@click.option("--target", type=click.Choice(TARGETS), default="experiment", show_default=True, help="How far to go.")
@click.option(
    "--inits_per_task", type=click.IntRange(min=1), default=1, show_default=True, help="Init times that one task makes."
)
@click.option("--inits_at_once", type=click.IntRange(min=1), default=1, show_default=True, help="How many at a time.")
@click.option(
    "--launch_dir",
    "launch",
    type=click.Path(path_type=Path),
    default=Path.cwd,
    help="Look for relative paths here, too.",
)
@click.option("--verify_store", is_flag=True, help="Compare the digests of everything stored, not only sizes.")
@click.option("--repair", is_flag=True, help="Set damaged things in the store aside, as a launch does.")
@click.option("--stub", is_flag=True, help="Plan a stub run, whose store is {outdir}/stub.")
@click.option(
    "--gpus", type=click.IntRange(min=0), default=0, help="GPUs of a forecast where the config is silent [default: 0]."
)
@click.option("--max_gpus", type=click.IntRange(min=1), help="GPUs in use at a time [default: what the config says].")
@click.option(
    "--grids", type=click.Path(path_type=Path), help="A site's list of grids whose messages carry no coordinates."
)
@click.option("--quiet", is_flag=True, help="Do not print the plan, even on a terminal.")
def main(config, output, quiet, launch, **options):
    """Plan an experiment: name environments, runs and forecasts, and see which the store has.

    Nothing is built or downloaded. On a terminal, or without --output, the plan is printed as a
    table.
    """
    plan = make_plan(config, Options(launch=launch.absolute(), **options))
    if options["repair"]:
        check_writable(plan)
    if output:
        write_plan(plan, output)
    if not quiet and (sys.stdout.isatty() or not output):
        click.echo(describe_plan(plan))
    else:
        for warning in plan.warnings:
            click.echo(f"evalflow: warning: {warning}", err=True)


if __name__ == "__main__":
    main()
