"""What one source and one init time give to the scores: sums over points.

An atom is a set of points that lie in the same regions. The sums are additive, so those of a region
are the sums of its atoms, and scores of any stratum come from sums of many init times. All sums are
float64.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalflow.scores.categories import Categories

MOMENTS = ("n", "w", "f", "o", "ff", "oo", "dd", "ad")
"""Number of points, and sums of weights and of weights times what `GROUPS["moments"]` names."""

ANOMALIES = ("w", "f", "o", "ff", "oo", "dd")
"""The same of anomalies from a climatology, over the points where it is known."""


@dataclass(frozen=True)
class Points:
    """The points that are verified, sorted by atom. Every field that is measured has this order.

    Attributes
    ----------
    size
        Number of points, n.
    starts
        First point of each atom, [atoms], as `np.add.reduceat` takes them. No atom is empty.
    weights
        Weight of each point, [n]; None: all 1.
    order
        Place of each point in the domain, [n]; None: the domain has this order too. Masks of valid
        points are kept in the domain's order, so that they can be compared whatever the regions
        are.
    boxes
        For each scale (km) the box of each point, [n], from 0 without gaps.
    """

    size: int
    starts: NDArray[np.intp]
    weights: NDArray[np.float64] | None = None
    order: NDArray[np.intp] | None = None
    boxes: Mapping[float, NDArray[np.intp]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        edges = np.append(self.starts, self.size)
        if not len(self.starts) or edges[0] != 0 or (np.diff(edges) <= 0).any():
            raise ValueError("starts of atoms must rise from 0, and each atom must hold a point")

    @classmethod
    def sorted_by_atom(
        cls,
        order: NDArray[np.intp],
        starts: NDArray[np.intp],
        weights: NDArray[np.float64] | None = None,
        boxes: Mapping[float, NDArray[np.intp]] | None = None,
    ) -> "Points":
        """Return the points of a domain whose atoms have this order and these starts.

        Weights and boxes are given in the domain's order.
        """
        in_order = None if weights is None else np.asarray(weights, np.float64)[order]
        return cls(len(order), starts, in_order, order, {scale: box[order] for scale, box in (boxes or {}).items()})

    @cached_property
    def weight_of_point(self) -> NDArray[np.float64]:
        """The weight of each point, 1 where there are no weights, [n]."""
        return np.ones(self.size) if self.weights is None else np.asarray(self.weights, np.float64)

    @cached_property
    def atom_of_point(self) -> NDArray[np.intp]:
        """The number of the atom that each point lies in, [n]."""
        return np.repeat(np.arange(len(self.starts), dtype=np.intp), np.diff(np.append(self.starts, self.size)))

    @cached_property
    def scratch(self) -> NDArray[np.float64]:
        """Memory to compute in: to ask for it anew for each term costs more than the arithmetic."""
        return np.empty((4, self.size))

    @cached_property
    def parts(self) -> dict[float, "_Parts"]:
        """The parts of boxes that lie in one atom, per scale."""
        return {scale: _Parts(np.asarray(box, np.intp), self) for scale, box in self.boxes.items()}

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over the points of each atom, [atoms]."""
        return np.add.reduceat(values, self.starts)

    def in_domain_order(self, values: NDArray) -> NDArray:
        """Return values of the points in the domain's order."""
        if self.order is None:
            return values
        in_domain = np.empty_like(values)
        in_domain[self.order] = values
        return in_domain


def _sum_by(group: NDArray[np.intp], values: NDArray, groups: int) -> NDArray[np.float64]:
    """Return the sum of the values of each group, [groups]."""
    return np.bincount(group, values, minlength=groups).astype(np.float64, copy=False)


class _Parts:
    """The parts of boxes of one scale that lie in one atom: points are summed once, then parts."""

    def __init__(self, box: NDArray[np.intp], points: Points) -> None:
        atoms = len(points.starts)
        parts, self._of_point = np.unique(box * atoms + points.atom_of_point, return_inverse=True)
        self._box, self._atom = np.divmod(parts, atoms)
        self._atoms = atoms
        self._full = self._sum(points.weight_of_point)

    def _sum(self, values: NDArray) -> NDArray[np.float64]:
        return _sum_by(self._of_point, values, len(self._box))

    def squared_errors(self, weights: NDArray | None, errors: NDArray) -> NDArray[np.float64]:
        """Return Σ weight × (mean error of the point's box)² over the points of each atom, [atoms].

        The mean of a box is that of all its valid points, in whatever region they lie.

        Parameters
        ----------
        weights
            Weight of each point, 0 where it is not valid; None: every point is valid.
        errors
            Weight × error of each point.
        """
        weight = self._full if weights is None else self._sum(weights)
        box_weight = np.bincount(self._box, weight)
        box_error = np.bincount(self._box, self._sum(errors))
        mean = np.divide(box_error, box_weight, out=np.zeros_like(box_error), where=box_weight > 0)
        return _sum_by(self._atom, weight * mean[self._box] ** 2, self._atoms)


