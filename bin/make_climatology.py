#!/usr/bin/env python3
"""Make the climatology of a truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.verification.climatology import make_climatology, references
from evalflow.verification.domain import DomainFound
from evalflow.verification.spec import VerificationSpec
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="domain.json of the truth.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Link to the climatology in the store.")
def main(spec, domain, output):
    """Put the climatology of a truth, means by hour and time of year, into the store, once ever."""
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    output.symlink_to(make_climatology(known, found, references(known)[0]))


if __name__ == "__main__":
    main()
