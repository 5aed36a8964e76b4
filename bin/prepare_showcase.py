#!/usr/bin/env python3
"""Find out what there is to draw of an experiment, and what the store lacks."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.showcase.prepare import prepare
from evalflow.showcase.spec import ShowcaseSpec
from evalflow.store.files import write_over
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="showcase.json of the plan.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file for stations and packs.")
def main(spec, output):
    """Find stations, open truths, and list packs of what the store lacks of the showcase."""
    prepared = prepare(ShowcaseSpec.from_json(read_text(spec), str(spec)))
    write_over(output, prepared.to_json(indent=1) + "\n")
    click.echo("\n".join(prepared.problems))


if __name__ == "__main__":
    main()
