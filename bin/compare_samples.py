#!/usr/bin/env python3
"""Find the common sample of all sources of one truth."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.store.files import write_over
from evalflow.verification.found import DomainFound
from evalflow.verification.samples import compare_samples
from evalflow.verification.spec import VerificationSpec
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option("--domain", required=True, type=click.Path(path_type=Path), help="domain.json of the truth.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File to write: samples.json.")
def main(spec, domain, output):
    """Find the init times and points that all sources have, and list the packs to verify again."""
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = DomainFound.from_json(read_text(domain), str(domain))
    samples = compare_samples(known, found)
    write_over(output, samples.to_json(indent=1) + "\n")
    for line in samples.notes:
        click.echo(line)


if __name__ == "__main__":
    main()
