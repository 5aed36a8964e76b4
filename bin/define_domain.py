#!/usr/bin/env python3
"""Define which points are verified against one truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import UserError
from evalflow.store.files import write_over
from evalflow.verification.domain import define_domain
from evalflow.verification.found import nothing_found
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.lacking import packs_of
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--truth", required=True, type=int, help="Number of the truth in the spec, from 0 on.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for domain.json and packs.json.")
def main(spec, truth, output):
    """Find the points at which sources are compared; list the statistics that the store lacks.

    If a truth cannot be used, domain.json names the problem: others are verified all the same.
    """
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    try:
        found = define_domain(known, truth)
    except UserError as error:
        found = nothing_found(truth, {source.source_id: source.label for source in known.sources}, str(error))
    packs = packs_of(known, found)
    write_over(output / "domain.json", found.to_json(indent=1) + "\n")
    write_over(output / "packs.json", packs.to_json(indent=1) + "\n")
    for line in [*found.table, *found.notes, found.lapse_rate]:
        click.echo(line)
    for line in found.problems:
        click.echo(f"evalflow: {line}", err=True)


if __name__ == "__main__":
    main()
