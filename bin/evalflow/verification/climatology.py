"""The climatology of a truth: means over a reference period by hour and time of year.

It is stored once ever: in a folder for each reference period, with a file for the days and params
that were needed at first, and one for each later addition. Each field has a digest of its values:
what follows from it names it by that.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

import netCDF4
import numpy as np

from evalflow.digests import digest
from evalflow.fields.derived import DerivedArchive
from evalflow.fields.open import open_truth
from evalflow.fields.points.mapping import Mapping
from evalflow.reading.opening import lead_times_of
from evalflow.store.files import set_aside
from evalflow.store.layout import comparison_folder, init_time_of
from evalflow.verification.files import new_netcdf
from evalflow.verification.found import DomainFound
from evalflow.verification.opening import truth_spec
from evalflow.verification.points import find_points
from evalflow.verification.spec import ReferenceSpec, VerificationSpec
from evalflow.verification.truth import SINCE_START

VERSION = 2
"""Raise it when the same fields would give other means, or files have another layout."""
_BYTES = 256_000_000
"""Memory for the sums of the days that are computed together."""

_DIGEST = "_digest"
"""End of the name of the variable with the digests of a param's fields; 0 where there is no field."""

Field = tuple[str, str]
"""A param, and the key of a time of the year."""


def day_key(time: datetime) -> str:
    """Return what times of different years share: `mmddHHMM`. 29 February counts as the 28th."""
    return f"0228{time:%H%M}" if (time.month, time.day) == (2, 29) else f"{time:%m%d%H%M}"


def fields_needed(spec: VerificationSpec, found: DomainFound) -> set[Field]:
    """Return the params and keys of all valid times; a sum since the start has no climatology."""
    lead_times = {lead_time for source in spec.sources for lead_time in lead_times_of(source)}
    keys = {day_key(init_time_of(name) + lead_time) for name in spec.init_times for lead_time in lead_times}
    return {(param, key) for param in found.params if param != SINCE_START for key in keys}


def climatology_folder(spec: VerificationSpec, found: DomainFound, reference: ReferenceSpec) -> Path:
    """Return the folder of the store with the climatology of a reference period."""
    name = f"climatology-{digest([VERSION, reference.model_dump()])[:12]}"
    return comparison_folder(spec.store, found.verif_id) / name


def references(spec: VerificationSpec) -> list[ReferenceSpec]:
    """Return the reference periods of an experiment, each once."""
    found = {source.reference.to_json(): source.reference for source in spec.sources if source.reference}
    return list(found.values())


def anomalies_from(spec: VerificationSpec) -> ReferenceSpec | None:
    """Return the reference period for anomalies: that of the first source that is a climatology."""
    return next(iter(references(spec)), None)


def times_around(key: str, reference: ReferenceSpec) -> list[datetime]:
    """Return a reference period's times within the window around a key, at its hour."""
    start, end = datetime.fromisoformat(reference.start), datetime.fromisoformat(reference.end)
    times = set()
    for year in range(start.year - 1, end.year + 2):
        middle = datetime.strptime(f"{year:04d}{key}", "%Y%m%d%H%M")
        for days in range(-reference.window, reference.window + 1):
            time = middle + timedelta(days=days)
            if start <= time <= end:
                times.add(time)
    return sorted(times)


def _parts(keys: Iterable[str], points: int) -> Iterator[list[str]]:
    """Yield keys to compute together: of one hour, with windows that overlap, as memory allows."""
    many = max(1, _BYTES // (12 * points))
    for _, some in groupby(sorted(keys, key=lambda key: (key[4:], key)), key=lambda key: key[4:]):
        one_hour = list(some)
        yield from (one_hour[first : first + many] for first in range(0, len(one_hour), many))


def _means(
    truth: DerivedArchive, param: str, keys: list[str], reference: ReferenceSpec, mapping: Mapping
) -> dict[str, np.ndarray]:
    """Return key → mean (float32 [points]) over the times around it, missing where all are."""
    keys_of: dict[datetime, list[str]] = {}
    for key in keys:
        for time in times_around(key, reference):
            keys_of.setdefault(time, []).append(key)
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, np.ndarray] = {}
    for _, time, field in truth.read_many([param], sorted(keys_of)):
        values = mapping.apply(field)
        there = np.isfinite(values)
        for key in keys_of[time]:
            if key not in sums:
                sums[key], counts[key] = np.zeros(values.size), np.zeros(values.size, np.int32)
            sums[key][there] += values[there]
            counts[key] += there
    with np.errstate(invalid="ignore"):
        return {key: (sums[key] / np.where(counts[key], counts[key], np.nan)).astype(np.float32) for key in sums}


