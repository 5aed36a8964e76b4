"""Publish forecasts: give them their place in the store."""

import os
from pathlib import Path

import click

from evalflow.errors import UserError, describe_os_error
from evalflow.inference.proof import check_forecast
from evalflow.inference.spec import RunSpec
from evalflow.store.files import publish_folder, set_aside


def complain(spec: RunSpec, init_time: str, what: str) -> None:
    click.echo(f"evalflow: {spec.run_id} {init_time}: {what}", err=True)


def publish(spec: RunSpec, folder: Path) -> bool:
    """Put a whole forecast into the store. Return whether what is there now is ours."""
    final = spec.folder / folder.name
    if os.path.lexists(final) and check_forecast(final, spec.sha256) is not None:
        set_aside(final)
    return publish_folder(folder, final)


def try_to_publish(spec: RunSpec, folder: Path) -> bool:
    """Do what `publish` does; where that fails, it is made all the same: PUBLISH_FORECASTS tries again, and may fail."""
    try:
        return publish(spec, folder)
    except (OSError, UserError) as error:
        why = describe_os_error(error) if isinstance(error, OSError) else error
        complain(spec, folder.name, f"made, but not published: {why}")
        return True


def publish_forecasts(spec: RunSpec, folders: list[Path], stub: bool = False) -> None:
    """Put forecasts that are made into the store; what is there already stays.

    Parameters
    ----------
    spec : the run as the plan has it
    folders : complete forecasts of the run, each in a folder that is called by its init time
    stub : whether they are those of a stub run, whose files are empty

    Raises
    ------
    UserError
        Where one is not, or no longer, complete.
    """
    for folder in folders:
        if stub:
            publish_folder(folder, spec.folder / folder.name)
            continue
        problem = check_forecast(folder, spec.sha256, verify=True)
        if problem:
            raise UserError(
                f"{os.path.realpath(folder)}: {problem}; launch without -resume to make this forecast again"
            )
        try:
            publish(spec, folder)
        except OSError as error:
            raise UserError(
                f"{spec.run_id} {folder.name}: {describe_os_error(error)}; the forecast is made: with -resume, it only "
                "has to be published"
            ) from None
