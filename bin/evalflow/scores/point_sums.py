"""Sums over init times at each point: what score maps are made of.

They are kept per param, lead time and init hour, for blocks of ten days, as float32. A year is the
sum of its blocks, and so is a season: no block lies in two of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SUMS = ("d", "dd", "ad")
"""Sums over init times of the error, of its square and of its absolute value."""


@dataclass(frozen=True, eq=False)
class PointSums:
    """The sums of one param and lead time over the init times of a block.

    Attributes
    ----------
    hours
        Init hours with data, rising.
    count
        Number of pairs, unsigned integers [hours, points].
    sums
        SUMS, float32 [len(SUMS), hours, points]; 0 where there is no pair.
    """

    hours: tuple[int, ...]
    count: NDArray[np.unsignedinteger]
    sums: NDArray[np.float32]

    def of(self, hour: int | None) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return count [points] and sums [len(SUMS), points] of an init hour (None: of all), or None without data."""
        if hour is None and self.hours:
            return self.count.sum(axis=0, dtype=np.float64), self.sums.sum(axis=1, dtype=np.float64)
        if hour not in self.hours:
            return None
        place = self.hours.index(hour)
        return self.count[place].astype(np.float64), self.sums[:, place].astype(np.float64)


class PointAdder:
    """Adds up the fields of one param and lead time.

    Parameters
    ----------
    points : how many there are
    """

    def __init__(self, points: int) -> None:
        self._points = points
        self._count: dict[int, NDArray[np.uint16]] = {}
        self._sums: dict[int, NDArray[np.float32]] = {}

    def add(self, hour: int, forecast: NDArray[np.float32], truth: NDArray[np.float32]) -> bool:
        """Add a forecast of an init hour, [points]; return whether any point has forecast and truth."""
        with np.errstate(invalid="ignore"):
            error = forecast - truth
        valid = np.isfinite(error)
        if not valid.any():
            return False
        error = np.where(valid, error, np.float32(0))
        if hour not in self._count:
            self._count[hour] = np.zeros(self._points, np.uint16)
            self._sums[hour] = np.zeros((len(SUMS), self._points), np.float32)
        self._count[hour] += valid
        for total, term in zip(self._sums[hour], (error, error * error, np.abs(error)), strict=True):
            total += term
        return True

    def finish(self) -> PointSums:
        """Return the sums."""
        hours = sorted(self._count)
        count = np.zeros((len(hours), self._points), np.uint16)
        sums = np.zeros((len(SUMS), len(hours), self._points), np.float32)
        for place, hour in enumerate(hours):
            count[place], sums[:, place] = self._count[hour], self._sums[hour]
        return PointSums(tuple(hours), count.astype(np.min_scalar_type(count.max(initial=0))), sums)
