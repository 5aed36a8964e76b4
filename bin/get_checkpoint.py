#!/usr/bin/env python3
"""Fetch the checkpoint of an environment."""

import evalflow  # noqa: F401 - finds the project's Python first

from evalflow.cli import SPEC, command
from evalflow.environment.spec import EnvironmentSpec
from evalflow.environment.checkpoint import get_checkpoint


@command
@SPEC
def main(spec):
    """Put the checkpoint and its metadata into an environment's folder, whole or not at all."""
    get_checkpoint(EnvironmentSpec.read(spec))


if __name__ == "__main__":
    main()
