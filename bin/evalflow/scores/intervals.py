"""How sure a score is: intervals and tests from the day-to-day variation of its sums.

The unit of evidence is the day. What each init time adds to a score (its influence) is summed over
the init times of a day. The long-run variance of these sums comes from the equal-weighted cosine
estimator of Lazarus, Lewis, Stock & Watson 2018 (HAR inference: recommendations for practice, J.
Bus. Econ. Stat. 36, 541–559): ν = max(⌊0.4 n^⅔⌋, 1) cosines for n days, and a t distribution with ν
degrees of freedom. Days without data are left out and the gap is closed.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

POWER = 0.8
"""The chance with which a difference of the size that `detectable` returns is found."""

_MOST_DAYS = 36525
"""Where more days than a century holds would be needed, no data decide."""


def degrees_of_freedom(days: ArrayLike) -> NDArray[np.int64]:
    """Return the number of cosines, ν, for numbers of days."""
    # A little is added because 0.4 × 125^⅔ is 10, and 9.999… in floating point.
    return np.maximum(np.floor(0.4 * np.asarray(days, float) ** (2 / 3) + 1e-9), 1).astype(np.int64)


@cache
def cosines(days: int) -> NDArray[np.float64]:
    """Return √(2/ν) times the first ν cosines over some days, [ν, days].

    The squares of their products with a series add up to its number of days × long-run variance.
    """
    nu = int(degrees_of_freedom(days))
    angle = np.pi * (np.arange(days) + 0.5) / days
    return np.sqrt(2 / nu) * np.cos(np.arange(1, nu + 1)[:, None] * angle)


class Evidence:
    """The days on which init times give data, for many cells at once.

    Attributes
    ----------
    inits, days, nu
        Number of init times and of days with data, and degrees of freedom, [cells].
    """

    def __init__(self, day: NDArray[np.int64], valid: NDArray[np.bool_]) -> None:
        """Set up the cells.

        Parameters
        ----------
        day
            The day of each init time, as a number that never falls, [inits].
        valid
            Whether an init time gives data to a cell, [inits, cells].
        """
        self._starts = np.flatnonzero(np.r_[True, np.diff(day) != 0])[: len(day)]
        self._inits_of_day = self._by_day(valid.astype(np.float64))
        self._has_data = self._inits_of_day > 0
        self.inits = self._inits_of_day.sum(axis=0).astype(np.int64)
        self.days = self._has_data.sum(axis=0)
        self.nu = degrees_of_freedom(self.days)

    def _by_day(self, values: NDArray) -> NDArray[np.float64]:
        # Where each init time has a day of its own, or there is none, there is nothing to add.
        return values if len(self._starts) == len(values) else np.add.reduceat(values, self._starts, axis=0)

    def coefficients(self, values: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cosine coefficients of the daily influence of mean sums.

        The coefficients of a score are those of its sums times its derivatives; the root of the sum
        of their squares is its standard error.

        Parameters
        ----------
        values
            What each init time gives to the sums, 0 where it has no data, [inits, sums, cells].
        mean
            The means over the init times with data, [sums, cells].

        Returns
        -------
        [ν, sums, cells], with 0 beyond the ν of a cell.
        """
        of_day = self._by_day(values)
        result = np.zeros((int(self.nu.max(initial=1)), *mean.shape))
        for cells in self._alike():
            days = np.flatnonzero(self._has_data[:, cells[0]])
            if not len(days):
                continue
            all_cells = len(cells) == mean.shape[1]
            sums = of_day if len(days) == len(of_day) else of_day[days]
            sums = sums if all_cells else sums[:, :, cells]
            inits = self._inits_of_day[np.ix_(days, cells)]
            basis = cosines(len(days))
            # The influence of a day is its sum less the mean of its init times; the mean is taken
            # off after the product.
            product = (basis @ sums.reshape(len(days), -1)).reshape(len(basis), len(mean), len(cells))
            product -= (basis @ inits)[:, None] * mean[:, cells]
            product /= self.inits[cells]
            result[: len(basis), :, slice(None) if all_cells else cells] = product
        return result

    def _alike(self) -> list[NDArray[np.intp]]:
        """Return the cells in groups that have data on the same days."""
        has_data = self._has_data
        if not has_data.shape[1]:
            return []
        if (has_data == has_data[:, :1]).all():
            return [np.arange(has_data.shape[1])]
        _, group = np.unique(np.packbits(has_data, axis=0), axis=1, return_inverse=True)
        return [np.flatnonzero(group.ravel() == number) for number in range(group.max() + 1)]


