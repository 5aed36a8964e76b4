"""Define the domain of one truth: which points are verified, how each source gets to them, what the comparison is called.

What is found goes to the store, below the verif_id: `target.npz` (the grid, and which of its points are verified),
`atoms-{digest}.npz` (how regions cut them) and `mapping-{digest}.npz` (how the points are filled from one grid).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from evalflow.documents import Document
from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.fields.members import OneMember
from evalflow.fields.open import kind_of_truth, open_truth
from evalflow.fields.points.atoms import Atoms, cut_atoms, outside
from evalflow.fields.points.domain import Domain, find_domain, regular_grid
from evalflow.fields.points.elevation import LapseRate, decide_lapse_rate, equal_elevation
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.points.neighbours import find_mapping
from evalflow.fields.points.npz import write_arrays
from evalflow.fields.points.regions import Region, RegionSpec, read_region
from evalflow.fields.points.spacing import spacing
from evalflow.identity import Comparison, comparison_identity, verif_id
from evalflow.scores.boxes import usable_scales
from evalflow.store.files import new_in_store
from evalflow.store.layout import comparison_folder
from evalflow.verification.opening import forecasts, truth_spec
from evalflow.verification.spec import ComparingSpec, RegionEntry, SourceEntry, VerificationSpec

READER_VERSION = 1
"""Version of how fields are read. Raise it when the same files would give other values."""
STATISTICS_VERSION = 1
"""Version of how statistics are computed. Raise it when the same fields would give other sums."""
TARGET = "target.npz"
TARGET_VERSION = 1
TARGET_ARRAYS = ("latitudes", "longitudes", "kind", "shape", "points", "weights", "elevation", "names")
NOT_MAPPED = "PS"
"""Surface pressure: compared only where elevations are equal, never as it is."""


class SourceFound(Document):
    """What was found of one source."""

    label: str = Field(description="Name for people.")
    params: list[str] = Field(description="Params that it is verified for.")
    covers: int = Field(description="How many of the points it covers.")
    left_out: str | None = Field(None, description="Why it is not verified.")


class DomainFound(Document):
    """The domain of one truth: what the steps of verification work with."""

    truth: int = Field(description="Number of the truth in the spec.")
    verif_id: str = Field(description="Name of the comparison, a folder of the store.")
    identity: dict[str, Any] = Field(description="Exactly what verif_id was hashed from.")
    points: int = Field(description="Number of points that are verified.")
    at_stations: bool = Field(description="Whether the points are stations.")
    atoms: str = Field(description="Digest of how the regions cut the points.")
    regions: dict[str, str] = Field(description="Name of a region that holds points → digest of its polygons.")
    scales: list[float] = Field(description="Scales of box averages in km.")
    params: list[str] = Field(description="Params that the truth has.")
    corrected: str | None = Field(None, description="Digest of the elevation that T_2M is corrected to, if it is.")
    lapse_rate: str = Field(description="The same in words, and why.")
    sources: dict[str, SourceFound] = Field(description="source_id → what was found of the source.")
    table: list[str] = Field(description="How many points each source takes away, as lines of text.")
    notes: list[str] = Field([], description="What was left out, a line each.")
    problems: list[str] = Field([], description="What the config names and what cannot be had, a line each.")


@dataclass(frozen=True, eq=False)
class _Seen:
    """A source as its first forecast shows it: its points, its params, how it gets to the target; `name` is for people."""

    name: str
    source: SourceEntry
    grid: Grid | None
    params: frozenset[str]
    mapping: Mapping | None

    @property
    def covered(self) -> np.ndarray | None:
        return None if self.mapping is None else self.mapping.covered


@dataclass
class _Notes:
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def mapping_options(comparing: ComparingSpec) -> dict[str, Any]:
    """Return what `find_mapping` is told of a config."""
    distance = None if comparing.max_distance == "none" else comparing.max_distance
    return {"method": comparing.mapping, "max_distance": distance}


class _Finder:
    """Finds the domain of one truth."""

    def __init__(self, spec: VerificationSpec, number: int) -> None:
        self.spec = spec
        self.number = number
        self.entry = spec.truths[number]
        self.truth_spec = truth_spec(spec, self.entry)
        self.truth = open_truth(self.truth_spec)
        self.said = _Notes()
        self.params = self._params_of_truth()
        self.truth_grid = self.truth.grid(self.params[0])
        degrees = spec.comparing.verification_grid
        self.target = self.truth_grid if degrees is None else regular_grid(degrees)
        self.to_target = find_mapping(self.truth_grid, self.target, **mapping_options(spec.comparing))

    def _params_of_truth(self) -> list[str]:
        """Return the params that the truth has; where it lacks one that is named, say so."""
        found = [param for param in self.spec.params if has_param(self.truth, param)]
        for param in self.spec.params:
            if param not in found:
                there = ", ".join(sorted(self.truth.params())) or "none that is known"
                self.leave_out(param, f"{param}: truth {self.entry.label} has no such param; it has {there}")
        if not found:
            raise UserError(
                f"truth {self.entry.label}: has none of the params {', '.join(self.spec.params)}; "
                f"it has {', '.join(sorted(self.truth.params())) or 'none that is known'}"
            )
        return found

    def leave_out(self, param: str, line: str) -> None:
        """Say that a param is left out: a problem where the config names it, else a note."""
        (self.said.problems if param in self.spec.named_params else self.said.notes).append(line)

    def name_of(self, source: SourceEntry) -> str:
        """Return the label of a source, or its id where another has the same label."""
        same = [other for other in self.spec.sources if other.label == source.label]
        return source.label if len(same) == 1 else source.source_id

    def see(self, source: SourceEntry) -> _Seen:
        """Return what the first forecast of a source that can be read shows."""
        if source.builtin:
            return _Seen(self.name_of(source), source, self.truth_grid, frozenset(self.params), self.to_target)
        try:
            for forecast in forecasts(self.spec, source):
                params = [param for param in self.params if has_lead_times(forecast, param)]
                if params:
                    grid = forecast.grid(params[0])
                    return _Seen(self.name_of(source), source, grid, frozenset(params), self._map(grid))
                self.said.notes.append(
                    f"{source.label}: has none of the params {', '.join(self.params)} at its lead times; it has "
                    f"{', '.join(sorted(forecast.params())) or 'none that is known'}"
                )
                break
            else:
                self.said.notes.append(f"{source.label}: there is no forecast of any init time yet")
        except UserError as error:
            self.said.problems.append(f"{source.label}: {error}")
        return _Seen(self.name_of(source), source, None, frozenset(), None)

    def _map(self, grid: Grid) -> Mapping:
        return find_mapping(grid, self.target, **mapping_options(self.spec.comparing))

    @cached_property
    def truth_elevation(self) -> np.ndarray | None:
        """Elevation of the truth at the target points."""
        elevation = self.truth_grid.elevation
        return None if elevation is None else self.to_target.apply(elevation)


def has_param(archive: Any, param: str) -> bool:
    """Return whether an archive has a param, held or derived."""
    try:
        return bool(archive.valid_times(param))
    except UserError:
        return False


def has_lead_times(forecast: OneMember, param: str) -> bool:
    """Return whether a forecast has a param at any lead time that is wanted."""
    try:
        return bool(forecast.lead_times(param))
    except UserError:
        return False


def _region(entry: RegionEntry) -> Region:
    return read_region(RegionSpec(entry.name, entry.box, entry.file))


def _read_regions(finder: _Finder) -> list[Region]:
    """Return the regions; one that cannot be read is a problem of its own."""
    regions = []
    for entry in finder.spec.regions:
        try:
            regions.append(_region(entry))
        except UserError as error:
            finder.said.problems.append(str(error))
    return regions


def _choose(finder: _Finder, seen: list[_Seen]) -> Domain:
    comparing = finder.spec.comparing
    choice = _region(comparing.domain) if isinstance(comparing.domain, RegionEntry) else comparing.domain
    covered = {one.name: one.covered for one in seen if one.covered is not None}
    whole = None if finder.to_target.covered.all() else finder.to_target.covered
    return find_domain(choice, finder.target, covered, whole)


def _elevation_of(one: _Seen, points: np.ndarray) -> np.ndarray | None:
    if one.grid is None or one.mapping is None or one.grid.elevation is None:
        return None
    return one.mapping.apply(one.grid.elevation)[points]


def _decide_elevation(finder: _Finder, seen: list[_Seen], points: np.ndarray) -> LapseRate:
    """Decide on the lapse rate, for all sources or none."""
    settings: dict[str, Literal["auto"] | bool] = {"auto": "auto", "true": True, "false": False}
    truth = None if finder.truth_elevation is None else finder.truth_elevation[points]
    sources = {one.name: _elevation_of(one, points) for one in seen if "T_2M" in one.params and not one.source.builtin}
    if not sources:
        return LapseRate(False, "T_2M needs no correction for elevation: no source brings an elevation of its own", {})
    try:
        return decide_lapse_rate(settings[finder.spec.comparing.lapse_rate], truth, sources)
    except UserError as error:
        finder.said.problems.append(str(error))
        return LapseRate(False, f"T_2M is not verified: {error}", {})


def _params_of(finder: _Finder, one: _Seen, points: np.ndarray, without_temperature: bool) -> list[str]:
    """Return the params that a source is verified for."""
    truth = None if finder.truth_elevation is None else finder.truth_elevation[points]
    params = []
    for param in finder.params:
        if param not in one.params:
            if one.grid is not None:
                finder.leave_out(param, f"{param}: {one.source.label} has no such param and is left out of it")
        elif param == NOT_MAPPED and not one.source.builtin and not equal_elevation(truth, _elevation_of(one, points)):
            finder.leave_out(param, f"{param}: {one.source.label} is left out: its elevation is not the truth's")
        elif not (param == "T_2M" and without_temperature):
            params.append(param)
    return params


def _scales(finder: _Finder, points: np.ndarray) -> list[float]:
    """Return the scales of box averages: none of stations, and none near the distance of the points."""
    if finder.target.kind == "stations":
        return []
    apart = spacing(finder.target)[points]
    apart = apart[np.isfinite(apart)]
    return usable_scales(finder.spec.comparing.scales, float(np.median(apart))) if apart.size else []


def _keep(folder: Path, finder: _Finder, points: np.ndarray, atoms: Atoms, seen: list[_Seen]) -> None:
    """Put what the other steps need into the store; what is there stays."""
    target, elevation = finder.target, finder.truth_elevation
    area = finder.spec.comparing.weights == "area" and target.kind != "stations"
    names = [] if target.names is None else [target.names[point] for point in points]
    arrays = {
        "latitudes": target.latitudes,
        "longitudes": target.longitudes,
        "kind": np.array(target.kind),
        "shape": np.array(target.shape or (), np.int64),
        "points": points,
        "weights": target.weights()[points] if area else np.empty(0),
        "elevation": np.empty(0, np.float32) if elevation is None else elevation[points],
        "names": np.array(names, dtype="U"),
    }
    _write(folder / TARGET, lambda path: write_arrays(path, version=np.int64(TARGET_VERSION), **arrays))
    _write(folder / atoms_name(atoms.digest), atoms.save)
    for one in seen:
        if one.grid is not None and one.mapping is not None:
            _write(folder / mapping_name(one.grid), one.mapping.at(points).save)
    _write(folder / mapping_name(finder.truth_grid, "truth"), finder.to_target.at(points).save)


def _write(final: Path, save: Callable[[Path], None]) -> None:
    if not final.exists():
        with new_in_store(final) as temporary:
            save(temporary)


def atoms_name(atoms: str) -> str:
    """Return the name of the file of how regions cut the points."""
    return f"atoms-{atoms[:12]}.npz"


def mapping_name(grid: Grid, role: str = "mapping") -> str:
    """Return the name of the file of how the points are filled from a grid."""
    return f"{role}-{grid.digest[:12]}.npz"


def _elevation_digest(finder: _Finder, points: np.ndarray) -> str | None:
    elevation = finder.truth_elevation
    return None if elevation is None else hashlib.sha256(elevation[points].tobytes()).hexdigest()[:16]


def _sources(finder: _Finder, seen: list[_Seen], domain: Domain, impossible: bool) -> dict[str, SourceFound]:
    """Return source_id → what was found; `impossible`: T_2M cannot be corrected though it has to be."""
    points, complete, left_out = np.flatnonzero(domain.points), set(domain.complete), domain.left_out()
    return {
        one.source.source_id: SourceFound(
            label=one.source.label,
            params=_params_of(finder, one, points, impossible) if one.name in complete else [],
            covers=0 if one.covered is None else int(one.covered[points].sum()),
            left_out=next((line for line in left_out if line.startswith(f"{one.name} covers ")), None),
        )
        for one in seen
    }


def _identity(finder: _Finder, domain: Domain) -> dict[str, Any]:
    """Return how sources are compared with the truth: what the verif_id is hashed from."""
    return comparison_identity(
        finder.entry.identity,
        Comparison(
            archive=finder.truth.uuid,
            format=kind_of_truth(finder.truth_spec),
            grid=finder.truth_grid.digest,
            domain=domain.digest,
            reader=READER_VERSION,
            statistics=STATISTICS_VERSION,
        ),
    )


def define_domain(spec: VerificationSpec, number: int) -> DomainFound:
    """Return the domain of a truth, after putting it into the store.

    Parameters
    ----------
    number : of the truth in the spec

    Raises
    ------
    UserError
        Where the truth cannot be read or has none of the params, or no point is left to verify.
    """
    finder = _Finder(spec, number)
    seen = [finder.see(source) for source in spec.sources]
    domain = _choose(finder, seen)
    points = np.flatnonzero(domain.points)
    regions = _read_regions(finder)
    target = finder.target.take(points)
    atoms = cut_atoms(regions, target.latitudes, target.longitudes)
    finder.said.problems += outside(atoms, regions)
    lapse = _decide_elevation(finder, seen, points)
    named = _identity(finder, domain)
    folder = comparison_folder(spec.store, verif_id(named))
    _keep(folder, finder, points, atoms, seen)
    return DomainFound(
        truth=number,
        verif_id=verif_id(named),
        identity=named,
        points=domain.size,
        at_stations=finder.target.kind == "stations",
        atoms=atoms.digest,
        regions={name: found for name, found in sorted(atoms.digests.items()) if atoms.members[name].any()},
        scales=_scales(finder, points),
        params=finder.params,
        corrected=_elevation_digest(finder, points) if lapse.corrected else None,
        lapse_rate=lapse.reason,
        sources=_sources(finder, seen, domain, impossible=spec.comparing.lapse_rate == "true" and not lapse.corrected),
        table=domain.table(),
        notes=[*finder.said.notes, *domain.left_out()],
        problems=finder.said.problems,
    )
