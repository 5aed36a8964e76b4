"""The formulas of the scores: functions of mean sums, for arrays of any shape.

Every formula also takes complex arrays: `aggregate` finds its derivatives by a step along the
imaginary axis, which is exact to machine precision. So a formula takes no absolute value and
compares real parts only. What is undefined is NaN.

f and o are the means of forecast and truth, ff and oo those of their squares, dd of the squared
error, vf and vo the variances of the two fields. a, b, c and d are counts: hits, false alarms,
misses, correct negatives.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-12
"""A variance below this part of the mean square is what rounding leaves of a constant field."""


def variance(mean: ArrayLike, mean_square: ArrayLike) -> NDArray:
    """Return the variance, 0 where nothing but rounding is left of it."""
    left = np.asarray(mean_square) - np.asarray(mean) ** 2
    return np.where(np.real(left) <= ROUNDING * np.real(mean_square), 0, left)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray:
    """Return the ratio, NaN where the denominator is 0."""
    denominator = np.asarray(denominator)
    return numerator / np.where(np.real(denominator) == 0, np.nan, denominator)


def mean(value: ArrayLike) -> NDArray:
    """Return the mean sum itself: MAE, MSE, CORR."""
    return np.asarray(value)


def bias(f: NDArray, o: NDArray) -> NDArray:
    """Return the mean error."""
    return f - o


def square(r: NDArray) -> NDArray:
    """Return the square: R2 of CORR."""
    return r**2


def root(square: NDArray) -> NDArray:
    """Return the root: RMSE of MSE, a standard deviation of a variance."""
    return np.sqrt(square)


def stde(f: NDArray, o: NDArray, dd: NDArray) -> NDArray:
    """Return the standard deviation of the error."""
    return np.sqrt(variance(f - o, dd))


def mse_bias(f: NDArray, o: NDArray) -> NDArray:
    """Return the part of MSE that is the bias."""
    return (f - o) ** 2


def mse_spread(f: NDArray, o: NDArray, ff: NDArray, oo: NDArray) -> NDArray:
    """Return the part of MSE that comes from unequal standard deviations."""
    return (np.sqrt(variance(f, ff)) - np.sqrt(variance(o, oo))) ** 2


def mse_corr(f: NDArray, o: NDArray, ff: NDArray, oo: NDArray, dd: NDArray) -> NDArray:
    """Return the part of MSE that comes from a correlation below 1."""
    # 2 σf σo (1 − r) is what the variance of the error holds beyond (σf − σo)². This form keeps its
    # digits where r is near 1.
    left = variance(f - o, dd) - mse_spread(f, o, ff, oo)
    return np.where(np.real(left) < 0, 0, left)


def correlation(f: NDArray, o: NDArray, ff: NDArray, oo: NDArray, dd: NDArray) -> NDArray:
    """Return the correlation of forecast and truth, NaN where one of them is constant."""
    of_forecast, of_truth = variance(f, ff), variance(o, oo)
    covariance = (of_forecast + of_truth - variance(f - o, dd)) / 2
    return ratio(covariance, np.sqrt(of_forecast * of_truth))


def from_fisher(z: NDArray) -> NDArray:
    """Return the correlation of which z is Fisher's transform."""
    return np.tanh(z)


def root_ratio(vf: NDArray, vo: NDArray) -> NDArray:
    """Return the ratio of two standard deviations."""
    return np.sqrt(ratio(vf, vo))


def ets(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> NDArray:
    """Return the equitable threat score."""
    # This is (a − aᵣ) / (a + b + c − aᵣ) times n. Where all points are hits, it is 0 / 0 in
    # floating point too, whatever their weights are.
    beyond_chance = a * d - b * c
    return ratio(beyond_chance, beyond_chance + (b + c) * (a + b + c + d))


def fbi(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """Return the frequency bias."""
    return ratio(a + b, a + c)


def freq_f(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> NDArray:
    """Return the frequency of the event in the forecast."""
    return ratio(a + b, a + b + c + d)


def freq_o(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> NDArray:
    """Return the frequency of the event in the truth: the base rate."""
    return ratio(a + c, a + b + c + d)


def pod(a: NDArray, c: NDArray) -> NDArray:
    """Return the probability of detection."""
    return ratio(a, a + c)


def far(a: NDArray, b: NDArray) -> NDArray:
    """Return the false alarm ratio: of the forecast events."""
    return ratio(b, a + b)


def pofd(b: NDArray, d: NDArray) -> NDArray:
    """Return the probability of false detection: of the observed non-events."""
    return ratio(b, b + d)


def csi(a: NDArray, b: NDArray, c: NDArray) -> NDArray:
    """Return the critical success index."""
    return ratio(a, a + b + c)


def hss(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> NDArray:
    """Return the Heidke skill score."""
    return ratio(2 * (a * d - b * c), (a + c) * (c + d) + (a + b) * (b + d))


def pss(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> NDArray:
    """Return the Peirce skill score."""
    return ratio(a, a + c) - ratio(b, b + d)


def sedi(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> NDArray:
    """Return the symmetric extremal dependence index, NaN where a count is 0: no logarithm."""
    empty = np.logical_or.reduce([np.real(count) == 0 for count in (a, b, c, d)])
    hits, misses = (np.log(np.where(empty, np.nan, ratio(part, a + c))) for part in (a, c))
    alarms, quiet = (np.log(np.where(empty, np.nan, ratio(part, b + d))) for part in (b, d))
    return ratio(alarms - hits - quiet + misses, alarms + hits + quiet + misses)
