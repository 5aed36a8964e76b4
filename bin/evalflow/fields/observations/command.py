"""Station observations that a command prints: CSV, for the span of time that it is given."""

import subprocess
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.observations.files import month_of
from evalflow.fields.observations.stations import StationArchive, read_stations
from evalflow.fields.observations.tables import Rows, open_table, read_rows
from evalflow.fields.params import param_named

_OBSERVED = (
    "T_2M", "TD_2M", "RELHUM_2M", "SP_10M", "DD_10M", "VMAX_10M", "PS", "PMSL", "CLCT", "H_SNOW",
    "TOT_PREC1", "TOT_PREC3", "TOT_PREC6", "TOT_PREC12", "TOT_PREC24",
)  # fmt: skip
"""What a command may print: what it does print is known only once it is called for a time."""


class TableCommand:
    """A command that prints a table of observations; see `stations.Source`.

    It is called once a calendar month.
    """

    def __init__(self, command: Sequence[str], told: Told) -> None:
        """Make a source.

        Parameters
        ----------
        command : program and arguments, in which {start} and {end} stand for the first and last
            valid time, such as 2020-01-31T23:00 (UTC, both included)
        told : what the config says of columns and units
        """
        self.where = command[0]
        self.notes: list[str] = []
        self._command, self._told = list(command), told
        roles = {"station", "time", "param", "value", "units", "lat", "lon", "elevation", "name"}
        self._named = {param_named(name).name for name in told.columns.values() if name not in roles}

    def params(self) -> set[str]:
        """Return the params that `columns` names, else all that stations observe."""
        return self._named or set(_OBSERVED)

    def valid_times(self, param: str) -> None:
        """Return None: they are known only once they are asked for."""

    def spans(self, times: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
        """Return first and last of the times of each calendar month."""
        months = [list(part) for _, part in groupby(times, key=lambda time: (time.year, time.month))]
        return [(month[0], month[-1]) for month in months]

    def around(self, time: datetime) -> tuple[datetime, datetime]:
        """Return first and last minute of a time's month."""
        first, last = month_of(time)
        return first, last.replace(second=0, microsecond=0)

    def files(self, params: Collection[str], times: Sequence[datetime]) -> list[Path]:
        """Return no files: what a command prints comes from none that is known."""
        return []

    def load(self, params: Collection[str], first: datetime, last: datetime) -> list[tuple[str, Rows]]:
        """Return the rows that the command prints.

        Raises
        ------
        UserError
            Where it cannot be started, fails, or prints no table.
        """
        table = open_table(self._output(first, last), f"output of {self.where}")
        rows = read_rows(table, f"output of {self.where}", self._told, params=params, period=(first, last))
        return [(f"output of {self.where}", rows)]

    def _output(self, first: datetime, last: datetime) -> bytes:
        times = {"{start}": first, "{end}": last}
        words = list(self._command)
        for mark, time in times.items():
            words = [word.replace(mark, f"{time:%Y-%m-%dT%H:%M}") for word in words]
        try:
            done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.where}: cannot be started: {getattr(error, 'strerror', None) or error}") from None
        if done.returncode != 0:
            said = last_line(done.stderr) or last_line(done.stdout) or "it says nothing"
            raise UserError(f"{self.where}: failed with status {done.returncode} for {first} to {last}: {said}")
        return done.stdout


def last_line(output: bytes) -> str:
    """Return the last line of a program's output that says something, shortened."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    line = lines[-1] if lines else ""
    return line if len(line) <= 200 else line[:199] + "…"


def open_command(command: Sequence[str], told: Told, stations: Path | None) -> StationArchive:
    """Return a reader of what a command prints.

    Parameters
    ----------
    command, told : as of `TableCommand`
    stations : table of the stations

    Raises
    ------
    UserError
        Where there is no table of stations: which there are must not depend on the time asked for.
    """
    if stations is None:
        raise UserError(
            f"{command[0]}: observations of a command need the key `stations`: a table with station, lat, lon"
        )
    return StationArchive(TableCommand(command, told), read_stations(stations, told))
