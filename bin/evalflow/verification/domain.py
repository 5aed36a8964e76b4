"""Define the domain of one truth: its points, how sources get to them, and the verif_id.

What is found goes to the store, below the verif_id: `target.npz` (the grid, and which of its points
are verified), `atoms-{digest}.npz` (how regions cut them), `elevation-{digest}.npz` (the truth's,
at the points) and `mapping-{digest}.npz` (how the points are filled from one grid).
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.fields.open import kind_of_truth
from evalflow.fields.points.atoms import Atoms, cut_atoms, outside
from evalflow.fields.points.domain import Domain, find_domain
from evalflow.fields.points.elevation import LapseRate, decide_lapse_rate, equal_elevation
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.points.npz import read_arrays, write_arrays
from evalflow.fields.points.regions import Region, RegionSpec, read_region
from evalflow.fields.points.spacing import spacing
from evalflow.identity import Comparison, comparison_identity, verif_id
from evalflow.scores.boxes import usable_scales
from evalflow.store.files import new_in_store, set_aside
from evalflow.store.layout import comparison_folder
from evalflow.verification.found import (
    ELEVATION_ARRAYS,
    TARGET,
    TARGET_ARRAYS,
    TARGET_VERSION,
    DomainFound,
    SourceFound,
    atoms_name,
    elevation_name,
    mapping_name,
)
from evalflow.verification.seen import Seen, SeenTruth, see_source, see_truth
from evalflow.verification.spec import RegionEntry, VerificationSpec
from evalflow.verification.truth import SINCE_START
from evalflow.verification.wanted import CORRECTED

READER_VERSION = 1
"""Version of how fields are read. Raise it when the same files would give other values."""
STATISTICS_VERSION = 2
"""Version of how statistics are computed. Raise it when the same fields would give other sums."""
NOT_MAPPED = "PS"
"""Surface pressure: compared only where elevations are equal, never as it is."""


class _Elevations(NamedTuple):
    """Known elevations (m, float32) at the points: of the truth, and by source_id."""

    truth: np.ndarray | None
    sources: dict[str, np.ndarray | None]


def _region(entry: RegionEntry) -> Region:
    return read_region(RegionSpec(entry.name, entry.box, entry.file))


def _read_regions(truth: SeenTruth) -> list[Region]:
    """Return the regions; one that cannot be read is a problem of its own."""
    regions = []
    for entry in truth.spec.regions:
        try:
            regions.append(_region(entry))
        except UserError as error:
            truth.said.problems.append(str(error))
    return regions


def _choose(truth: SeenTruth, seen: list[Seen]) -> Domain:
    chosen = truth.spec.comparing.domain
    choice = chosen if isinstance(chosen, str) else _region(chosen)
    covered = {one.name: one.mapping.covered for one in seen if one.mapping is not None}
    whole = None if truth.to_target.covered.all() else truth.to_target.covered
    return find_domain(choice, truth.target, covered, whole)


def _elevations(truth: SeenTruth, seen: list[Seen], points: np.ndarray) -> _Elevations:
    def at_points(grid: Grid | None, mapping: Mapping | None) -> np.ndarray | None:
        if grid is None or mapping is None or grid.elevation is None:
            return None
        return mapping.apply(grid.elevation)[points]

    of_sources = {one.source.source_id: at_points(one.grid, one.mapping) for one in seen if not one.source.builtin}
    return _Elevations(at_points(truth.grid, truth.to_target), of_sources)


def _decide_lapse_rate(truth: SeenTruth, seen: list[Seen], known: _Elevations) -> LapseRate | None:
    """Decide on the lapse rate, for all sources or none; None if it must be corrected and cannot."""
    wanted = truth.spec.comparing.lapse_rate
    setting: Literal["auto"] | bool = "auto" if wanted == "auto" else wanted == "true"
    having = [one for one in seen if CORRECTED in one.params and not one.source.builtin]
    if not having:
        return LapseRate(False, "T_2M needs no correction for elevation: no source brings an elevation of its own", {})
    try:
        return decide_lapse_rate(
            setting, known.truth, {one.name: known.sources[one.source.source_id] for one in having}
        )
    except UserError as error:
        truth.said.problems.append(f"T_2M is not verified: {error}")
        return None


def _reason_against(truth: SeenTruth, one: Seen, known: _Elevations, param: str) -> str | None:
    """Return why a source is not verified for a param of the truth, in a line, or None."""
    if param not in one.params:
        return f"{param}: {one.name} has no such param and is left out of it"
    if one.source.builtin:
        what = f"{param}: {one.name} is left out of it: no other time has a sum since the start"
        return what if param == SINCE_START else None
    if param == NOT_MAPPED and not equal_elevation(known.truth, known.sources.get(one.source.source_id)):
        return f"{param}: {one.name} is left out: its elevation is not the truth's"
    return None


def _params_of(truth: SeenTruth, seen: list[Seen], known: _Elevations) -> dict[str, list[str]]:
    """Return source_id → the params that a source which can be read is verified for.

    A param that a source lacks is a note; one that the config names and all of them lack is a problem.
    """
    found: dict[str, list[str]] = {one.source.source_id: [] for one in seen}
    for param in truth.params:
        lines = []
        for one in (one for one in seen if one.grid is not None):
            reason = _reason_against(truth, one, known, param)
            if reason is None:
                found[one.source.source_id].append(param)
            else:
                lines.append(reason)
        made = [one.source.source_id for one in seen if one.grid is not None and not one.source.builtin]
        if made and not any(param in found[source_id] for source_id in made):
            for line in lines:
                truth.leave_out(param, line)
        else:
            truth.said.notes += lines
    return found


def _scales(truth: SeenTruth, points: np.ndarray) -> list[float]:
    """Return the scales of box averages: none at stations, none near the points' distance."""
    if truth.target.kind == "stations":
        return []
    apart = spacing(truth.target)[points]
    apart = apart[np.isfinite(apart)]
    return usable_scales(truth.spec.comparing.scales, float(np.median(apart))) if apart.size else []


