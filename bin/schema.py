#!/usr/bin/env python3
"""Write what is made from models: JSON schema and manual of the config, tables in the manuals."""

from pathlib import Path

import evalflow  # noqa: F401 - finds the project's Python first
import click

from evalflow.cli import command
from evalflow.config.manual import config_docs
from evalflow.config.model import config_schema
from evalflow.errors import UserError
from evalflow.launch.parameters import parameters_table
from evalflow.lookup import PROJECT
from evalflow.plan.manual import plan_docs
from evalflow.store.files import to_json, write_over
from evalflow.texts import insert_generated


@command
@click.option(
    "--output-schema",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PROJECT / "config" / "config.schema.json",
    help="JSON schema to write.  [default: config/config.schema.json of the project]",
)
@click.option(
    "--output-docs",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PROJECT / "docs" / "config.md",
    help="Manual to write.  [default: docs/config.md of the project]",
)
@click.option(
    "--usage",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=PROJECT / "docs" / "usage.md",
    help="Manual to put the parameters of `nextflow_schema.json` into.  [default: docs/usage.md of the project]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=PROJECT / "docs" / "output.md",
    help="Manual to put the plan's models into.  [default: docs/output.md of the project]",
)
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is not up to date.")
def main(output_schema: Path, output_docs: Path, usage: Path, output: Path, check: bool) -> None:
    """Write the config's JSON schema and manual, the table of parameters and that of the plan.

    With --check, write nothing; a file that is not up to date is an error.
    """
    texts = {
        output_schema: to_json(config_schema()),
        output_docs: config_docs(config_schema()),
        usage: insert_generated(usage.read_text(encoding="utf-8"), "parameters", parameters_table()),
        output: insert_generated(output.read_text(encoding="utf-8"), "the plan", plan_docs()),
    }
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if check and stale:
        raise UserError("\n".join(f"{path}: not up to date with the models; run bin/schema.py" for path in stale))
    for path in stale:
        write_over(path, texts[path])


if __name__ == "__main__":
    main()
