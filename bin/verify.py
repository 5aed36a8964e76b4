#!/usr/bin/env python3
"""Verify forecasts of one source against a truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.store.files import write_over
from evalflow.verification.domain import DomainFound
from evalflow.verification.packs import Packs
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.verify import verify_pack
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="What the plan says of verification.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="The domain.json of the truth.")
@click.option("--packs", required=True, type=click.Path(path_type=Path), help="The packs of the truth.")
@click.option("--pack", required=True, help="id of the pack to verify.")
@click.option("--truth", required=True, type=click.Path(path_type=Path), help="The copy of the block's truth.")
@click.option("--climatology", type=click.Path(path_type=Path), help="The climatology, where there is one.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was done.")
def main(spec, domain, packs, pack, truth, climatology, output):
    """Put the sums that the store lacks of each forecast of a pack there; what is there is left alone."""
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    (chosen,) = [one for one in Packs.from_json(read_text(packs), str(packs)).packs if one.id == pack]
    write_over(output, verify_pack(known, found, chosen, truth, climatology).to_json(indent=1) + "\n")


if __name__ == "__main__":
    main()
