"""Tell whether a forecast is complete, and whether what it is made from is what was planned.

A forecast is a folder; publish.py says where. It is complete when its `forecast.json`, which
seal.py writes, lists every file with size and digest, and they agree.
"""

import json
import os
import re
from pathlib import Path

import click

from evalflow.digests import file_digest
from evalflow.errors import UserError, changed_since_planned
from evalflow.inference.spec import RunSpec
from evalflow.store.files import compare_file
from evalflow.store.layout import FORECAST_SEAL

_LOG_TAIL = 15
_ERROR = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit): .*")
"""The last line of a Python traceback."""


def check_inputs(spec: RunSpec, checkpoint: Path) -> None:
    """Check that the inputs of a forecast are still those that its run's id stands for.

    Parameters
    ----------
    spec : the run as the plan has it
    checkpoint : the run's checkpoint

    Raises
    ------
    UserError
        Where one has another content than when the launch was planned.
    """
    wanted = {**spec.digests, str(checkpoint): spec.checkpoint}
    for path, sha256 in wanted.items():
        if sha256 and file_digest(Path(path)) != sha256:
            raise changed_since_planned(path)


def describe_failure(spec: RunSpec, init_time: str, log: Path, what: str) -> None:
    """Show the end of a model's log, and one line: what is wrong, and the last error in the log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    click.echo("\n".join(lines[-_LOG_TAIL:]), err=True)
    what += next((f" ({line})" for line in reversed(lines) if _ERROR.fullmatch(line)), "")
    click.echo(f"evalflow: {spec.run_id} {init_time}: {what}; log: {log}", err=True)


def check_forecast(folder: Path, run_digest: str, verify: bool = False) -> str | None:
    """Return why a stored forecast is not complete, or None where it is.

    Parameters
    ----------
    folder : the forecast, by whatever name
    run_digest : full digest of the run that it must be of
    verify : also read every file and compare its digest

    Raises
    ------
    UserError
        Where the forecast is of another run with the same short id.
    """
    try:
        with open(folder / FORECAST_SEAL, "rb") as file:
            document = json.loads(file.read())
        files = {name: {"size": proof["size"], "sha256": proof["sha256"]} for name, proof in document["files"].items()}
        made_by = document["sha256"]
        if not files:
            return f"{FORECAST_SEAL} is not whole"
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{FORECAST_SEAL} is not whole"
    if made_by != run_digest:
        raise UserError(
            f"{folder}: holds a forecast of another run with the same id (stored sha256:{made_by}, planned "
            f"sha256:{run_digest}); move one of them to another output_root"
        )
    for name, proof in files.items():
        try:
            size = os.stat(f"{folder}/{name}").st_size
        except (OSError, ValueError):  # ValueError: a name that no file can have
            return f"{name} is missing"
        if size != proof["size"]:
            return f"{name} has {size} bytes instead of {proof['size']}"
    if verify:
        for name, proof in files.items():
            problem = compare_file(folder / name, proof, verify=True)
            if problem:
                return problem
    return None
