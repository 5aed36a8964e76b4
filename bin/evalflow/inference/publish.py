"""The forecasts of a run in the store, and the names that lead to them.

A forecast lies in `.made/{init_time}.{8 hex digits}/` of its run's folder. It is whole from the
moment that it is there, nobody else can have its name, and it is never changed. Its public name,
`{init_time}`, is a relative link to it. A task stores forecasts and returns links to them. Nextflow
publishes these links: this makes the names. A whole forecast without a name (the launch was killed,
or the name could not be made) gets its name from the next plan, a retry, or the summary.

In old stores, forecasts are folders under their public names. They stay valid.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from evalflow.errors import UserError, describe_os_error
from evalflow.inference.proof import check_forecast
from evalflow.inference.spec import RunSpec
from evalflow.store.files import remove_dangling, replace_link, set_aside, store_folder
from evalflow.store.forecasts import list_made
from evalflow.store.layout import FORECAST_SEAL, MADE, is_init_time, made_forecast_name, made_init_time


@dataclass(frozen=True)
class StoredRun:
    """The forecasts of one run in the store.

    Attributes
    ----------
    folder : the run's folder
    sha256 : full digest of the run
    verify : compare the digest of every file, not only sizes
    """

    folder: Path
    sha256: str
    verify: bool = False

    def problem(self, init_time: str) -> str | None:
        """Return why no whole forecast has this name, or None where one has."""
        return check_forecast(self.folder / init_time, self.sha256, self.verify)

    def first_whole(self, made: list[Path]) -> Path | None:
        """Return the first whole forecast of some in `.made`: every process takes the same one."""
        return next((path for path in made if check_forecast(path, self.sha256, self.verify) is None), None)

    def find(self, init_time: str) -> Path | None:
        """Return where a whole forecast is, whether it has its name or not."""
        if self.problem(init_time) is None:
            return self._target(init_time) or self.folder / init_time
        return self.first_whole(list_made(self.folder).get(init_time, []))

    def has_forecasts(self) -> bool:
        """Return whether there is any forecast of the run: by its name, or still without."""
        sealed = self.folder.glob(f"[0-9]*/{FORECAST_SEAL}")  # in old stores, forecasts are not in `.made`
        return bool(list_made(self.folder)) or any(is_init_time(path.parent.name) for path in sealed)

    def _target(self, init_time: str) -> Path | None:
        """Return which forecast in `.made` a name leads to, even if gone; None for other things."""
        try:
            target = Path(os.readlink(self.folder / init_time))
        except OSError:
            return None
        is_ours = target.parts[:-1] == (MADE,) and made_init_time(target.name) == init_time
        return self.folder / target if is_ours else None

    def give_name(self, init_time: str, made: Path) -> None:
        """Let a forecast's public name lead to one in `.made`. What has that name already stays."""
        try:
            os.symlink(f"{MADE}/{made.name}", self.folder / init_time)
        except FileExistsError:
            pass

    def free_name(self, init_time: str) -> Path | None:
        """Set aside what has a forecast's name and is not whole. Return where it is now, or None.

        Raises
        ------
        UserError
            Where it cannot be moved.
        """
        name, made = self.folder / init_time, self._target(init_time)
        if (check_forecast(made, self.sha256, self.verify) if made else self.problem(init_time)) is None:
            return None  # another launch was faster
        if made is None:
            return set_aside(name) if os.path.lexists(name) else None
        aside = set_aside(made, name) if os.path.lexists(made) else None
        remove_dangling(name)
        return aside

    def store(self, folder: Path, init_time: str) -> tuple[Path, bool]:
        """Put a whole forecast into the store.

        Return where it is, and whether that is ours: another task may have been faster.
        """
        there = self.find(init_time)
        if there:
            return there, False
        final = self.folder / MADE / made_forecast_name(init_time)
        store_folder(folder, final)
        with suppress(OSError, UserError):  # its name can wait: the next plan says what is in the way
            self.free_name(init_time)
        return final, True

    def list_spare(self, init_time: str, made: list[Path]) -> list[Path]:
        """Return which forecasts in `.made` nobody needs, since another one has the public name."""
        target = self._target(init_time)
        return [path for path in made if path != target] if os.path.lexists(self.folder / init_time) else []

    def bring(self, init_time: str, stored: Path, output: Path) -> None:
        """Make `output/{init_time}` a link to a forecast in the store, right in both places."""
        replace_link(output / MADE, str(self.folder / MADE))
        replace_link(output / init_time, f"{MADE}/{stored.name}" if stored.parent.name == MADE else str(stored))


def complain(spec: RunSpec, init_time: str, what: str) -> None:
    """Say one line about a forecast."""
    click.echo(f"evalflow: {spec.run_id} {init_time}: {what}", err=True)


def refuse_scratch() -> None:
    """Refuse another folder than the task's: Nextflow would copy what links lead to, or lose it."""
    # With `scratch`, Nextflow says that the other folder is the task's; its wrapper stays where it
    # is.
    if "NXF_TASK_WORKDIR" in os.environ and not os.path.exists(".command.run"):
        raise UserError(
            "process.scratch: forecasts are stored by their tasks, and Nextflow must not copy them; remove it from your "
            "config, or set process.withLabel:forecast.ext.on_node = true in its place"
        )


def _store_again(spec: RunSpec, run: StoredRun, folder: Path) -> Path:
    problem = check_forecast(folder, run.sha256, verify=True)
    if problem:
        raise UserError(f"{os.path.realpath(folder)}: {problem}; launch without -resume to make this forecast again")
    try:
        return run.store(folder, folder.name)[0]
    except OSError as error:
        raise UserError(
            f"{spec.run_id} {folder.name}: {describe_os_error(error)}; the forecast is made: with -resume, it only "
            "has to be stored"
        ) from None


def _store_stub(run: StoredRun, folder: Path) -> Path:
    """Store an empty forecast, or take the one that is there: a stub run may be launched again."""
    there = list_made(run.folder).get(folder.name)
    if there:
        return there[0]
    final = run.folder / MADE / made_forecast_name(folder.name)
    store_folder(folder, final)
    return final


def store_forecasts(spec: RunSpec, folders: list[Path], output: Path, stub: bool = False) -> None:
    """Store forecasts that are made, and make links to them, or to those that the store has by now.

    Parameters
    ----------
    spec : the run as the plan has it
    folders : whole forecasts of the run, each in a folder that is called by its init time
    output : folder to write the links to
    stub : whether they are those of a stub run, whose files are empty

    Raises
    ------
    UserError
        Where one is not, or no longer, whole, or cannot be stored.
    """
    refuse_scratch()
    run = StoredRun(spec.folder, spec.sha256)
    for folder in folders:
        stored = _store_stub(run, folder) if stub else _store_again(spec, run, folder)
        run.bring(folder.name, stored, output)