def _keep(folder: Path, truth: SeenTruth, points: np.ndarray, atoms: Atoms, elevation: np.ndarray | None) -> None:
    """Put what the other steps need of the points into the store; what is there and whole stays."""
    target = truth.target
    area = truth.spec.comparing.weights == "area" and target.kind != "stations"
    names = [] if target.names is None else [target.names[point] for point in points]
    arrays = {
        "latitudes": target.latitudes,
        "longitudes": target.longitudes,
        "kind": np.array(target.kind),
        "shape": np.array(target.shape or (), np.int64),
        "points": points,
        "weights": target.weights()[points] if area else np.empty(0),
        "names": np.array(names, dtype="U"),
    }
    version = np.int64(TARGET_VERSION)
    _keep_one(
        folder / TARGET,
        lambda path: write_arrays(path, version=version, **arrays),
        lambda path: read_arrays(path, "file of points", TARGET_VERSION, TARGET_ARRAYS),
    )
    _keep_one(folder / atoms_name(atoms.digest), atoms.save, Atoms.load)
    if elevation is not None:
        _keep_one(
            folder / elevation_name(_digest_of(elevation)),
            lambda path: write_arrays(path, version=version, elevation=elevation),
            lambda path: read_arrays(path, "file of elevations", TARGET_VERSION, ELEVATION_ARRAYS),
        )


def _keep_mappings(folder: Path, truth: SeenTruth, seen: list[Seen], points: np.ndarray) -> None:
    """Put into the store how the points are filled from the grids of sources and truth."""
    for one in seen:
        if one.grid is not None and one.mapping is not None and not one.source.builtin:
            _keep_one(folder / mapping_name(one.grid), one.mapping.at(points).save, Mapping.load)
    _keep_one(folder / mapping_name(truth.grid, "truth"), truth.to_target.at(points).save, Mapping.load)


