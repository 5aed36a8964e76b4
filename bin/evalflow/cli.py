"""What every script in `bin/` shares: the click command, error lines, signals."""

import functools
import signal
import sys
from collections.abc import Callable
from typing import Any

import click

from evalflow import __version__
from evalflow.errors import UserError, describe_os_error
from evalflow.processes import ENDING

SPEC = click.option(
    "--spec", type=click.File("r", encoding="utf-8"), default="-", help="Entry of the plan [default: stdin]."
)
"""The option of scripts that work on one environment or one run of the plan."""


def command(function: Callable[..., None]) -> click.Command:
    """Make `function` a click command whose user errors are one line each, with status 1.

    The signals in ENDING end it like an exit does, so that context managers clean up.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda number, _frame: sys.exit(128 + number))
        try:
            function(*args, **kwargs)
        except UserError as error:
            message = str(error)
        except OSError as error:
            message = describe_os_error(error)
        else:
            return
        for line in message.splitlines():
            click.echo(f"evalflow: {line}", err=True)
        sys.exit(1)

    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
    versioned = click.version_option(__version__, prog_name="evalflow", message="%(prog)s %(version)s")(run)
    return click.command(context_settings=settings)(versioned)
