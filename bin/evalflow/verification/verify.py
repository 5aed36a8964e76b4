"""Verify the forecasts of one source against a truth: sums per init time, which go to the store."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import click
import numpy as np

from evalflow.digests import digest
from evalflow.errors import UserError, describe_os_error
from evalflow.fields.fingerprints import fingerprint_of_files, forecast_fingerprint, truth_fingerprint
from evalflow.fields.grids import Grid
from evalflow.fields.members import OneMember
from evalflow.fields.params import param_named
from evalflow.fields.points.elevation import correct_lapse_rate
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.quality import problem_with_field
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import SourceSpec
from evalflow.scores.categories import Categories, values_of
from evalflow.scores.names import parse_threshold
from evalflow.scores.stored import write_sums
from evalflow.scores.sums import FieldSums, ParamSums, Sums, collect, mask_digest, measure
from evalflow.store.files import new_in_store
from evalflow.store.layout import init_time_of, statistics_folder
from evalflow.verification.builtin import AtPoints, built_in
from evalflow.verification.climatology import Climatology
from evalflow.verification.domain import DomainFound
from evalflow.verification.done import InitDone, PackDone
from evalflow.verification.holdings import HOLDING, Holding, ParamHolding, lacking, list_statistics, statistics_name
from evalflow.verification.opening import open_source, seal_of, truth_spec
from evalflow.verification.packs import Pack
from evalflow.verification.points import TargetPoints, find_points, read_target
from evalflow.verification.spec import SourceEntry, VerificationSpec
from evalflow.verification.truth import TruthCopy, times_needed

CORRECTED = "T_2M"
"""The param that is corrected for elevation."""


def wanted_holding(spec: VerificationSpec, found: DomainFound, source: SourceEntry, init_time: datetime) -> Holding:
    """Return what is wanted of one forecast, and what its files and those of the truth look like now."""
    params = found.sources[source.source_id].params
    climatology = found_climatology(spec)
    times = sorted({time for param in params for time in times_needed(source, init_time, [param])[param]})
    return Holding(
        params={
            param: ParamHolding(
                lead_times=sorted(source.lead_times),
                thresholds=list(_threshold_values(spec, param)),
                corrected=found.corrected if param == CORRECTED else None,
                climatology=climatology,
            )
            for param in params
        },
        regions=found.regions,
        scales=found.scales,
        forecast=_fingerprint(spec, source, init_time),
        truth=truth_fingerprint(truth_spec(spec, spec.truths[found.truth]), times),
    )


def found_climatology(spec: VerificationSpec) -> str | None:
    """Return what stands for the climatology that anomalies are from: that of the first source that is one."""
    reference = next((source.reference for source in spec.sources if source.reference), None)
    return None if reference is None else digest(reference.model_dump())[:12]


def _fingerprint(spec: VerificationSpec, source: SourceEntry, init_time: datetime) -> str:
    if source.builtin:
        return source.builtin
    if source.kind == "run":
        found = seal_of(source, init_time) or ""
    else:
        found = forecast_fingerprint(SourceSpec(Path(source.root or ""), source.pattern), init_time)
    grids = fingerprint_of_files(grid.file for grid in spec.grids)  # coordinates, and the elevation of a source
    return digest([found, grids] if spec.grids else found)[:16]


def _threshold_values(spec: VerificationSpec, param: str) -> tuple[float, ...]:
    return values_of([parse_threshold(text) for text in spec.thresholds.get(param, [])])


@dataclass(frozen=True, eq=False)
class _FromFiles:
    """A forecast in files, brought to the points of the domain."""

    forecast: OneMember
    find_points: Callable[[Grid], Mapping]
    notes: dict[str, None] = field(default_factory=dict)
    prepared: dict[str, Mapping] = field(default_factory=dict)

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return a field at the points, or None where the forecast has none at this lead time."""
        if lead_time == timedelta(0) and param.startswith("TOT_PREC"):
            return None
        if lead_time not in self.forecast.lead_times(param):
            return None
        values = self._mapping(param).apply(self.forecast.read(param, lead_time))
        problem = problem_with_field(values, param_named(param))
        if problem:
            self.notes[f"{self.forecast.describe(param, lead_time)}: {problem}; the field is left out"] = None
            return None
        return values

    def _mapping(self, param: str) -> Mapping:
        """Return how the points are filled with a param, after telling the reader which of its own are used."""
        if param not in self.prepared:
            self.prepared[param] = self.find_points(self.forecast.grid(param))
            self.forecast.use_only(param, self.prepared[param].used)
        return self.prepared[param]

    def elevation(self, param: str) -> np.ndarray | None:
        """Return the forecast's elevation at the points."""
        grid = self.forecast.grid(param)
        return None if grid.elevation is None else self._mapping(param).apply(grid.elevation)


