#!/usr/bin/env python3
"""Write the showcase into the results of an experiment."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.showcase.show import show
from evalflow.showcase.spec import PackDrawn, Prepared, ShowcaseSpec
from evalflow.store.files import write_over
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="showcase.json of the plan.")
@click.option("--prepared", required=True, type=click.Path(path_type=Path), help="What prepare_showcase.py has found.")
@click.option("--drawn", multiple=True, type=click.Path(path_type=Path), help="What came of a pack; several times.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what is shown.")
def main(spec, prepared, drawn, output):
    """Link pictures into the results, draw meteograms that have changed, and write the page."""
    packs = [PackDrawn.from_json(read_text(path), str(path)) for path in drawn]
    problems = [line for pack in packs for line in pack.problems]
    shown = show(
        ShowcaseSpec.from_json(read_text(spec), str(spec)),
        Prepared.from_json(read_text(prepared), str(prepared)),
        sum(pack.drawn for pack in packs),
        problems,
    )
    write_over(output, shown.to_json(indent=1) + "\n")
    click.echo("\n".join([*shown.problems, *([shown.page] if shown.page else [])]))


if __name__ == "__main__":
    main()
