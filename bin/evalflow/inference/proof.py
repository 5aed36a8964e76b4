"""Prove forecasts: check and seal what a model has made, tell whether a forecast is complete.

A forecast is a folder; publish.py says where. It is complete when its `forecast.json` lists every
file with size and digest, and they agree.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from evalflow import __version__
from evalflow.digests import file_digest
from evalflow.errors import UserError, changed_since_planned
from evalflow.inference.spec import RunSpec
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.files import compare_file, describe_file, replace_link, to_json, write_over
from evalflow.store.layout import CONFIG_FILE, FORECAST_SEAL, LOG
from evalflow.yamlio import read_yaml

_LOG_TAIL = 15
_FIELD_KEYS = (
    "discipline", "parameterCategory", "parameterNumber", "typeOfStatisticalProcessing", "typeOfFirstFixedSurface",
    "table2Version", "indicatorOfParameter", "indicatorOfTypeOfLevel", "timeRangeIndicator", "level",
    "perturbationNumber",
)  # fmt: skip
_SECONDS = 13
"""ecCodes' code of the unit second: a lead time may be a part of an hour."""
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


def read_fields(files: list[Path]) -> dict[float, Counter]:
    """Return lead time in hours → how often each field is there, by the GRIB keys of `files`.

    A field is its short name and the values of _FIELD_KEYS: it is told from others whatever
    definitions ecCodes has.
    """
    import eccodes

    leads: dict[float, Counter] = {}
    for path in files:
        with open(path, "rb") as file:
            while (handle := eccodes.codes_grib_new_from_file(file, headers_only=True)) is not None:
                try:
                    eccodes.codes_set(handle, "stepUnits", _SECONDS)
                    lead = _hours(eccodes.codes_get(handle, "endStep", ktype=int))
                    known = [key for key in _FIELD_KEYS if eccodes.codes_is_defined(handle, key)]
                    values = {key: eccodes.codes_get(handle, key, ktype=int) for key in known}
                    field = (eccodes.codes_get(handle, "shortName", ktype=str), *values.items())
                    leads.setdefault(lead, Counter())[field] += 1
                finally:
                    eccodes.codes_release(handle)
    return leads


def _hours(seconds: int) -> float:
    """Return seconds as hours: a whole number wherever it is one, as in the config."""
    return seconds / 3600 if seconds % 3600 else seconds // 3600


def _lost_fields(fields: dict[float, Counter], wanted: Iterable[float]) -> str | None:
    """Return which fields are missing at a later lead time, or None.

    The start may have more fields, or fewer.
    """
    before: Counter = Counter()
    for lead in sorted(lead for lead in wanted if lead > 0):
        lost = before - fields[lead]
        if lost:
            names = sorted({f"{name} ({dict(keys).get('level', 0)})" for name, *keys in lost})
            return f"{lost.total()} of the fields of earlier lead times are missing at {lead} h: {', '.join(names[:5])}"
        before |= fields[lead]
    return None


def _is_grib(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"GRIB"


def _check_output(folder: Path, wanted: Iterable[float], same_fields: bool) -> tuple[list[Path], dict[float, int]]:
    """Return the files of a forecast and the number of fields per lead in its GRIB files.

    Parameters
    ----------
    wanted : lead times in hours
    same_fields : whether a field of one lead time after the start must be there at all later ones

    Raises
    ------
    UserError
        Where the model wrote nothing, or nothing for a lead that was asked for, or lost a field on
        the way.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != LOG]
    empty = [path for path in files if path.stat().st_size == 0]
    if empty:
        raise UserError(f"{empty[0]}: the model left an empty file")
    grib = [path for path in files if _is_grib(path)]
    if not grib:
        raise UserError(f"{folder}: the model ended without an error but wrote no GRIB file")
    try:
        fields = read_fields(grib)
    except Exception as error:  # ecCodes raises a class per error code
        raise UserError(f"{folder}: the model wrote GRIB that cannot be read: {error}") from None
    missing = sorted(set(wanted) - set(fields))
    if missing:
        raise UserError(f"{folder}: no field for lead time {', '.join(map(str, missing))} h in what the model wrote")
    lost = _lost_fields(fields, wanted) if same_fields else None
    if lost:
        raise UserError(f"{folder}: {lost}")
    return files, {lead: counts.total() for lead, counts in fields.items()}


def _make_links_relative(folder: Path) -> None:
    """Let links within a forecast stay right where it is moved to."""
    roots = (folder, Path(os.path.realpath(folder)))
    for link in [path for path in folder.rglob("*") if path.is_symlink()]:
        target = link.readlink()
        root = next((root for root in roots if target.is_relative_to(root)), None)
        if root:
            replace_link(link, os.path.relpath(folder / target.relative_to(root), link.parent))


def seal_forecast(spec: RunSpec, job: ForecastRequest, method: str, seconds: float) -> None:
    """Check what a model wrote and write `forecast.json`, by which a forecast is complete.

    Parameters
    ----------
    spec : the run as the plan has it
    job : the forecast
    method : how the environment was made visible
    seconds : how long the model ran

    Raises
    ------
    UserError
        Where the forecast is not whole, or what it was made from has changed meanwhile.
    """
    folder = job.output
    check_inputs(spec, job.checkpoint)
    _make_links_relative(folder)
    files, leads = _check_output(
        folder, spec.lead_times, runner_named(spec.runner).same_fields(read_yaml(folder / CONFIG_FILE))
    )
    files.append(folder / LOG)
    document = {
        "evalflow": __version__,
        "run_id": spec.run_id,
        "init_time": folder.name,
        "sha256": spec.sha256,
        "leads": {str(lead): leads[lead] for lead in sorted(leads)},
        "files": {str(path.relative_to(folder)): describe_file(path) for path in files},
        "environment": method,
        "seconds": round(seconds, 1),
        "gpus": job.gpus,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_over(folder / FORECAST_SEAL, to_json(document))


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
