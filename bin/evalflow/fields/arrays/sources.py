"""Forecasts and analyses in NetCDF and Zarr, as the config names them."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.archives import files_at, files_by_time, format_of
from evalflow.fields.arrays.anemoi import AnemoiArchive, is_dataset
from evalflow.fields.arrays.cf import Told
from evalflow.fields.arrays.grids import FindGrid
from evalflow.fields.arrays.named import Arrays
from evalflow.fields.arrays.netcdf import open_netcdf
from evalflow.fields.arrays.readers import CfArchive, CfForecast
from evalflow.fields.arrays.zarrs import open_zarr
from evalflow.fields.grid_files import GridFiles
from evalflow.fields.grids import Grid
from evalflow.fields.specs import SourceSpec, TruthSpec


def forecast(source: SourceSpec, init_time: datetime, files: list[Path]) -> CfForecast:
    """Return the forecast of an init time, in files of its own or in stores of many init times."""
    open_one = _open if source.pattern is not None else _open_again
    return CfForecast(
        [open_one(file) for file in files],
        init_time,
        told=Told(units=source.units),
        find_grid=GridFiles(source.grids).find,
        of_one_init_time=source.pattern is not None,
    )


def archive(truth: TruthSpec) -> "AnemoiArchive | CfArchive | CfFiles":
    """Return the analyses of a root: one store, files by valid time, or all files below it."""
    root, told = Path(truth.root or ""), Told(truth.columns, truth.units)
    find_grid = GridFiles(truth.grids).find
    groups = [_readable(files) for files in files_by_time(root, truth.pattern)]
    if [len(group) for group in groups] != [1]:
        return CfFiles(root, truth.pattern, told, find_grid)
    arrays = _open(groups[0][0])
    return (
        AnemoiArchive(arrays, told=told) if is_dataset(arrays) else CfArchive([arrays], told=told, find_grid=find_grid)
    )


def _open(path: Path) -> Arrays:
    return open_zarr(path) if path.is_dir() else open_netcdf(path)


# A store of all init times is asked for each of them.
_open_again = lru_cache(maxsize=4)(_open)


def _readable(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if format_of(file) in ("netcdf", "zarr")]


class CfFiles:
    """Analyses or observations in many files; see `reader.Archive`.

    Those of one time are open at once, no more. With a pattern the name of a file says which valid
    times it has. Without one, all are looked into once.
    """

    def __init__(self, root: Path, pattern: str | None, told: Told, find_grid: FindGrid) -> None:
        """Look for the files.

        Parameters
        ----------
        root, pattern : as of `archives.files_at`
        told, find_grid : as of `CfArchive`

        Raises
        ------
        UserError
            Where there are none.
        """
        self.where = str(root / pattern) if pattern else str(root)
        self.notes: list[str] = []
        self._root, self._pattern, self._told, self._find_grid = root, pattern, told, find_grid
        groups = [tuple(_readable(files)) for files in files_by_time(root, pattern)]
        self._groups = [group for group in groups if group]
        if not self._groups:
            raise UserError(f"{self.where}: no file of NetCDF or Zarr")
        if pattern is None:
            self._groups = [(file,) for file in self._groups[0]]
        self._last: tuple[tuple[Path, ...], CfArchive] | None = None

    def _archive(self, files: tuple[Path, ...]) -> CfArchive:
        if self._last is None or self._last[0] != files:
            found = CfArchive([_open(file) for file in files], told=self._told, find_grid=self._find_grid)
            self.notes += [note for note in found.notes if note not in self.notes]
            self._last = (files, found)
        return self._last[1]

    @cached_property
    def _first_with(self) -> dict[str, tuple[Path, ...]]:
        """Param → files that have it: of all, or of the first, the middle and the last."""
        count = len(self._groups)
        shown = {0, count // 2, count - 1} if self._pattern else range(count)
        found: dict[str, tuple[Path, ...]] = {}
        for place in sorted(shown):
            for param in self._archive(self._groups[place]).params():
                found.setdefault(param, self._groups[place])
        return found

    @cached_property
    def _times(self) -> dict[datetime, tuple[Path, ...]]:
        """Valid time → files."""
        found: dict[datetime, tuple[Path, ...]] = {}
        for files in self._groups:
            one = self._archive(files)
            for time in {time for param in one.params() for time in one.valid_times(param)}:
                found[time] = (*found.get(time, ()), *files)
        return found

    def _files(self, time: datetime) -> tuple[Path, ...]:
        if self._pattern is None:
            return self._times.get(time, ())
        return tuple(_readable(files_at(self._root, self._pattern, time)))

    def params(self) -> set[str]:
        """Return the params that are held directly."""
        return set(self._first_with)

    def _of(self, param: str) -> CfArchive:
        if param not in self._first_with:
            there = ", ".join(sorted(self._first_with)) or "no param that is known"
            raise UserError(f"{self.where}: no {param}; there are {there}")
        return self._archive(self._first_with[param])

    def files(self, params: Iterable[str], valid_times: Iterable[datetime]) -> list[Path]:
        """Return the files of some valid times."""
        return sorted({file for time in valid_times for file in self._files(time)})

    def members(self, param: str) -> list[str]:
        """Return the ensemble members of a param."""
        return self._of(param).members(param)

    def describe(self, param: str, time: datetime | None = None) -> str:
        """Return a file that has a param (at a time), the variable and its units."""
        files = self._files(time) if time is not None else ()
        one = self._archive(files) if files else self._of(param)
        return (one if param in one.params() else self._of(param)).describe(param)

    def grid(self, param: str) -> Grid:
        """Return the points that values of a param belong to."""
        if param not in self._grids:
            self._grids[param] = self._of(param).grid(param)
        return self._grids[param]

    @cached_property
    def _grids(self) -> dict[str, Grid]:
        return {}

    def valid_times(self, param: str) -> list[datetime]:
        """Return the valid times of all files, sorted: each is looked into once."""
        self.grid(param)
        return sorted(self._times)

    def accumulation(self, param: str, valid_time: datetime) -> timedelta | None:
        """Return the length of the time that the values at a valid time are a sum of, or None."""
        files = self._files(valid_time)
        one = self._archive(files) if files else self._of(param)
        return (one if param in one.params() else self._of(param)).accumulation(param, valid_time)

    def packing(self, param: str, valid_time: datetime) -> float:
        """Return how far two values of a param at a valid time are apart in the file; 0: not packed."""
        files = self._files(valid_time)
        one = self._archive(files) if files else self._of(param)
        return one.packing(param, valid_time) if param in one.params() else 0.0

    def read(self, param: str, valid_time: datetime, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a valid time, missing where there are none."""
        for _, _, values in self.read_many([param], [valid_time], member):
            return values
        return np.full(self.grid(param).size, np.nan, dtype=np.float32)

    def read_many(
        self, params: Iterable[str], valid_times: Iterable[datetime], member: str | None = None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        """Yield (param, valid time, values) of what there is, in order of time.

        Each file is read once.
        """
        names = list(dict.fromkeys(params))
        sizes = {name: self.grid(name).size for name in names}
        for files, times in groupby(sorted(set(valid_times)), key=self._files):
            if files:
                one = self._archive(files)
                held = [name for name in names if name in one.params()]
                for name, time, values in one.read_many(held, times, member):
                    if values.size != sizes[name]:
                        raise UserError(f"{one.describe(name)} has {values.size} points, others {sizes[name]}")
                    yield name, time, values
