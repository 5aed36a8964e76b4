"""Values of one grid at the points of another. neighbours.py, which needs scipy, finds the points."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from evalflow.fields.points.npz import read_arrays, write_arrays

VERSION = 1
"""Raise it when two grids are mapped in another way, so that old and new are not mixed."""

ENOUGH = 0.5
"""Share of the weight of a box that must be there for its average to be there."""


@dataclass(frozen=True, eq=False)
class Mapping:
    """How each point of a target grid is filled from the points of a source.

    Attributes
    ----------
    source_size : number of points of the source
    points : int32 [n], the source point that fills each target point, or [n, 4], those that do by
        `shares`; −1: none
    shares : float64 [n, 4], weights of `points`, or None where one point is taken as it is
    box : int32 [n], the box whose average fills each target point instead; −1: none
    in_box : int32 [m], for each part of a box which box it belongs to
    box_points : int32 [m], for each part of a box the source point
    box_weights : float64 [m], for each part of a box its weight
    """

    source_size: int
    points: np.ndarray
    shares: np.ndarray | None
    box: np.ndarray
    in_box: np.ndarray
    box_points: np.ndarray
    box_weights: np.ndarray

    @property
    def size(self) -> int:
        """Return the number of target points."""
        return len(self.points)

    @cached_property
    def _full(self) -> np.ndarray:
        """The weight of each box."""
        return np.bincount(self.in_box, self.box_weights)

    @cached_property
    def covered(self) -> np.ndarray:
        """Which target points the source fills where it has no missing value, bool [n]."""
        return np.isfinite(self.apply(np.zeros(self.source_size, np.float32)))

    @cached_property
    def used(self) -> np.ndarray:
        """Which points of the source fill any target point, bool [source_size]."""
        used = np.zeros(self.source_size + 1, bool)
        used[self.points.ravel()] = True
        used[self.box_points] = True
        return used[:-1]

    @property
    def averaged(self) -> np.ndarray:
        """Which target points are filled by box averages, bool [n]."""
        return self.box >= 0

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return values of the source at the target points.

        A missing value of the source (NaN) is missing wherever it is taken. A box average is that
        of the values that are there, and missing where they have less than half of the box's
        weight.

        Parameters
        ----------
        values : [source_size]

        Returns
        -------
        float32 [n]; NaN where the source does not reach, or is missing

        Raises
        ------
        ValueError
            Where there are not as many values as the source has points.
        """
        values = np.asarray(values, np.float32)
        if values.shape != (self.source_size,):
            raise ValueError(f"{values.shape} values for a source of {self.source_size} points")
        taken = np.append(values, np.float32(np.nan))[self.points]  # −1 is the last one
        if self.shares is not None:
            taken = np.where(self.shares > 0, taken * self.shares, 0).sum(axis=1).astype(np.float32)
        if self.averaged.any():
            taken[self.averaged] = self._averages(values)[self.box[self.averaged]]
        return taken

    def _averages(self, values: np.ndarray) -> np.ndarray:
        parts, weights, there = values[self.box_points], self.box_weights, self._full
        missing = np.isnan(parts)
        if missing.any():
            parts[missing] = 0
            weights = np.where(missing, 0, weights)
            there = np.bincount(self.in_box, weights, minlength=len(self._full))
        sums = np.bincount(self.in_box, weights * parts, minlength=len(self._full))
        # Half is enough, also where a sum of many weights is rounded.
        enough = (there > 0) & (there >= ENOUGH * (1 - 1e-9) * self._full)
        return np.divide(sums, there, out=np.full_like(sums, np.nan), where=enough)

    def at(self, targets: np.ndarray) -> "Mapping":
        """Return the mapping to some target points: indices in their order, or a bool [n]."""
        shares = None if self.shares is None else self.shares[targets]
        box = self.box[targets]
        used = np.zeros(len(self._full), bool)
        used[box[box >= 0]] = True
        number = np.cumsum(used) - 1
        kept = used[self.in_box]
        return replace(
            self,
            points=self.points[targets],
            shares=shares,
            box=np.where(box >= 0, number[box] if len(number) else -1, -1).astype(np.int32),
            in_box=number[self.in_box[kept]].astype(np.int32),
            box_points=self.box_points[kept],
            box_weights=self.box_weights[kept],
        )

    def save(self, path: Path) -> None:
        """Write the mapping to a file (NumPy's .npz without objects)."""
        shares = np.empty((0, 4)) if self.shares is None else self.shares
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        write_arrays(
            path, version=np.int64(VERSION), source_size=np.int64(self.source_size), **arrays | {"shares": shares}
        )

    @classmethod
    def load(cls, path: Path) -> "Mapping":
        """Read a mapping that `save` wrote.

        Raises
        ------
        UserError
            Where the file is damaged, is none of ours, or of another version.
        """
        arrays = read_arrays(path, "mapping", VERSION, ("source_size", *_ARRAYS))
        size, shares = int(arrays.pop("source_size")), arrays.pop("shares")
        return cls(source_size=size, shares=shares if arrays["points"].ndim == 2 else None, **arrays)


_ARRAYS = ("points", "shares", "box", "in_box", "box_points", "box_weights")


def one_to_one(size: int) -> Mapping:
    """Return the mapping of a grid to itself."""
    return from_points(size, np.arange(size))


def from_points(source_size: int, points: np.ndarray, shares: np.ndarray | None = None) -> Mapping:
    """Return the mapping that takes a source point (or four by shares) per target; −1: none."""
    none = np.empty(0, np.int32)
    box = np.full(len(points), -1, np.int32)
    return Mapping(source_size, points.astype(np.int32), shares, box, none, none, np.empty(0))