def _keep_one(final: Path, save: Callable[[Path], None], load: Callable[[Path], Any]) -> None:
    """Write a file that is not there; one that cannot be read is set aside first."""
    if final.exists():
        try:
            load(final)
        except UserError:
            set_aside(final)
    if not final.exists():
        with new_in_store(final) as temporary:
            save(temporary)


def _digest_of(elevation: np.ndarray) -> str:
    return hashlib.sha256(np.round(elevation.astype("<f8"), 2).tobytes()).hexdigest()


def _corrected(lapse: LapseRate | None, known: _Elevations, one: Seen) -> str | None:
    """Return what stands for the elevations between which a source is corrected."""
    if lapse is None or not lapse.corrected or known.truth is None or CORRECTED not in one.params:
        return None
    own = known.sources.get(one.source.source_id)
    return None if own is None else digest([_digest_of(known.truth), _digest_of(own)])[:12]


def _sources(
    truth: SeenTruth, seen: list[Seen], domain: Domain, known: _Elevations, lapse: LapseRate | None
) -> dict[str, SourceFound]:
    """Return source_id → what was found of the source."""
    points, complete, left_out = np.flatnonzero(domain.points), set(domain.complete), domain.left_out()
    params = _params_of(truth, [one for one in seen if one.name in complete], known)
    if lapse is None:
        params = {key: [param for param in some if param != CORRECTED] for key, some in params.items()}
    return {
        one.source.source_id: SourceFound(
            label=one.source.label,
            params=params.get(one.source.source_id, []),
            covers=0 if one.mapping is None else int(one.mapping.covered[points].sum()),
            grid=None if one.grid is None or one.source.builtin else one.grid.digest[:12],
            corrected=_corrected(lapse, known, one),
            left_out=next((line for line in left_out if line.startswith(f"{one.name} covers ")), None),
        )
        for one in seen
    }


def _identity(truth: SeenTruth, domain: Domain) -> dict[str, Any]:
    """Return how sources are compared with the truth: what the verif_id is hashed from."""
    return comparison_identity(
        truth.entry.identity,
        Comparison(
            archive=truth.archive.uuid,
            format=kind_of_truth(truth.opened_with),
            grid=truth.grid.digest,
            domain=domain.digest,
            reader=READER_VERSION,
            statistics=STATISTICS_VERSION,
        ),
    )


def _in_words(lapse: LapseRate | None) -> str:
    if lapse is None:
        return "T_2M is not verified"
    apart = ", ".join(f"{name} {metres:.0f} m" for name, metres in lapse.difference.items())
    return f"{lapse.reason}; mean |difference of elevation|: {apart}" if apart else lapse.reason


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
    truth = see_truth(spec, number)
    seen = [see_source(truth, source) for source in spec.sources]
    domain = _choose(truth, seen)
    points = np.flatnonzero(domain.points)
    regions = _read_regions(truth)
    target = truth.target.take(points)
    atoms = cut_atoms(regions, target.latitudes, target.longitudes)
    truth.said.problems += outside(atoms, regions)
    known = _elevations(truth, seen, points)
    lapse = _decide_lapse_rate(truth, seen, known)
    named = _identity(truth, domain)
    folder = comparison_folder(spec.store, verif_id(named))
    _keep(folder, truth, points, atoms, known.truth)
    _keep_mappings(folder, truth, seen, points)
    return DomainFound(
        truth=number,
        verif_id=verif_id(named),
        identity=named,
        points=domain.size,
        at_stations=truth.target.kind == "stations",
        atoms=atoms.digest,
        elevation=None if known.truth is None else _digest_of(known.truth),
        regions={name: found for name, found in sorted(atoms.digests.items()) if atoms.members[name].any()},
        scales=_scales(truth, points),
        params=truth.params,
        lapse_rate=_in_words(lapse),
        sources=_sources(truth, seen, domain, known, lapse),
        table=domain.table(),
        notes=[*truth.said.notes, *truth.lacking_times(), *domain.left_out()],
        problems=truth.said.problems,
    )
