"""Verify the forecasts of one source against a truth: sums per init time, which go to the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import click
import numpy as np

from evalflow.errors import UserError, describe_os_error
from evalflow.fields.grids import Grid
from evalflow.fields.params import param_named
from evalflow.fields.points.elevation import correct_lapse_rate
from evalflow.fields.points.mapping import Mapping as PointMapping
from evalflow.fields.reader import NotThere
from evalflow.scores.categories import Categories
from evalflow.scores.stored import write_sums
from evalflow.scores.sums import FieldSums, ParamSums, Points, Sums, collect, mask_digest, measure
from evalflow.store.files import new_in_store
from evalflow.store.layout import init_time_name, init_time_of, statistics_folder
from evalflow.verification.builtin import AtPoints, FromClimatology, Persistence
from evalflow.verification.climatology import Climatology, anomalies_from, climatology_folder
from evalflow.verification.common_masks import CommonMasks
from evalflow.verification.done import InitDone, PackDone
from evalflow.verification.forecasts import FromFiles
from evalflow.verification.found import DomainFound
from evalflow.verification.holdings import HOLDING, Holding, ParamHolding, lacking, list_statistics, statistics_name
from evalflow.verification.map_maker import MapMaker
from evalflow.verification.maps import CommonSample
from evalflow.verification.opening import open_source
from evalflow.verification.packs import Pack
from evalflow.verification.points import TargetPoints, find_points, read_target
from evalflow.verification.spec import ReferenceSpec, SourceEntry, VerificationSpec
from evalflow.verification.truth import TruthCopy, minutes_of
from evalflow.verification.wanted import CORRECTED, Wanted

Masks = Mapping[tuple[str, int], np.ndarray]
"""(param, lead time in minutes) → points that count, bool [points in the domain's order]."""


@dataclass
class Outcome:
    """What came of one forecast: computed params, and why others were not, a line each."""

    computed: list[str]
    faults: list[str]


class Verifier:
    """Verifies the forecasts of one source and one truth.

    Attributes
    ----------
    notes : what readers left out or repaired, a line each, in order

    Parameters
    ----------
    truth : the copy of the block's truth

    Raises
    ------
    UserError
        Where there is no such copy, or a file of the domain is damaged.
    """

    def __init__(self, spec: VerificationSpec, found: DomainFound, source: SourceEntry, truth: Path) -> None:
        self.spec, self.found, self.source = spec, found, source
        self.truth = TruthCopy(truth)
        self.folder = statistics_folder(spec.store, found.verif_id, source.source_id)
        self.notes: dict[str, None] = dict.fromkeys(self.truth.notes)
        self.wanted = Wanted(spec, found)
        self.maps: MapMaker | None = None
        self._mappings: dict[str, PointMapping] = {}

    @cached_property
    def _there(self) -> dict[str, list[Path]]:
        return list_statistics(self.folder)

    @cached_property
    def _target(self) -> TargetPoints:
        return read_target(self.spec.store, self.found)

    @cached_property
    def _points(self) -> Points:
        return self._target.measured(self.found.scales)

    @cached_property
    def _normal(self) -> Climatology:
        """The climatology that anomalies are from."""
        return self._climatology(anomalies_from(self.spec))

    def _climatology(self, reference: ReferenceSpec | None) -> Climatology:
        assert reference is not None
        return Climatology(climatology_folder(self.spec, self.found, reference))

    @cached_property
    def _own_climatology(self) -> Climatology:
        return self._climatology(self.source.reference)

    def _points_of(self, grid: Grid) -> PointMapping:
        if grid.digest not in self._mappings:
            self._mappings[grid.digest] = find_points(self.spec, self.found, grid)
        return self._mappings[grid.digest]

    def _open(self, init_time: datetime) -> AtPoints:
        if self.source.builtin == "climatology":
            return FromClimatology(self._own_climatology, init_time)
        if self.source.builtin:
            return Persistence(self.truth, init_time, daily=self.source.builtin == "persistence_24h")
        return FromFiles(open_source(self.spec, self.source, init_time), self._points_of)

    def open_maps(self, pack: Pack, samples: CommonSample | None) -> MapMaker:
        """Collect sums at points for the blocks of a pack from now on; return what does; see `MapMaker`."""
        self.maps = MapMaker(self.wanted, pack, samples)
        return self.maps

    def add_to_maps(self, init_time: datetime, masks: Masks | None = None) -> None:
        """Read what maps lack of an init time whose statistics were there already.

        Parameters
        ----------
        masks : as in `verify`
        """
        if self.maps is None:
            return
        try:
            forecast = self._open(init_time)
        except NotThere:
            return
        for param, minutes in self.maps.left(init_time):
            lead_time = timedelta(minutes=minutes)
            values = self._read(forecast, param, lead_time, masks or {})
            if values is not None:
                truth = self.truth.read_at(param, init_time, lead_time)
                self.maps.add(param, init_time, lead_time, values, truth)

    def verify(self, init_time: datetime, masks: Masks | None = None) -> Outcome:
        """Compute what the store lacks of one init time, and put it there.

        A param that cannot be computed does not keep the others from it.

        Parameters
        ----------
        masks : where some points are left out because other sources lack them; None: each field
            over its own points

        Raises
        ------
        NotThere
            Where there is no forecast of this init time.
        UserError
            Where it cannot be read.
        """
        digests = None if masks is None else {cell: f"{mask_digest(mask):016x}" for cell, mask in masks.items()}
        wanted = self.wanted.holding(self.source, init_time, digests)
        left = lacking(wanted, init_time, self._there.get(init_time_name(init_time), []))
        if wanted.params and not left.params:
            return Outcome([], [])
        try:
            forecast = self._open(init_time)
        except NotThere:
            if left.params:  # there are files, and not of this init time: they are looked into once
                self._write(init_time, left, {})
            raise
        done: dict[str, ParamSums] = {}
        faults: dict[str, str] = {}
        for param, asked in left.params.items():
            try:
                sums = self._verify_param(forecast, param, asked, init_time, masks or {})
            except UserError as error:
                faults[param] = f"{param}: {error}"
            else:
                if sums is not None:
                    done[param] = sums
        if isinstance(forecast, FromFiles):
            self.notes.update(dict.fromkeys(forecast.notes))
        held = {param: asked for param, asked in left.params.items() if param not in faults}
        if held:
            self._write(init_time, left.model_copy(update={"params": held}), done)
        return Outcome(list(done), list(faults.values()))

    def _verify_param(
        self, forecast: AtPoints, param: str, asked: ParamHolding, init_time: datetime, masks: Masks
    ) -> ParamSums | None:
        fields: dict[timedelta, FieldSums] = {}
        for minutes in asked.made_from:
            lead_time = timedelta(minutes=minutes)
            values = self._read(forecast, param, lead_time, masks)
            if values is None:
                continue
            categories = None
            if asked.thresholds:
                packings = forecast.packing(param, lead_time), self.truth.packing_at(param, init_time, lead_time)
                categories = Categories(tuple(asked.thresholds), packings)
            order = self._target.atoms.order
            truth = self.truth.read_at(param, init_time, lead_time)
            if self.maps and not self.maps.over_common:  # else masks may be those of two sources compared alone
                self.maps.add(param, init_time, lead_time, values, truth)
            normal = (
                self._normal_at(param, init_time + lead_time, minutes in asked.anomalies) if asked.anomalies else None
            )
            fields[lead_time] = measure(
                self._points,
                values[order],
                truth[order],
                climatology=None if normal is None else normal[order],
                categories=categories,
            )
        return collect(fields, param_named(param).units, tuple(asked.thresholds)) if fields else None

    def _read(self, forecast: AtPoints, param: str, lead_time: timedelta, masks: Masks) -> np.ndarray | None:
        """Return a field as it is verified: corrected, and without the points that do not count."""
        values = forecast.read(param, lead_time)
        if values is None:
            return None
        if param == CORRECTED and isinstance(forecast, FromFiles):
            values = self._corrected(forecast, values)
        mask = masks.get((param, minutes_of(lead_time)))
        return values if mask is None else np.where(mask, values, np.float32(np.nan))

    def _corrected(self, forecast: FromFiles, values: np.ndarray) -> np.ndarray:
        """Return temperatures at the truth's elevation, where temperatures are corrected."""
        if self.found.sources[self.source.source_id].corrected is None:
            return values
        elevation = forecast.elevation(CORRECTED)
        if elevation is None or self._target.elevation is None:
            raise UserError("the elevation of this forecast is not known, and other forecasts are corrected for theirs")
        return correct_lapse_rate(values, self._target.elevation, elevation)

    def _normal_at(self, param: str, valid_time: datetime, asked: bool) -> np.ndarray:
        """Return the climatology that anomalies are from: all missing where none are asked for."""
        if not asked:
            return np.full(self.found.points, np.nan, np.float32)
        values = self._normal.read(param, valid_time)
        if values is None:
            raise UserError("the climatology that anomalies are from was removed meanwhile; launch again")
        return values

    def _write(self, init_time: datetime, holding: Holding, params: dict[str, ParamSums]) -> None:
        atoms = self._target.atoms
        about = {HOLDING: holding.to_json(), "source": self.source.source_id, "verif_id": self.found.verif_id}
        sums = Sums(init_time, self.found.points, dict(atoms.members), params, about)
        with new_in_store(self.folder / statistics_name(init_time, holding)) as temporary:
            write_sums(temporary, sums)


def verify_pack(verifier: Verifier, pack: Pack, masks: CommonMasks | None = None) -> PackDone:
    """Verify the forecasts of a pack, and sum them up at points for score maps.

    One that fails does not keep the others from it.

    Parameters
    ----------
    masks : where some points are left out because other sources lack them

    Raises
    ------
    UserError
        Where nothing more can be stored.
    """
    source, inits = verifier.source, []
    maps = verifier.open_maps(pack, masks.samples if masks else None)
    for name in sorted({*pack.init_times, *maps.init_times}):
        if name in pack.init_times:
            done = _verify_one(verifier, name, masks)
            if done.failed:
                click.echo(f"evalflow: {source.label} {name}: {done.reason}", err=True)
            inits.append(done)
            many = f"{len(inits)} of {len(pack.init_times)}"
            click.echo(f"{source.label} {name}: {len(done.computed)} params computed ({many})")
        _add_to_maps(verifier, name, masks)
    verifier.truth.close()
    return PackDone(source=source.source_id, truth=verifier.found.truth, inits=inits, notes=list(verifier.notes))


def _add_to_maps(verifier: Verifier, name: str, masks: CommonMasks | None) -> None:
    maps, init_time = verifier.maps, init_time_of(name)
    assert maps is not None
    try:
        if maps.left(init_time):
            verifier.add_to_maps(init_time, masks.of_maps(name) if masks else None)
    except UserError as error:
        maps.spoil(init_time)
        verifier.notes[f"score maps: {name}: {error}"] = None
    try:
        maps.close(name)
    except OSError as error:
        raise UserError(f"{verifier.source.label} {name}: {describe_os_error(error)}") from None


def _verify_one(verifier: Verifier, name: str, masks: CommonMasks | None) -> InitDone:
    try:
        samples: Sequence[Masks | None] = masks(name) if masks else [None]
        outcomes = [verifier.verify(init_time_of(name), one) for one in samples]
    except NotThere as error:
        return InitDone(init_time=name, reason=str(error))
    except UserError as error:
        return InitDone(init_time=name, reason=str(error), failed=True)
    except OSError as error:
        raise UserError(f"{verifier.source.label} {name}: {describe_os_error(error)}") from None
    computed = [param for one in outcomes for param in one.computed]
    faults = list(dict.fromkeys(fault for one in outcomes for fault in one.faults))
    return InitDone(init_time=name, computed=computed, reason="; ".join(faults) or None, failed=bool(faults))


def failed_pack(source: SourceEntry, pack: Pack, reason: str) -> PackDone:
    """Return what came of a pack of which nothing can be verified."""
    inits = [InitDone(init_time=name, reason=reason, failed=True) for name in pack.init_times]
    return PackDone(source=source.source_id, truth=pack.truth, inits=inits)
