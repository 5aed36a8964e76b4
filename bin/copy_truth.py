#!/usr/bin/env python3
"""Copy the truth that a block of init times is verified against."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.verification.domain import DomainFound
from evalflow.verification.packs import Packs
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.truth import copy_truth
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="domain.json of the truth.")
@click.option(
    "--packs", required=True, type=click.Path(path_type=Path), help="packs.json of the truth: what is left to compute."
)
@click.option("--block", required=True, help="Name of the block of init times.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="NetCDF file to write.")
def main(spec, domain, packs, block, output):
    """Read the fields of the truth that a block needs, each once, and write them to one file."""
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    listed = Packs.from_json(read_text(packs), str(packs)).packs
    for note in copy_truth(known, found, [pack for pack in listed if pack.block == block], output):
        click.echo(note)


if __name__ == "__main__":
    main()
