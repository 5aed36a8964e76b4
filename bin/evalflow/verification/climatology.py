"""The climatology of a truth: means over a reference period by hour of the day and time of the year.

It is stored once ever, a file for each param, month-day and hour that was needed so far would be many files; so it is one file
per set of days that are needed, named by what it is made from.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np

from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.fields.derived import DerivedArchive
from evalflow.fields.open import open_truth
from evalflow.store.files import new_in_store
from evalflow.store.layout import comparison_folder, init_time_of
from evalflow.verification.domain import DomainFound
from evalflow.verification.opening import lead_times_of, truth_spec
from evalflow.verification.points import find_points
from evalflow.verification.spec import ReferenceSpec, VerificationSpec

VERSION = 1


def day_key(time: datetime) -> str:
    """Return what times of different years share: `mmddHHMM`. 29 February counts as the 28th."""
    return f"0228{time:%H%M}" if (time.month, time.day) == (2, 29) else f"{time:%m%d%H%M}"


def days_needed(spec: VerificationSpec) -> list[str]:
    """Return the keys of all valid times of an experiment, rising."""
    lead_times = {lead_time for source in spec.sources for lead_time in lead_times_of(source)}
    return sorted({day_key(init_time_of(name) + lead_time) for name in spec.init_times for lead_time in lead_times})


def climatology_path(spec: VerificationSpec, found: DomainFound, reference: ReferenceSpec) -> Path:
    """Return where the climatology of a comparison is in the store: named by reference period, params and days."""
    about = [VERSION, reference.model_dump(), sorted(found.params), days_needed(spec)]
    return comparison_folder(spec.store, found.verif_id) / f"climatology-{digest(about)[:12]}.nc"


def references(spec: VerificationSpec) -> list[ReferenceSpec]:
    """Return the reference periods of an experiment, each once."""
    found = {source.reference.to_json(): source.reference for source in spec.sources if source.reference}
    return list(found.values())


def _times_around(key: str, reference: ReferenceSpec) -> list[datetime]:
    """Return the times of a reference period within the window of days around a key, at its hour."""
    start, end = datetime.fromisoformat(reference.start), datetime.fromisoformat(reference.end)
    times = set()
    for year in range(start.year - 1, end.year + 2):
        middle = datetime.strptime(f"{year}{key}", "%Y%m%d%H%M")
        for days in range(-reference.window, reference.window + 1):
            time = middle + timedelta(days=days)
            if start <= time <= end:
                times.add(time)
    return sorted(times)


def _means(truth: DerivedArchive, param: str, keys: Iterable[str], reference: ReferenceSpec) -> dict[str, np.ndarray]:
    """Return key → mean over the times around it (float64), missing where no time has a value."""
    around = {key: _times_around(key, reference) for key in keys}
    keys_of: dict[datetime, list[str]] = {}
    for key, times in around.items():
        for time in times:
            keys_of.setdefault(time, []).append(key)
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, np.ndarray] = {}
    for _, time, values in truth.read_many([param], sorted(keys_of)):
        there = np.isfinite(values)
        for key in keys_of[time]:
            if key not in sums:
                sums[key], counts[key] = np.zeros(values.size), np.zeros(values.size, np.int32)
            sums[key][there] += values[there]
            counts[key] += there
    return {
        key: np.divide(sums[key], counts[key], out=np.full(sums[key].size, np.nan), where=counts[key] > 0)
        for key in sums
    }


def make_climatology(spec: VerificationSpec, found: DomainFound, reference: ReferenceSpec) -> Path:
    """Put the climatology of a reference period into the store, where it is not there yet, and return its path.

    Raises
    ------
    UserError
        Where the archive cannot be read, or has nothing of the reference period.
    """
    path = climatology_path(spec, found, reference)
    if path.exists():
        return path
    truth = open_truth(truth_spec(spec, spec.truths[found.truth]))
    keys = days_needed(spec)
    with new_in_store(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.createDimension("point", found.points)
        file.createDimension("day", len(keys))
        file.setncattr_string("days", keys)
        for param in found.params:
            mapping = find_points(spec, found, truth.grid(param), "truth")
            variable = file.createVariable(
                param, "f4", ("day", "point"), chunksizes=(1, found.points), fill_value=np.float32(np.nan)
            )
            means = _means(truth, param, keys, reference)
            if not means:
                raise UserError(
                    f"truth {spec.truths[found.truth].label}: has no {param} from {reference.start} to {reference.end}, the "
                    "reference period of a climatology; choose another period"
                )
            for key, values in means.items():
                variable[keys.index(key), :] = mapping.apply(values.astype(np.float32))
    return path


class Climatology:
    """A climatology as the store has it, at the points of the domain."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = netCDF4.Dataset(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error}); remove it, and it is made again") from None
        self._file.set_auto_mask(False)
        days = self._file.getncattr("days")
        self._places = {key: place for place, key in enumerate([days] if isinstance(days, str) else days)}

    def read(self, param: str, time: datetime) -> np.ndarray | None:
        """Return the mean (float32 [points]) at a valid time, or None where there is none."""
        if param not in self._file.variables or day_key(time) not in self._places:
            return None
        return self._file.variables[param][self._places[day_key(time)], :]
