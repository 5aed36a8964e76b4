"""Open what the plan names: the forecast of a source, the archive of a truth."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.fields.derived import DerivedArchive
from evalflow.fields.fingerprints import forecast_fingerprint
from evalflow.fields.members import OneMember
from evalflow.fields.open import open_forecast
from evalflow.fields.params import find_param
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import GridFile, SourceSpec, TruthSpec
from evalflow.reading.entries import GridFileEntry, SourceEntry, TruthEntry
from evalflow.store.files import read_json
from evalflow.store.forecasts import forecast_places
from evalflow.store.layout import FORECAST_SEAL, init_time_name

_DAY = timedelta(days=1)
_NOTHING = digest([])
"""What files look like where there are none."""


def lead_times_of(source: SourceEntry) -> list[timedelta]:
    """Return the lead times of a source, rising."""
    return [timedelta(hours=hours) for hours in sorted(source.lead_times)]


def _grid_files(grids: Iterable[GridFileEntry]) -> tuple[GridFile, ...]:
    return tuple(GridFile(grid.file, grid.points, grid.uuid) for grid in grids)


def truth_spec(truth: TruthEntry, grids: Iterable[GridFileEntry] = (), folders: Iterable[Path] = ()) -> TruthSpec:
    """Return what a reader of a truth is opened with.

    Parameters
    ----------
    folders : where the configuration and `.env` of a stations service may be
    """
    return TruthSpec(
        root=truth.root,
        pattern=truth.pattern,
        stations=Path(truth.stations) if truth.stations else None,
        columns=truth.columns,
        units=truth.units,
        command=tuple(truth.command),
        grids=_grid_files(grids),
        folders=tuple(folders),
    )


def find_sealed(source: SourceEntry, init_time: datetime) -> tuple[Path, dict] | None:
    """Return where a run's forecast is, and its seal, or None if no whole one is there."""
    for folder in forecast_places(Path(source.root or ""), init_time_name(init_time)):
        seal = read_json(folder / FORECAST_SEAL)
        if seal and seal.get("sha256") == source.sha256 and isinstance(seal.get("files"), dict):
            return folder, seal
    return None


def seal_of(source: SourceEntry, init_time: datetime) -> str | None:
    """Return the digest of a run's forecast by its seal, or None if no whole one is there."""
    found = find_sealed(source, init_time)
    return str(sorted((name, proof.get("sha256")) for name, proof in found[1]["files"].items())) if found else None


def look_of_forecast(source: SourceEntry, init_time: datetime) -> str | None:
    """Return what the files of a forecast look like, or its seal; None if there are none."""
    if source.builtin:
        return source.builtin
    if source.kind == "run":
        seal = seal_of(source, init_time)
        return None if seal is None else digest(seal)[:16]
    found = forecast_fingerprint(SourceSpec(Path(source.root or ""), source.pattern), init_time)
    return None if found == _NOTHING else found[:16]


def open_source(source: SourceEntry, init_time: datetime, grids: Iterable[GridFileEntry] = ()) -> OneMember:
    """Return a reader of one forecast of a source that is not built in.

    Raises
    ------
    NotThere
        Where there is no forecast of this init time.
    UserError
        Where it cannot be read.
    """
    root, pattern = Path(source.root or ""), source.pattern
    if source.kind == "run":
        found = find_sealed(source, init_time)
        if found is None:
            raise NotThere(f"{root / init_time_name(init_time)}: no whole forecast")
        root, pattern = found[0], None
    spec = SourceSpec(root, pattern, tuple(lead_times_of(source)), source.member, source.units, _grid_files(grids))
    return open_forecast(spec, init_time)


def has_param(archive: DerivedArchive, param: str) -> bool:
    """Return whether an archive has a param, held or derived; a service may have it.

    Raises
    ------
    UserError
        Where it has the param, and its times cannot be read.
    """
    there, about = archive.params(), find_param(param)
    amount = about is not None and about.accumulated and any(one.startswith("TOT_PREC") for one in there)
    try:
        times = archive.valid_times(param)
    except UserError:
        if param in there:
            raise
        return False
    return bool(times) if times is not None else param in there or amount


def has_lead_times(forecast: OneMember, param: str) -> bool:
    """Return whether a forecast has a param at any lead time that is wanted."""
    try:
        return bool(forecast.lead_times(param))
    except UserError:
        return False


def last_day_before(init_time: datetime, valid_time: datetime) -> datetime:
    """Return the last time not after the init time that is whole days before the valid time."""
    days = math.ceil((valid_time - init_time) / _DAY)
    return valid_time - days * _DAY
