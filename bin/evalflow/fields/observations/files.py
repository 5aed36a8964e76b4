"""Station observations in files: one table, or tables by a pattern of the valid time."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.archives import files_at, files_by_time, format_of
from evalflow.fields.arrays.cf import Told
from evalflow.fields.observations.stations import StationArchive, first_places, read_stations, stations_of
from evalflow.fields.observations.tables import Rows, open_table, params_in, read_rows


def month_of(time: datetime) -> tuple[datetime, datetime]:
    """Return first and last instant of a time's calendar month."""
    start = time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return start, (start + timedelta(days=32)).replace(day=1) - timedelta(microseconds=1)


def _day_of(time: datetime) -> tuple[datetime, datetime]:
    start = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return start, start + timedelta(days=1) - timedelta(microseconds=1)


class TableFiles:
    """Tables of observations in files; see `stations.Source`."""

    def __init__(self, root: Path, pattern: str | None, told: Told, stations: Path | None = None) -> None:
        """Look for the files.

        Parameters
        ----------
        root : a file, or the folder of the files
        pattern : of their names, with directives of strftime for the valid time; None: all tables
            below `root`
        told : what the config says of columns and units
        stations : table of the stations, which may be among them

        Raises
        ------
        UserError
            Where there are none.
        """
        self.where = str(root / pattern) if pattern else str(root)
        self.notes: list[str] = []
        self._root, self._pattern, self._told, self._stations = root, pattern, told, stations
        if not self._groups:
            raise UserError(f"{self.where}: no such file")

    @cached_property
    def _groups(self) -> list[list[Path]]:
        groups = files_by_time(self._root, self._pattern) if self._root.exists() else []
        return [tables for files in groups if (tables := self._tables(files))]

    def _tables(self, files: list[Path]) -> list[Path]:
        return [file for file in files if file != self._stations and format_of(file) == "table"]

    def params(self) -> set[str]:
        """Return the params of the first, the middle and the last file."""
        return self._params

    @cached_property
    def _params(self) -> set[str]:
        shown = {0, len(self._groups) // 2, len(self._groups) - 1}
        files = [file for group in sorted(shown) for file in self._groups[group]]
        return set().union(*(params_in(open_table(file, str(file)), str(file), self._told) for file in files))

    def valid_times(self, param: str) -> list[datetime]:
        """Return the times of all rows, sorted."""
        times = [rows.times for _, rows in self.rows((), None)]
        return [time.astype(datetime) for time in np.unique(np.concatenate(times))]

    def rows(self, params: Collection[str], period: tuple[datetime, datetime] | None) -> Iterator[tuple[str, Rows]]:
        """Yield the rows of all files."""
        for file in sorted({file for group in self._groups for file in group}):
            yield str(file), read_rows(open_table(file, str(file)), str(file), self._told, params=params, period=period)

    def spans(self, times: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
        """Return the parts of `times` that are in the same files."""
        parts = [list(part) for _, part in groupby(times, key=self._files)]
        return [(part[0], part[-1]) for part in parts]

    def around(self, time: datetime) -> tuple[datetime, datetime]:
        """Return the month or the day of a time if it is in the same files, else the time alone."""
        for first, last in (month_of(time), _day_of(time)):
            if self._files(first) == self._files(last):
                return first, last
        return time, time

    def _files(self, time: datetime) -> list[Path]:
        return self._tables(files_at(self._root, self._pattern, time))

    def files(self, params: Collection[str], times: Sequence[datetime]) -> list[Path]:
        """Return the files of some times."""
        return sorted({file for time in times for file in self._files(time)})

    def load(self, params: Collection[str], first: datetime, last: datetime) -> Iterator[tuple[str, Rows]]:
        """Yield the rows of a span of time."""
        for file in sorted({*self._files(first), *self._files(last)}):
            table = open_table(file, str(file))
            yield str(file), read_rows(table, str(file), self._told, params=params, period=(first, last))


def open_tables(root: Path, pattern: str | None, told: Told, stations: Path | None) -> StationArchive:
    """Return a reader of station tables in files.

    Parameters
    ----------
    root, pattern, told : as of `TableFiles`
    stations : table of the stations, or None where the tables have lat and lon themselves. Name
        one where the archive grows: a new station makes another set of stations

    Raises
    ------
    UserError
        Where files or places are missing.
    """
    source = TableFiles(root, pattern, told, stations)
    if stations is not None:
        return StationArchive(source, read_stations(stations, told))
    known: dict[str, np.ndarray] = {}
    for where, rows in source.rows((), None):
        if rows.places is None:
            raise UserError(f"{where}: no columns lat and lon; the key `stations` names a table that has them")
        first_places(rows, known)
    if not known:
        raise UserError(f"{source.where}: no station has a latitude and longitude")
    return StationArchive(source, stations_of(list(known), np.array(list(known.values()))), fixed_places=False)
