#!/usr/bin/env python3
"""Make the climatology of a truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import UserError
from evalflow.store.files import to_json, write_over
from evalflow.verification.climatology import make_climatology, references
from evalflow.verification.found import DomainFound
from evalflow.verification.spec import VerificationSpec
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="domain.json of the truth.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was missing.")
def main(spec, domain, output):
    """Put climatologies of a truth, means by hour and time of year, into the store, once ever."""
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    problems = []
    for reference in references(known) if found.points else []:
        try:
            problems += make_climatology(known, found, reference)
        except UserError as error:
            problems.append(str(error))
    write_over(output, to_json({"problems": problems}))
    for line in problems:
        click.echo(f"evalflow: {line}", err=True)


if __name__ == "__main__":
    main()
