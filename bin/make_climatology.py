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
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="What the plan says of verification.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="The domain.json of the truth.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Link to make to the climatology.")
def main(spec, domain, output):
    """Put the mean of each hour and time of the year over the reference period into the store, once ever."""
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    output.symlink_to(make_climatology(known, found, references(known)[0]))


if __name__ == "__main__":
    main()
