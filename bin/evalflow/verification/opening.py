"""Open what a spec names: the forecast of a source, the archive of a truth."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.members import OneMember
from evalflow.fields.open import open_forecast
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import GridFile, SourceSpec, TruthSpec
from evalflow.store.files import read_json
from evalflow.store.forecasts import forecast_places
from evalflow.store.layout import FORECAST_SEAL, init_time_name, init_time_of
from evalflow.verification.spec import SourceEntry, TruthEntry, VerificationSpec


def lead_times_of(source: SourceEntry) -> list[timedelta]:
    """Return the lead times of a source, rising."""
    return [timedelta(hours=hours) for hours in sorted(source.lead_times)]


def init_times_of(names: list[str]) -> list[datetime]:
    """Return the init times (naive, UTC) that names stand for."""
    return [init_time_of(name) for name in names]


def _grid_files(spec: VerificationSpec) -> tuple[GridFile, ...]:
    return tuple(GridFile(grid.file, grid.points, grid.uuid) for grid in spec.grids)


def truth_spec(spec: VerificationSpec, truth: TruthEntry) -> TruthSpec:
    """Return what a reader of a truth is opened with."""
    return TruthSpec(
        root=truth.root,
        pattern=truth.pattern,
        stations=Path(truth.stations) if truth.stations else None,
        columns=truth.columns,
        units=truth.units,
        command=tuple(truth.command),
        grids=_grid_files(spec),
        folders=tuple(spec.folders),
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


def open_source(spec: VerificationSpec, source: SourceEntry, init_time: datetime) -> OneMember:
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
    return open_forecast(
        SourceSpec(root, pattern, tuple(lead_times_of(source)), source.member, source.units, _grid_files(spec)),
        init_time,
    )


class Forecasts:
    """The forecasts of a source that can be opened, in the order of init times: an iterator.

    Attributes
    ----------
    last : the one that was opened last, or None
    refused : why the first one that cannot be read cannot, or nothing
    """

    def __init__(self, spec: VerificationSpec, source: SourceEntry) -> None:
        self.spec, self.source = spec, source
        self.last: OneMember | None = None
        self.refused = ""

    def __iter__(self) -> Iterator[OneMember]:
        """Yield readers."""
        for init_time in init_times_of(self.spec.init_times):
            try:
                self.last = open_source(self.spec, self.source, init_time)
            except NotThere:
                continue
            except UserError as error:
                self.refused = self.refused or str(error)
            else:
                yield self.last