class Verifier:
    """Verifies the forecasts of one source and one truth.

    Parameters
    ----------
    truth : the copy of the block's truth
    climatology : of anomalies, and of the source where it is one
    """

    def __init__(
        self, spec: VerificationSpec, found: DomainFound, source: SourceEntry, truth: Path, climatology: Path | None
    ) -> None:
        self.spec, self.found, self.source = spec, found, source
        self.truth = TruthCopy(truth)
        self.climatology_path = climatology
        self.folder = statistics_folder(spec.store, found.verif_id, source.source_id)
        self.notes: dict[str, None] = {}
        self._mappings: dict[str, Mapping] = {}

    @cached_property
    def _there(self) -> dict[str, list[Path]]:
        return list_statistics(self.folder)

    @cached_property
    def target(self) -> TargetPoints:
        """The points of the domain."""
        return read_target(self.spec.store, self.found)

    @cached_property
    def points(self):
        """The points as sums are measured at them."""
        return self.target.measured(self.found.scales)

    @cached_property
    def climatology(self) -> Climatology | None:
        """The climatology that anomalies are from."""
        return None if self.climatology_path is None else Climatology(self.climatology_path)

    def _points_of(self, grid: Grid) -> Mapping:
        if grid.digest not in self._mappings:
            self._mappings[grid.digest] = find_points(self.spec, self.found, grid)
        return self._mappings[grid.digest]

    def _open(self, init_time: datetime) -> AtPoints:
        if self.source.builtin:
            return built_in(self.source, self.truth, init_time, self.climatology_path)
        return _FromFiles(open_source(self.spec, self.source, init_time), self._points_of)

    def verify(self, init_time: datetime, masks: dict[tuple[str, float], np.ndarray] | None = None) -> list[str]:
        """Compute what the store lacks of one init time, and put it there. Return the params that were computed.

        Parameters
        ----------
        masks : (param, lead time in hours) → points that count, bool [points in the domain's order]; others count all

        Raises
        ------
        NotThere
            Where there is no forecast of this init time.
        UserError
            Where it cannot be read.
        """
        wanted = wanted_holding(self.spec, self.found, self.source, init_time)
        if masks is not None:
            wanted = of_common_sample(wanted, {cell: f"{mask_digest(mask):016x}" for cell, mask in masks.items()})
        left = lacking(wanted, init_time, self._there.get(f"{init_time:%Y%m%d%H%M}", []))
        if not left.params:
            return []
        forecast = self._open(init_time)
        params = {}
        for param, asked in left.params.items():
            sums = self._verify_param(forecast, param, asked, init_time, masks or {})
            if sums is not None:
                params[param] = sums
        if isinstance(forecast, _FromFiles):
            self.notes.update(dict.fromkeys(forecast.forecast.notes) | forecast.notes)
        if params:
            self._write(init_time, left, params)
        return list(params)

    def _verify_param(
        self,
        forecast: AtPoints,
        param: str,
        asked: ParamHolding,
        init_time: datetime,
        masks: dict[tuple[str, float], np.ndarray],
    ) -> ParamSums | None:
        categories = Categories(tuple(asked.thresholds)) if asked.thresholds else None
        fields: dict[timedelta, FieldSums] = {}
        for hours in asked.lead_times:
            lead_time = timedelta(hours=hours)
            values = forecast.read(param, lead_time)
            if values is None:
                continue
            if asked.corrected:
                values = self._corrected(forecast, param, values)
            mask = masks.get((param, hours))
            if mask is not None:
                values = np.where(mask, values, np.float32(np.nan))
            fields[lead_time] = self._measure(param, values, init_time, lead_time, categories)
        return collect(fields, param_named(param).units, tuple(asked.thresholds)) if fields else None

    def _corrected(self, forecast: AtPoints, param: str, values: np.ndarray) -> np.ndarray:
        if not isinstance(forecast, _FromFiles):
            return values
        elevation = forecast.elevation(param)
        if elevation is None or self.target.elevation is None:
            raise UserError(f"{self.source.label}: its elevation is not known at this init time; {param} is left out")
        return correct_lapse_rate(values, self.target.elevation, elevation)

    def _measure(
        self, param: str, values: np.ndarray, init_time: datetime, lead_time: timedelta, categories: Categories | None
    ) -> FieldSums:
        order = self.target.atoms.order
        truth = self.truth.read_at(param, init_time, lead_time)[order]
        climate = None if self.climatology is None else self.climatology.read(param, init_time + lead_time)
        return measure(
            self.points,
            values[order],
            truth,
            climatology=None if climate is None else climate[order],
            categories=categories,
        )

    def _write(self, init_time: datetime, holding: Holding, params: dict[str, ParamSums]) -> None:
        atoms = self.target.atoms
        about = {HOLDING: holding.to_json(), "source": self.source.source_id, "verif_id": self.found.verif_id}
        sums = Sums(init_time, self.found.points, dict(atoms.members), params, about)
        with new_in_store(self.folder / statistics_name(init_time, holding)) as temporary:
            write_sums(temporary, sums)


