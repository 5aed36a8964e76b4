#!/usr/bin/env python3
"""Copy the truth that a block of init times is verified against."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import UserError
from evalflow.verification.found import DomainFound
from evalflow.verification.samples import read_packs
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.truth import copy_truth, write_problem
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="What the plan says of verification.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="The domain.json of the truth.")
@click.option(
    "--packs", required=True, type=click.Path(path_type=Path), help="The packs.json, or samples.json, of the truth."
)
@click.option("--block", required=True, help="Name of the block of init times.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="NetCDF file to write.")
def main(spec, domain, packs, block, output):
    """Read the fields of the truth that a block needs, each once, and write them to one file.

    If the archive cannot be read, the file says why: other blocks are verified all the same.
    """
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    listed, _ = read_packs(read_text(packs), str(packs))
    try:
        notes = copy_truth(known, found, [pack for pack in listed if pack.block == block], output)
    except UserError as error:
        write_problem(output, str(error))
        click.echo(f"evalflow: {error}", err=True)
    else:
        click.echo("\n".join(notes))


if __name__ == "__main__":
    main()
