"""Joint histograms of threshold categories: every contingency table is a sum of their cells.

m values make 2m + 1 categories: below the first, equal to it, between the first and the second,
equal to the second, … above the last. So all six operators are exact, and what counts as equal is
decided in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalflow.errors import UserError
from evalflow.scores.names import Threshold

EQUAL = 1e-6
"""A float32 value that is off by this part of a threshold is equal to it."""


@dataclass(frozen=True)
class Categories:
    """The values of a param's thresholds, and the packing steps of the fields.

    Attributes
    ----------
    values
        Rising, in the param's unit.
    steps
        Distance of two values that forecast and truth can hold, where they are packed; else 0.
    """

    values: tuple[float, ...]
    steps: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not self.values or list(self.values) != sorted(set(self.values)):
            raise ValueError(f"values of thresholds {self.values}: must rise")
        if len(self.values) > 127:
            raise UserError(f"thresholds: {len(self.values)} values of one param; allowed: 127 or fewer")

    @property
    def count(self) -> int:
        """The number of categories."""
        return 2 * len(self.values) + 1

    def joint(self, forecast: NDArray, truth: NDArray) -> NDArray[np.intp]:
        """Return the cell of each point: category of the forecast × count + that of the truth."""
        cell = _category(forecast, self.values, self.steps[0]).astype(np.intp)
        cell *= self.count
        cell += _category(truth, self.values, self.steps[1])
        return cell


def values_of(thresholds: Sequence[Threshold]) -> tuple[float, ...]:
    """Return the values of some thresholds, each once, rising."""
    return tuple(sorted({float(threshold.value) for threshold in thresholds}))


def _category(field: NDArray, values: tuple[float, ...], step: float) -> NDArray[np.uint8]:
    """Return the category of each point. Comparing tens of edges is faster than a search."""
    category = np.zeros(field.shape, np.uint8)
    passed = np.empty(field.shape, bool)
    for lower, upper in zip(*_edges(values, step), strict=True):
        category += np.greater_equal(field, lower, out=passed)
        category += np.greater(field, upper, out=passed)
    return category


def _edges(values: tuple[float, ...], step: float) -> tuple[NDArray, NDArray]:
    """Return the least and the greatest value that are equal to each threshold.

    They go halfway to the next threshold at most.
    """
    exact = np.asarray(values)
    within = np.maximum(step / 2, EQUAL * np.abs(exact))
    halfway = (exact[1:] + exact[:-1]) / 2
    lower = np.maximum(exact - within, np.r_[-np.inf, halfway])
    upper = np.minimum(exact + within, np.r_[halfway, np.inf])
    return lower.astype(np.float32), upper.astype(np.float32)


def event_cells(threshold: Threshold, values: tuple[float, ...]) -> NDArray[np.bool_]:
    """Return which categories of `values` are the event, [2m + 1]."""
    category = np.arange(2 * len(values) + 1)
    equal = 2 * values.index(threshold.value) + 1
    return {
        "gt": category > equal,
        "ge": category >= equal,
        "lt": category < equal,
        "le": category <= equal,
        "eq": category == equal,
        "ne": category != equal,
    }[threshold.operator]


def table_cells(threshold: Threshold, values: tuple[float, ...]) -> NDArray[np.float64]:
    """Return which cells add up to hits, false alarms, misses and correct negatives, [4, cells]."""
    event = event_cells(threshold, values)
    parts = [np.outer(event, event), np.outer(event, ~event), np.outer(~event, event), np.outer(~event, ~event)]
    return np.array([part.ravel() for part in parts], np.float64)