def of_common_sample(wanted: Holding, masks: dict[tuple[str, float], str]) -> Holding:
    """Return what is wanted of the params and lead times that have a common mask.

    Parameters
    ----------
    masks : (param, lead time in hours) → digest of the mask
    """
    params = {}
    for param, asked in wanted.params.items():
        hours = [one for one in asked.lead_times if (param, one) in masks]
        if hours:
            params[param] = asked.model_copy(update={"lead_times": hours})
    digests = {f"{param} {hours:g}": mask for (param, hours), mask in masks.items()}
    return wanted.model_copy(update={"params": params, "sample": digest(digests)[:16]})


MasksAt = Callable[[str], dict[tuple[str, float], np.ndarray]]
"""Returns for an init time (param, hours) → the points that count, where these are not all of the forecast's own."""


def verify_pack(verifier: Verifier, pack: Pack, masks_at: MasksAt | None = None) -> PackDone:
    """Verify the forecasts of a pack. One that fails does not keep the others from it.

    Raises
    ------
    UserError
        Where nothing of the pack can be verified for a reason that all its forecasts share.
    """
    source = verifier.source
    inits = []
    for number, name in enumerate(pack.init_times, start=1):
        try:
            computed, reason = verifier.verify(init_time_of(name), masks_at(name) if masks_at else None), None
        except NotThere as error:
            computed, reason = [], str(error)
        except UserError as error:
            computed, reason = [], str(error)
            click.echo(f"evalflow: {source.label} {name}: {error}", err=True)
        except OSError as error:
            raise UserError(f"{source.label} {name}: {describe_os_error(error)}") from None
        click.echo(f"{source.label} {name}: {len(computed)} params computed ({number} of {len(pack.init_times)})")
        inits.append(InitDone(init_time=name, computed=computed, reason=reason))
    verifier.truth.close()
    return PackDone(source=source.source_id, truth=verifier.found.truth, inits=inits, notes=list(verifier.notes))
