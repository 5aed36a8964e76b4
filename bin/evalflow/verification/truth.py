"""A block's truth, read from the archive once: its fields at the points of the domain, one chunk per field.

Every source of the block is verified against this copy, which lies in the work folder. Precipitation since the start of a
forecast (`TOT_PREC`) is kept as amounts between one time that is needed and the next: the sum over a forecast is theirs.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np

from evalflow.errors import UserError
from evalflow.fields.derived import DerivedArchive
from evalflow.fields.open import open_truth
from evalflow.fields.points.mapping import Mapping
from evalflow.store.files import new_in_store
from evalflow.store.layout import init_time_of
from evalflow.verification.domain import DomainFound
from evalflow.verification.opening import lead_times_of, truth_spec
from evalflow.verification.packs import Pack
from evalflow.verification.points import find_points
from evalflow.verification.spec import SourceEntry, VerificationSpec

SINCE_START = "TOT_PREC"
_EPOCH = datetime(1970, 1, 1)
_DAY = timedelta(days=1)


def last_day_before(init_time: datetime, valid_time: datetime) -> datetime:
    """Return the last time not after the init time that is a whole number of days before the valid time."""
    days = math.ceil((valid_time - init_time) / _DAY)
    return valid_time - days * _DAY


def times_needed(source: SourceEntry, init_time: datetime, params: Iterable[str]) -> dict[str, set[datetime]]:
    """Return param → the times of the truth that verifying one forecast needs, and that making it needs where it is built in."""
    lead_times = lead_times_of(source)
    valid = {init_time + lead_time for lead_time in lead_times}
    made_of: set[datetime] = set()
    if source.builtin == "persistence":
        made_of = {init_time}
    elif source.builtin == "persistence_24h":
        made_of = {last_day_before(init_time, time) for time in valid}
    needed = {}
    for param in params:
        needed[param] = valid | made_of | ({init_time} if param == SINCE_START else set())
    return needed


def times_of_packs(spec: VerificationSpec, found: DomainFound, packs: list[Pack]) -> dict[str, list[datetime]]:
    """Return param → the times of the truth that the packs of a block need, rising."""
    needed: dict[str, set[datetime]] = {}
    for source in [spec.sources[number] for number in sorted({pack.source for pack in packs})]:
        params = found.sources[source.source_id].params
        for init_time in sorted({name for pack in packs for name in pack.init_times}):
            for param, times in times_needed(source, init_time_of(init_time), params).items():
                needed.setdefault(param, set()).update(times)
    return {param: sorted(times) for param, times in sorted(needed.items())}


def _minutes(time: datetime) -> int:
    return round((time - _EPOCH).total_seconds() / 60)


class _Copier:
    """Writes the fields of one truth to a file."""

    def __init__(self, truth: DerivedArchive, file: netCDF4.Dataset, points: int) -> None:
        self.truth, self.file, self.points = truth, file, points
        file.createDimension("point", points)

    def variable(self, param: str, times: list[datetime]) -> netCDF4.Variable:
        """Make the variable of a param: all missing, one chunk per time."""
        self.file.createDimension(f"time_of_{param}", len(times))
        axis = self.file.createVariable(f"time_of_{param}", "i4", (f"time_of_{param}",))
        axis.units = "minutes since 1970-01-01"
        axis[:] = [_minutes(time) for time in times]
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
                variables[param][places[param][time], :] = from_grid[param].apply(values)
        for place, values in self._amounts(needed.get(SINCE_START, [])):
            variables[SINCE_START][place, :] = from_grid[SINCE_START].apply(values)

    def _amounts(self, times: list[datetime]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield place and precipitation since the time before, of each but the first time."""
        for place in range(1, len(times)):
            yield place, self.truth.read_sum(times[place - 1], times[place])


def copy_truth(spec: VerificationSpec, found: DomainFound, packs: list[Pack], output: Path) -> list[str]:
    """Write the truth that the packs of one block need to the NetCDF file `output`, and return notes, a line each.

    Raises
    ------
    UserError
        Where the archive cannot be read.
    """
    truth = open_truth(truth_spec(spec, spec.truths[found.truth]))
    needed = times_of_packs(spec, found, packs)
    from_grid = {param: find_points(spec, found, truth.grid(param), "truth") for param in needed}
    with new_in_store(output) as temporary, netCDF4.Dataset(temporary, "w") as file:
        _Copier(truth, file, found.points).copy(needed, from_grid)
    return truth.notes


class TruthCopy:
    """Fields of a truth at the points of the domain, from the copy of a block."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = netCDF4.Dataset(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error}); launch again") from None
        self._file.set_auto_mask(False)
        self._times: dict[str, list[datetime]] = {}
        self._kept: dict[tuple[str, datetime], np.ndarray] = {}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def times(self, param: str) -> list[datetime]:
        """Return the times of a param, rising."""
        if param not in self._times:
            minutes = self._file.variables[f"time_of_{param}"][:] if param in self._file.variables else []
            self._times[param] = [_EPOCH + timedelta(minutes=int(one)) for one in minutes]
        return self._times[param]

    def read(self, param: str, time: datetime) -> np.ndarray:
        """Return a field (float32 [points]); all missing where the copy has no such time."""
        times = self.times(param)
        place = bisect_left(times, time)
        if place == len(times) or times[place] != time:
            return np.full(self._file.dimensions["point"].size, np.nan, np.float32)
        return self._file.variables[param][place, :]

    def read_at(self, param: str, init_time: datetime, lead_time: timedelta) -> np.ndarray:
        """Return the truth of a forecast (float32 [points]): of TOT_PREC the amount since the init time."""
        valid = init_time + lead_time
        if param != SINCE_START:
            return self.read(param, valid)
        between = [time for time in self.times(param) if init_time < time <= valid]
        if not between or between[-1] != valid or init_time not in self.times(param):
            return np.full(self._file.dimensions["point"].size, np.nan, np.float32)
        amounts = np.array([self.read(param, time) for time in between], np.float64)
        return amounts.sum(axis=0).astype(np.float32)