def standard_error(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard error of which `coefficients`, [ν, …], are the cosine coefficients."""
    return np.sqrt((coefficients**2).sum(axis=0))


def critical(nu: ArrayLike, level: float) -> NDArray[np.float64]:
    """Return the t value that chance exceeds, either way, with probability `level`."""
    return _lookup(nu, lambda one: special.stdtrit(one, 1 - level / 2))


def p_value(difference: ArrayLike, error: ArrayLike, nu: ArrayLike) -> NDArray[np.float64]:
    """Return the two-sided p value of a difference with a standard error; 1 where both are 0."""
    difference, error = np.abs(np.asarray(difference, float)), np.asarray(error, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference == 0, 0 * error, difference / error)
    return 2 * special.stdtr(nu, -t)


def false_discovery_rates(p: ArrayLike) -> NDArray[np.float64]:
    """Return the q values of the tests whose p values are given.

    They are those of Benjamini & Hochberg 1995 (J. R. Stat. Soc. B 57, 289–300). The tests with q ≤
    r are those that their procedure finds at a false discovery rate of r. NaN is no test.
    """
    p = np.asarray(p, float)
    q = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p.ravel()[tests], kind="stable")]
    ratio = p.ravel()[order] * len(order) / np.arange(1, len(order) + 1)
    q.ravel()[order] = np.minimum.accumulate(ratio[::-1])[::-1]
    return np.minimum(q, 1)


def detectable(error: ArrayLike, nu: ArrayLike, level: float) -> NDArray[np.float64]:
    """Return the smallest true difference that the test finds with a chance of POWER."""
    return np.asarray(error) * _noncentrality(nu, level)


def days_still_needed(
    difference: ArrayLike, error: ArrayLike, days: NDArray[np.int64], level: float
) -> NDArray[np.float64]:
    """Return how many more days the test needs to find a difference with a chance of POWER.

    The difference that was seen is taken for the true one. 0 where it is significant already, NaN
    where a century of days would not do.
    """
    difference, error = np.abs(np.asarray(difference, float)), np.asarray(error, float)
    nu = degrees_of_freedom(days)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = difference / (error * np.sqrt(days))
    found = _found_after(level)
    # found falls with the days; searchsorted wants it rising.
    in_all = 2.0 + len(found) - np.searchsorted(found[::-1], wanted, side="right")
    needed = np.where(np.isnan(wanted) | (in_all > _MOST_DAYS), np.nan, np.maximum(in_all - days, 0))
    return np.where(difference > critical(nu, level) * error, 0.0, needed)


@cache
def _found_after(level: float) -> NDArray[np.float64]:
    """Return the difference that is found after 2, 3, … days, in long-run standard deviations."""
    days = np.arange(2, _MOST_DAYS + 1)
    return np.minimum.accumulate(_noncentrality(degrees_of_freedom(days), level) / np.sqrt(days))


def _noncentrality(nu: ArrayLike, level: float) -> NDArray[np.float64]:
    """Return the difference, in standard errors, that the test finds with a chance of POWER."""
    return _lookup(nu, lambda one: special.nctdtrinc(one, 1 - POWER, special.stdtrit(one, 1 - level / 2)))


def _lookup(nu: ArrayLike, function) -> NDArray[np.float64]:
    """Return `function` of each number, computed once for each that occurs."""
    numbers, place = np.unique(np.asarray(nu), return_inverse=True)
    return function(numbers.astype(float))[place].reshape(np.shape(nu))
