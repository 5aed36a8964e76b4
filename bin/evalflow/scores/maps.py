"""Scores at each point from sums over init times, and where two sources differ for more than chance.

The unit of evidence is the block of ten days. What a block adds to a difference of scores (its
influence, by the derivatives of the scores) is compared with the spread of these over the blocks:
with a score that is a mean, and as many pairs in each block, this is the paired t test of the
blocks' means. The method of the tables needs the series of each day, which is not kept for each
point.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalflow.scores.aggregate import linearise
from evalflow.scores.intervals import false_discovery_rates, p_value
from evalflow.scores.point_sums import SUMS
from evalflow.scores.table import METRICS, Metric

FEWEST_BLOCKS = 10
"""Blocks below which nothing is said of chance."""


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of many blocks.

    Attributes
    ----------
    count
        Number of pairs, [points].
    sums
        SUMS, [len(SUMS), points].
    """

    count: NDArray[np.float64]
    sums: NDArray[np.float64]

    def arguments(self, metric: Metric) -> list[NDArray[np.float64]]:
        """Return the means that the metric's formula takes; NaN where there is no pair."""
        with np.errstate(divide="ignore", invalid="ignore"):
            means = dict(zip(SUMS, self.sums / self.count, strict=True))
        # The formulas take f and o only as their difference: the error stands for f, and 0 for o.
        known = {"f": means["d"], "o": np.zeros_like(means["d"]), "dd": means["dd"], "ad": means["ad"]}
        return [known[name] for name in metric.needs]


def score_at_points(metric: str, totals: Totals) -> NDArray[np.float64]:
    """Return a score, [points]; NaN where there is no pair."""
    with np.errstate(invalid="ignore"):
        return np.asarray(METRICS[metric].of(*totals.arguments(METRICS[metric])), np.float64)


class PairedTest:
    """Tests the differences of a score between two sources, block by block.

    Parameters
    ----------
    source, reference
        Sums of all blocks that are then added, of the same pairs.
    """

    def __init__(self, metric: str, source: Totals, reference: Totals) -> None:
        one = METRICS[metric]
        self._total = source.count
        self.difference = one.distance(score_at_points(metric, source)) - one.distance(
            score_at_points(metric, reference)
        )
        self._slopes = [_slopes(one, totals) for totals in (source, reference)]
        constant = [
            sum((slope * totals.sums[place] for place, slope in slopes), np.zeros_like(totals.count))
            for slopes, totals in zip(self._slopes, (source, reference), strict=True)
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            self._constant = (constant[0] - constant[1]) / self._total
        self._squares = np.zeros_like(self._total)
        self._blocks = np.zeros(self._total.shape, np.int64)

    def add(self, source: Totals, reference: Totals) -> None:
        """Add a block."""
        influence = -source.count * self._constant
        for sign, slopes, totals in zip((1, -1), self._slopes, (source, reference), strict=True):
            for place, slope in slopes:
                influence += sign * slope * totals.sums[place]
        there = source.count > 0
        self._squares[there] += (influence[there] / self._total[there]) ** 2
        self._blocks += there

    def p_values(self) -> NDArray[np.float64]:
        """Return the p value of "there is no difference", [points]; NaN below FEWEST_BLOCKS blocks."""
        enough = self._blocks >= FEWEST_BLOCKS
        blocks = np.where(enough, self._blocks, FEWEST_BLOCKS)
        error = np.sqrt(self._squares * blocks / (blocks - 1))
        return np.where(enough, p_value(self.difference, error, blocks - 1), np.nan)


def _slopes(metric: Metric, totals: Totals) -> list[tuple[int, NDArray[np.float64]]]:
    """Return the derivatives of what sources are compared by, each with the place of its mean in SUMS."""
    value, slopes = linearise(metric, totals.arguments(metric))
    if metric.target is not None:  # the derivative of a distance
        slopes = [slope * np.sign(value - metric.target) for slope in slopes]
    place_of = {"f": 0, "dd": 1, "ad": 2}
    return [(place_of[name], slope) for name, slope in zip(metric.needs, slopes, strict=True) if name in place_of]


def not_shown_to_differ(p: NDArray[np.float64], false_discovery_rate: float) -> NDArray[np.bool_]:
    """Return where a map says nothing of which source is better: the points to be hatched.

    Of the other points, at most the part `false_discovery_rate` is expected to be chance (Benjamini
    & Hochberg 1995, over all points of the map).
    """
    with np.errstate(invalid="ignore"):
        return ~(false_discovery_rates(p) <= false_discovery_rate)
