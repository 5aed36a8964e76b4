#!/usr/bin/env python3
"""Draw frames, animations and time series of some forecasts."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.showcase.draw import draw_pack
from evalflow.showcase.spec import Prepared, ShowcaseSpec
from evalflow.store.files import write_over
from evalflow.yamlio import read_text


@command
@click.option("--spec", required=True, type=click.Path(path_type=Path), help="showcase.json of the plan.")
@click.option("--prepared", required=True, type=click.Path(path_type=Path), help="What prepare_showcase.py has found.")
@click.option("--pack", required=True, help="id of the pack to draw.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="JSON file that says what was drawn.")
def main(spec, prepared, pack, output):
    """Put what the store lacks of a pack there; what is there is left alone."""
    found = Prepared.from_json(read_text(prepared), str(prepared))
    (chosen,) = [one for one in found.packs if one.id == pack]
    done = draw_pack(ShowcaseSpec.from_json(read_text(spec), str(spec)), found, chosen)
    write_over(output, done.to_json(indent=1) + "\n")
    click.echo("\n".join(done.problems), err=True)


if __name__ == "__main__":
    main()
