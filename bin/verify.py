#!/usr/bin/env python3
"""Verify forecasts of one source against a truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.errors import UserError
from evalflow.store.files import write_over
from evalflow.verification.found import DomainFound
from evalflow.verification.common_masks import CommonMasks
from evalflow.verification.samples import read_packs
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.verify import Verifier, failed_pack, verify_pack
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="domain.json of the truth.")
@click.option(
    "--packs", required=True, type=click.Path(path_type=Path), help="The packs.json, or samples.json, of the truth."
)
@click.option("--pack", required=True, help="id of the pack to verify.")
@click.option("--truth", required=True, type=click.Path(path_type=Path), help="The copy of the block's truth.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was done.")
def main(spec, domain, packs, pack, truth, output):
    """Put the sums that the store lacks of each forecast of a pack there; what is there is left alone.

    With a samples.json in place of packs.json, sum over the points that all sources have.
    """
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    listed, samples = read_packs(read_text(packs), str(packs))
    (chosen,) = [one for one in listed if one.id == pack]
    source = known.sources[chosen.source]
    masks = CommonMasks(known, found, samples, chosen.source) if samples else None
    try:
        verifier = Verifier(known, found, source, truth)
    except UserError as error:
        click.echo(f"evalflow: {source.label}: {error}", err=True)
        done = failed_pack(source, chosen, str(error))
    else:
        done = verify_pack(verifier, chosen, masks)
    write_over(output, done.to_json(indent=1) + "\n")


if __name__ == "__main__":
    main()
