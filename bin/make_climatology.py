#!/usr/bin/env python3
"""Make the climatology of a truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import UserError
from evalflow.store.files import write_over
from evalflow.verification.climatology import make_climatology, references
from evalflow.verification.found import DomainFound
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.lacking import packs_of
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="domain.json of the truth.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for domain.json and packs.json.")
def main(spec, domain, output):
    """Put climatologies of a truth, means by hour and time of year, into the store, once ever.

    The new domain.json says what of them cannot be had. The new packs.json lists the statistics
    that the store lacks, now that it has what anomalies are from.
    """
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    problems = []
    for reference in references(known) if found.points else []:
        try:
            problems += make_climatology(known, found, reference)
        except UserError as error:
            problems.append(str(error))
    found = found.model_copy(update={"problems": [*found.problems, *problems]})
    write_over(output / "domain.json", found.to_json(indent=1) + "\n")
    write_over(output / "packs.json", packs_of(known, found).to_json(indent=1) + "\n")
    for line in problems:
        click.echo(f"evalflow: {line}", err=True)


if __name__ == "__main__":
    main()