@dataclass(frozen=True)
class Cells:
    """The filled cells of a joint histogram: their numbers, their points, and sums of weights."""

    cell: NDArray[np.int64]
    count: NDArray[np.int64]
    weight: NDArray[np.float64] | None


@dataclass(frozen=True)
class FieldSums:
    """The sums of one field: a param at one lead time.

    Attributes
    ----------
    moments, anomalies
        [len(MOMENTS), atoms], [len(ANOMALIES), atoms] or None.
    boxes
        For each scale (km) the sum of weights times squared error of box averages, [atoms].
    cells
        The joint histogram of threshold categories; cells are numbered by atom, category of
        forecast, category of truth.
    valid
        Which points of the domain have forecast and truth, [n] in the domain's order.
    """

    moments: NDArray[np.float64]
    anomalies: NDArray[np.float64] | None
    boxes: dict[float, NDArray[np.float64]]
    cells: Cells | None
    valid: NDArray[np.bool_]


def measure(
    points: Points,
    forecast: NDArray[np.float32],
    truth: NDArray[np.float32],
    *,
    climatology: NDArray[np.float32] | None = None,
    categories: Categories | None = None,
) -> FieldSums:
    """Return the sums of one forecast field against the truth.

    Parameters
    ----------
    points
        The points, sorted by atom.
    forecast, truth, climatology
        Values at these points in the param's unit, [n]; missing is NaN. A point counts where
        forecast and truth are there.
    categories
        The categories of the param's thresholds; None: it has none.
    """
    with np.errstate(invalid="ignore"):
        valid = np.isfinite(forecast - truth)
    full = bool(valid.all())
    if not full:
        forecast, truth = np.where(valid, forecast, 0), np.where(valid, truth, 0)
    weights = points.weight_of_point if full else points.weight_of_point * valid
    moments = [points.sum(valid.astype(np.float64)), *_moments(points, weights, forecast, truth)]
    errors = _weighted_errors(points, weights, forecast, truth)
    boxes = {scale: parts.squared_errors(None if full else weights, errors) for scale, parts in points.parts.items()}
    return FieldSums(
        moments=np.stack(moments),
        anomalies=None if climatology is None else _anomalies(points, weights, (forecast, truth, climatology)),
        boxes=boxes,
        cells=_cells(points, categories, categories.joint(forecast, truth), valid) if categories else None,
        valid=valid if full else points.in_domain_order(valid),
    )


def _weighted_errors(points: Points, weights: NDArray, forecast: NDArray, truth: NDArray) -> NDArray[np.float64]:
    """Return weight × error of each point, in `points.scratch[0]`."""
    errors = np.subtract(forecast, truth, out=points.scratch[0], dtype=np.float64)
    return np.multiply(errors, weights, out=errors)


def _moments(points: Points, weights: NDArray, forecast: NDArray, truth: NDArray) -> list[NDArray[np.float64]]:
    """Return the moments from the sum of weights on, each [atoms]."""
    term = points.scratch[1]
    firsts, seconds = [], []
    for values in (forecast, truth):
        firsts.append(points.sum(np.multiply(values, weights, out=term)))
        seconds.append(points.sum(np.multiply(term, values, out=term)))
    errors = _weighted_errors(points, weights, forecast, truth)
    absolute = points.sum(np.abs(errors, out=term))
    np.subtract(forecast, truth, out=term, dtype=np.float64)
    seconds.append(points.sum(np.multiply(term, errors, out=term)))
    return [points.sum(weights), *firsts, *seconds, absolute]


def _anomalies(points: Points, weights: NDArray, fields: tuple[NDArray, NDArray, NDArray]) -> NDArray[np.float64]:
    forecast, truth, climatology = fields
    known = np.isfinite(climatology)
    if not known.all():
        climatology, weights = np.where(known, climatology, 0), weights * known
    forecast = np.subtract(forecast, climatology, out=points.scratch[2], dtype=np.float64)
    truth = np.subtract(truth, climatology, out=points.scratch[3], dtype=np.float64)
    return np.stack(_moments(points, weights, forecast, truth)[: len(ANOMALIES)])


def _cells(points: Points, categories: Categories, joint: NDArray[np.intp], valid: NDArray[np.bool_]) -> Cells:
    cells = categories.count**2
    joint = joint + points.atom_of_point * cells
    weights = points.weights
    if not valid.all():
        joint, weights = joint[valid], None if weights is None else weights[valid]
    count = np.bincount(joint, minlength=len(points.starts) * cells)
    filled = np.flatnonzero(count)
    weight = None if weights is None else _sum_by(joint, weights, len(count))[filled]
    return Cells(filled, count[filled], weight)


