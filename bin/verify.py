#!/usr/bin/env python3
"""Verify forecasts of one source against a truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.store.files import write_over
from evalflow.verification.domain import DomainFound
from evalflow.verification.packs import Packs
from evalflow.verification.samples import Samples
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.verify import Verifier, verify_pack
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="domain.json of the truth.")
@click.option(
    "--packs", required=True, type=click.Path(path_type=Path), help="The packs.json, or samples.json, of the truth."
)
@click.option("--pack", required=True, help="id of the pack to verify.")
@click.option("--files", required=True, type=click.Path(path_type=Path), help="Folder of truth.nc and climatology.nc.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was done.")
def main(spec, domain, packs, pack, files, output):
    """Compute the statistics of a pack's forecasts that the store lacks, and put them there.

    With a samples.json in place of packs.json, sum over the points that all sources have.
    """
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    text = read_text(packs)
    samples = Samples.from_json(text, str(packs)) if '"differing"' in text else None
    listed = samples.packs if samples else Packs.from_json(text, str(packs)).packs
    (chosen,) = [one for one in listed if one.id == pack]
    climatology = files / "climatology.nc"
    source = known.sources[chosen.source]
    verifier = Verifier(known, found, source, files / "truth.nc", climatology if climatology.exists() else None)
    done = verify_pack(verifier, chosen, (lambda name: samples.masks_at(chosen.source, name)) if samples else None)
    write_over(output, done.to_json(indent=1) + "\n")


if __name__ == "__main__":
    main()
