#!/usr/bin/env python3
"""Say why two ids differ, or why a launch would build or run something anew."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import UserError
from evalflow.plan.explain import describe, differences, explain_new, read_identity
from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan


@command
@click.argument("stored", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--config", type=click.Path(path_type=Path), help="Explain what a launch of this experiment would make anew."
)
@click.option("--outdir", type=click.Path(path_type=Path), help="Root of all output [default: locations.output_root].")
def main(stored, config, outdir):
    """Say which fields make two ids differ.

    STORED are two folders of the store, of environments or of runs:

        explain.py output/data/runs/ENV_1/RUN_1 output/data/runs/ENV_1/RUN_2

    With --config, say of each environment and run that the store lacks how it differs from the most
    similar one that the store has.
    """
    if config and not stored:
        plan = make_plan(config, Options(outdir, Path.cwd()))
        found = explain_new(plan)
        for new, nearest, changed in found:
            click.echo(
                describe(nearest, f"{new}  (new)", changed)
                if nearest
                else f"{new}  (new; nothing like it in the store)"
            )
        if not found:
            click.echo("every environment and run of this experiment is in the store")
    elif len(stored) == 2 and not config:
        (one, first), (other, second) = (read_identity(path) for path in stored)
        click.echo(describe(one, other, differences(first, second)))
    else:
        raise UserError("name two folders of the store, or an experiment with --config (see --help)")


if __name__ == "__main__":
    main()
