#!/usr/bin/env python3
"""Make the tables of scores of an experiment."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.store.files import write_over
from evalflow.verification.aggregate import aggregate_experiment
from evalflow.verification.found import DomainFound
from evalflow.verification.aggregated import describe_headline
from evalflow.verification.map_tables import map_experiment
from evalflow.verification.samples import Samples
from evalflow.verification.spec import VerificationSpec
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="verification.json of the plan.")
@click.option(
    "--domain", "domains", multiple=True, type=click.Path(path_type=Path), help="domain.json of a truth; repeat it."
)
@click.option(
    "--samples", multiple=True, type=click.Path(path_type=Path), help="samples.json of the same truths, in their order."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was made.")
def main(spec, domains, samples, output):
    """Compute scores and differences from the statistics in the store."""
    known = VerificationSpec.from_json(read_text(spec), str(spec))
    found = [
        (DomainFound.from_json(read_text(one), str(one)), Samples.from_json(read_text(other), str(other)))
        for one, other in zip(domains, samples, strict=True)
    ]
    done = aggregate_experiment(known, found)
    write_over(output, done.to_json(indent=1) + "\n")
    for line in map_experiment(known, found):
        click.echo(f"score maps: {line}")
    for line in describe_headline(done.headline):
        click.echo(line)


if __name__ == "__main__":
    main()