def make_climatology(spec: VerificationSpec, found: DomainFound, reference: ReferenceSpec) -> list[str]:
    """Put what the store lacks of a reference period's climatology there; return what cannot be had, a line each.

    What cannot be had is tried again by the next launch: the archive may have grown.

    Raises
    ------
    UserError
        Where the archive cannot be read.
    """
    folder = climatology_folder(spec, found, reference)
    needed, there = sorted(fields_needed(spec, found)), set(stored_fields(folder))
    lacks = [field for field in needed if field not in there]
    if not lacks:
        return []
    truth = open_truth(truth_spec(spec, spec.truths[found.truth]))
    possible = _that_can_be_made(truth, lacks, reference)
    if possible:
        with new_netcdf(folder / f"{digest(possible)[:12]}.nc") as file:
            file.createDimension("point", found.points)
            for param, some in groupby(possible, key=lambda field: field[0]):
                mapping = find_points(spec, found, truth.grid(param), "truth")
                there |= _write_param(file, param, [key for _, key in some], truth, reference, mapping)
    return list(_missing(spec.truths[found.truth].label, reference, needed, there))


def _that_can_be_made(truth: DerivedArchive, fields: list[Field], reference: ReferenceSpec) -> list[Field]:
    """Return the fields for which the archive has times; all where only a service knows."""
    there: dict[str, set[datetime] | None] = {}
    for param in {param for param, _ in fields}:
        times = truth.valid_times(param)
        there[param] = None if times is None else set(times)
    times_of = {key: times_around(key, reference) for _, key in fields}
    return [
        (param, key) for param, key in fields if (held := there[param]) is None or not held.isdisjoint(times_of[key])
    ]


def _missing(label: str, reference: ReferenceSpec, needed: list[Field], there: Collection[Field]) -> Iterator[str]:
    """Yield a line for each param of which fields could not be made."""
    for param, some in groupby(needed, key=lambda field: field[0]):
        fields = list(some)
        lacks = [field for field in fields if field not in there]
        if lacks:
            times = f" at {len(lacks)} of {len(fields)} times of the year" if len(lacks) < len(fields) else ""
            yield (
                f"truth {label}: has no {param} from {reference.start} to {reference.end}, the reference period of a "
                f"climatology{times}; choose another period"
            )


def _write_param(
    file: netCDF4.Dataset,
    param: str,
    keys: list[str],
    truth: DerivedArchive,
    reference: ReferenceSpec,
    mapping: Mapping,
) -> set[Field]:
    """Write the means of a param; return those that there are."""
    days = f"day_of_{param}"
    file.createDimension(days, len(keys))
    variable = file.createVariable(
        param, "f4", (days, "point"), chunksizes=(1, mapping.size), fill_value=np.float32(np.nan)
    )
    variable.days = " ".join(keys)
    digests = np.zeros(len(keys), np.uint64)
    for part in _parts(keys, mapping.size):
        for key, values in _means(truth, param, part, reference, mapping).items():
            if np.isfinite(values).any():
                place = keys.index(key)
                variable[place, :] = values
                digests[place] = int.from_bytes(hashlib.sha256(values.tobytes()).digest()[:8], "big") or 1
    file.createVariable(f"{param}{_DIGEST}", "u8", (days,), fill_value=False)[:] = digests
    return {(param, key) for key, one in zip(keys, digests, strict=True) if one}


def _fields_of(file: netCDF4.Dataset) -> Iterator[tuple[Field, str, int]]:
    """Yield what there is in a file: field, digest of its values, place."""
    for name in file.variables:
        if not name.endswith(_DIGEST):
            days, digests = file.variables[name].days.split(), file.variables[name + _DIGEST][:].tolist()
            for place, (key, one) in enumerate(zip(days, digests, strict=True)):
                if one:
                    yield (name, key), f"{one:016x}", place


def _open_files(folder: Path) -> Iterator[netCDF4.Dataset]:
    """Yield the files of a climatology; those that cannot be read are set aside."""
    for path in sorted(folder.glob("[0-9a-f]*.nc")):
        try:
            file = netCDF4.Dataset(path)
        except OSError:
            set_aside(path)
            continue
        file.set_auto_mask(False)
        yield file


def stored_fields(folder: Path) -> dict[Field, str]:
    """Return the fields of a climatology that are in the store, each with a digest of its values.

    Parameters
    ----------
    folder : of the reference period
    """
    found: dict[Field, str] = {}
    for file in _open_files(folder):
        with file:
            for field, one, _ in _fields_of(file):
                found.setdefault(field, one)
    return found


class Climatology:
    """A stored climatology at the points of the domain.

    Parameters
    ----------
    folder : of the reference period
    """

    def __init__(self, folder: Path) -> None:
        self._places: dict[Field, tuple[netCDF4.Variable, int]] = {}
        self._files = list(_open_files(folder))
        for file in self._files:
            for (name, key), _, place in _fields_of(file):
                self._places.setdefault((name, key), (file.variables[name], place))

    def read(self, param: str, time: datetime) -> np.ndarray | None:
        """Return the mean (float32 [points]) at a valid time, or None where there is none."""
        found = self._places.get((param, day_key(time)))
        return None if found is None else found[0][found[1], :]