@dataclass(frozen=True)
class ParamSums:
    """The sums of one param of a source and an init time.

    Attributes
    ----------
    units
        Unit of the param.
    lead_times
        Lead times that are held, rising. One that has no valid point is held too.
    moments, anomalies
        [len(MOMENTS), leads, atoms], [len(ANOMALIES), leads, atoms] or None.
    boxes
        For each scale (km) the sum of weights times squared error of box averages, [leads, atoms].
    values, cells
        The values of the thresholds, and the joint histogram of their categories. Cells are
        numbered by lead time, atom, category of forecast, category of truth. None where there are
        no thresholds.
    digests, masks
        Of each lead time the digest of the mask of valid points in the domain's order, and the mask
        as packed bits where a point is missing, else None.
    """

    units: str
    lead_times: tuple[timedelta, ...]
    moments: NDArray[np.float64]
    anomalies: NDArray[np.float64] | None
    boxes: dict[float, NDArray[np.float64]]
    values: tuple[float, ...]
    cells: Cells | None
    digests: tuple[int, ...]
    masks: tuple[NDArray[np.uint8] | None, ...]

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of valid points per lead time, [leads]."""
        return self.moments[0].sum(axis=-1).astype(np.int64)

    @property
    def cells_per_lead(self) -> int:
        """The number of cells of the joint histograms of one lead time."""
        return cells_per_lead(self.moments.shape[-1], self.values)


@dataclass(frozen=True)
class Sums:
    """The sums of one source and one init time: what a file of statistics holds.

    Attributes
    ----------
    regions
        For each region, which atoms lie in it, [atoms].
    size
        Number of points of the domain.
    attributes
        What the file says of itself (source, truth, what it was made from), as texts.
    """

    init_time: datetime
    size: int
    regions: dict[str, NDArray[np.bool_]]
    params: dict[str, ParamSums]
    attributes: dict[str, str] = field(default_factory=dict)

    def valid(self, param: str, lead_time: timedelta) -> NDArray[np.bool_]:
        """Return which points have forecast and truth, [size] in the domain's order."""
        sums = self.params[param]
        packed = sums.masks[sums.lead_times.index(lead_time)]
        if packed is None:
            return np.ones(self.size, bool)
        return np.unpackbits(packed, count=self.size).astype(bool)


def cells_per_lead(atoms: int, values: Sequence[float]) -> int:
    """Return the number of cells of the joint histograms of one lead time."""
    return atoms * (2 * len(values) + 1) ** 2


def mask_digest(valid: NDArray[np.bool_]) -> int:
    """Return the first 64 bits of the SHA-256 of a mask of points in the domain's order."""
    return int.from_bytes(hashlib.sha256(np.packbits(valid).tobytes()).digest()[:8], "big")


def collect(fields: Mapping[timedelta, FieldSums], units: str, values: Sequence[float] = ()) -> ParamSums:
    """Return the sums of one param from those of its fields.

    Parameters
    ----------
    fields
        The sums per lead time; all were measured at the same points, with the same categories and
        scales.
    values
        The values of the categories.
    """
    leads = tuple(sorted(fields))
    sums = [fields[lead] for lead in leads]
    if not sums:
        raise ValueError("a param needs a lead time")
    anomalies = [one.anomalies for one in sums if one.anomalies is not None]
    if anomalies and len(anomalies) < len(sums):
        raise ValueError("anomalies are there for some lead times only")
    return ParamSums(
        units=units,
        lead_times=leads,
        moments=np.stack([one.moments for one in sums], axis=1),
        anomalies=np.stack(anomalies, axis=1) if anomalies else None,
        boxes={scale: np.stack([one.boxes[scale] for one in sums]) for scale in sums[0].boxes},
        values=tuple(values),
        cells=_stack_cells([one.cells for one in sums], cells_per_lead(sums[0].moments.shape[1], values)),
        digests=tuple(mask_digest(one.valid) for one in sums),
        masks=tuple(None if one.valid.all() else np.packbits(one.valid) for one in sums),
    )


def _stack_cells(cells: Sequence[Cells | None], per_lead: int) -> Cells | None:
    held = [one for one in cells if one is not None]
    if not held:
        return None
    weights = [one.weight for one in held if one.weight is not None]
    return Cells(
        np.concatenate([one.cell + lead * per_lead for lead, one in enumerate(held)]),
        np.concatenate([one.count for one in held]),
        np.concatenate(weights) if weights else None,
    )
