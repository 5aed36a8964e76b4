"""A block's truth, read from the archive once: fields at the points, one chunk per field.

Every source of the block is verified against this copy, which lies in the work folder.
Precipitation since the start of a forecast (`TOT_PREC`) is kept as amounts between one time that is
needed and the next: the sum over a forecast is theirs.
"""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np

from evalflow.errors import UserError
from evalflow.fields.derived import DerivedArchive
from evalflow.fields.open import open_truth
from evalflow.fields.params import param_named
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.quality import problem_with_field
from evalflow.reading.opening import last_day_before, lead_times_of
from evalflow.store.layout import init_time_of
from evalflow.verification.files import new_netcdf
from evalflow.verification.found import DomainFound
from evalflow.verification.map_files import cells_of
from evalflow.verification.opening import truth_spec
from evalflow.verification.packs import Pack, ten_days
from evalflow.verification.points import find_points
from evalflow.verification.spec import SourceEntry, VerificationSpec

SINCE_START = "TOT_PREC"
_EPOCH = datetime(1970, 1, 1)
_MINUTE = timedelta(minutes=1)


def minutes_of(length: timedelta) -> int:
    """Return a length of time in whole minutes."""
    return round(length / _MINUTE)


def times_needed(source: SourceEntry, init_time: datetime, lead_time: timedelta, param: str) -> set[datetime]:
    """Return the times of truth that one field needs, also to make it if it is built in."""
    valid = init_time + lead_time
    needed = {valid}
    if source.builtin == "persistence":
        needed.add(init_time)
    elif source.builtin == "persistence_24h":
        needed.add(last_day_before(init_time, valid))
    if param == SINCE_START:
        needed.add(init_time)
    return needed


def times_of_packs(spec: VerificationSpec, found: DomainFound, packs: list[Pack]) -> dict[str, list[datetime]]:
    """Return param → the times of the truth that the packs of a block need, rising."""
    needed: dict[str, set[datetime]] = {}
    block_of = ten_days(spec.init_times)
    for pack in packs:
        source = spec.sources[pack.source]
        params, leads = found.sources[source.source_id].params, lead_times_of(source)
        fields = [(param, lead, pack.init_times) for param in params for lead in leads]
        fields += [
            (param, timedelta(minutes=minutes), block_of[block])
            for param, minutes in cells_of(spec.maps, source)
            for block in pack.maps
            if param in params
        ]
        for param, lead_time, names in fields:
            for init_time in map(init_time_of, names):
                needed.setdefault(param, set()).update(times_needed(source, init_time, lead_time, param))
    return {param: sorted(times) for param, times in sorted(needed.items())}


class _Copier:
    """Writes the fields of one truth to a file.

    Attributes
    ----------
    notes : fields that cannot be right and are left out, a line each
    """

    def __init__(self, truth: DerivedArchive, file: netCDF4.Dataset, points: int) -> None:
        self.truth, self.file, self.points = truth, file, points
        self.notes: list[str] = []
        file.createDimension("point", points)

    def variable(self, param: str, times: list[datetime]) -> netCDF4.Variable:
        """Make the variable of a param: all missing, one chunk per time."""
        self.file.createDimension(f"time_of_{param}", len(times))
        axis = self.file.createVariable(f"time_of_{param}", "i4", (f"time_of_{param}",))
        axis.units = "minutes since 1970-01-01"
        axis[:] = [minutes_of(time - _EPOCH) for time in times]
        self.file.createVariable(f"packing_of_{param}", "f8", (f"time_of_{param}",))[:] = np.zeros(len(times))
        return self.file.createVariable(
            param, "f4", (f"time_of_{param}", "point"), chunksizes=(1, self.points), fill_value=np.float32(np.nan)
        )

    def copy(self, needed: dict[str, list[datetime]], from_grid: dict[str, Mapping]) -> None:
        """Copy fields; the archive is gone through once for all params."""
        variables = {param: self.variable(param, times) for param, times in needed.items()}
        places = {param: {time: place for place, time in enumerate(times)} for param, times in needed.items()}
        together = [param for param in needed if param != SINCE_START]
        all_times = sorted({time for param in together for time in needed[param]})
        for param, time, values in self.truth.read_many(together, all_times):
            if time in places[param]:
                self._write(variables[param], places[param][time], time, from_grid[param].apply(values))
                self.file.variables[f"packing_of_{param}"][places[param][time]] = self.truth.packing(param, time)
        times = needed.get(SINCE_START, [])
        for place in range(1, len(times)):
            values = self.truth.read_sum(times[place - 1], times[place])
            self._write(variables[SINCE_START], place, times[place], from_grid[SINCE_START].apply(values))
            terms = self.truth.terms_of_sum(times[place - 1], times[place])
            self.file.variables[f"packing_of_{SINCE_START}"][place] = self.truth.packing_of(terms or [])

    def _write(self, variable: netCDF4.Variable, place: int, time: datetime, values: np.ndarray) -> None:
        if np.isnan(values).all():
            return
        problem = problem_with_field(values, param_named(variable.name))
        if problem:
            self.notes.append(f"truth {self.truth.describe(variable.name, time)}: {problem}; the field is left out")
        else:
            variable[place, :] = values


def copy_truth(spec: VerificationSpec, found: DomainFound, packs: list[Pack], output: Path) -> list[str]:
    """Write the truth that a block's packs need to the NetCDF file `output`; return notes.

    Raises
    ------
    UserError
        Where the archive cannot be read.
    """
    truth = open_truth(truth_spec(spec, spec.truths[found.truth]))
    needed = times_of_packs(spec, found, packs)
    from_grid = {}
    for param in needed:
        from_grid[param] = find_points(spec, found, truth.grid(param), "truth")
        truth.use_only(param, from_grid[param].used)
    with new_netcdf(output) as file:
        copier = _Copier(truth, file, found.points)
        copier.copy(needed, from_grid)
        notes = [*truth.notes, *copier.notes]
        file.notes = json.dumps(notes)
    return notes


def write_problem(output: Path, problem: str) -> None:
    """Write in place of a copy why there is none."""
    with new_netcdf(output) as file:
        file.problem = problem


class TruthCopy:
    """Fields of a truth at the points of the domain, from the copy of a block.

    Attributes
    ----------
    notes : what was left out or repaired, a line each

    Raises
    ------
    UserError
        Where there is no copy, for the reason that was given in its place.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = netCDF4.Dataset(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error}); launch again") from None
        if "problem" in self._file.ncattrs():
            raise UserError(self._file.problem)
        self._file.set_auto_mask(False)
        self.notes: list[str] = json.loads(self._file.notes)
        self._times: dict[str, list[datetime]] = {}
        self._packings: dict[str, np.ndarray] = {}
        self._since: tuple[datetime, datetime, np.ndarray] | None = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def times(self, param: str) -> list[datetime]:
        """Return the times of a param, rising."""
        if param not in self._times:
            minutes = self._file.variables[f"time_of_{param}"][:] if param in self._file.variables else []
            self._times[param] = [_EPOCH + timedelta(minutes=int(one)) for one in minutes]
        return self._times[param]

    def _missing(self) -> np.ndarray:
        return np.full(self._file.dimensions["point"].size, np.nan, np.float32)

    def read(self, param: str, time: datetime) -> np.ndarray:
        """Return a field (float32 [points]); all missing where the copy has no such time."""
        times = self.times(param)
        place = bisect_left(times, time)
        if place == len(times) or times[place] != time:
            return self._missing()
        return self._file.variables[param][place, :]

    def packing(self, param: str, start: datetime, end: datetime | None = None) -> float:
        """Return how far two values of a field are apart in the archive, in a sum that of its parts; 0: not packed."""
        times = self.times(param)
        if param not in self._packings:
            there = param in self._file.variables
            self._packings[param] = self._file.variables[f"packing_of_{param}"][:] if there else np.zeros(0)
        if end is None:
            places = slice(bisect_left(times, start), bisect_right(times, start))
        else:
            places = slice(bisect_right(times, start), bisect_right(times, end))
        return float(self._packings[param][places].sum())

    def packing_at(self, param: str, init_time: datetime, lead_time: timedelta) -> float:
        """Return the same of a forecast's truth."""
        valid = init_time + lead_time
        return self.packing(param, init_time, valid) if param == SINCE_START else self.packing(param, valid)

    def read_at(self, param: str, init_time: datetime, lead_time: timedelta) -> np.ndarray:
        """Return a forecast's truth (float32 [points]); TOT_PREC is the amount since the init time."""
        valid = init_time + lead_time
        if param != SINCE_START:
            return self.read(param, valid)
        times = self.times(param)
        if init_time not in times or valid not in times:
            return self._missing()
        for time, total in self._sums_until(times, init_time, valid):
            self._since = init_time, time, total
        assert self._since is not None
        return self._since[2].astype(np.float32)

    def _sums_until(
        self, times: list[datetime], init_time: datetime, valid: datetime
    ) -> Iterator[tuple[datetime, np.ndarray]]:
        """Yield sums since the init time, from the last one asked for if that is earlier."""
        start, total = init_time, np.zeros(self._file.dimensions["point"].size)
        if self._since is not None and self._since[0] == init_time and self._since[1] <= valid:
            _, start, total = self._since
        yield start, total
        for time in times[bisect_left(times, start) + 1 : bisect_left(times, valid) + 1]:
            total = total + self.read(SINCE_START, time)
            yield time, total


def hours_summed(param: str, start: datetime, end: datetime) -> Iterable[datetime]:
    """Return when the amounts that make a sum may end: each whole hour of it.

    Of what is no sum, it is the end.
    """
    about = param_named(param)
    if not about.accumulated:
        return [end]
    hours = about.hours or math.ceil((end - start) / timedelta(hours=1))
    return [end - timedelta(hours=hour) for hour in range(max(hours, 1))]
