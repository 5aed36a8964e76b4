"""The table of metrics: what each one is, its unit, which way is better, and what it needs."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalflow.scores import formulas

MIN_EVENTS = 20
"""A categorical score with fewer observed events (points, unweighted) is missing."""

Group = Literal["moments", "correlation", "anomaly", "activity", "contingency"]
"""Which sums a metric needs, and so which init times count: those where all sources have them."""

GROUPS: dict[str, tuple[str, ...]] = {
    "moments": ("f", "o", "ff", "oo", "dd", "ad"),
    "correlation": ("r",),
    "anomaly": ("z",),
    "activity": ("vf", "vo"),
    "contingency": ("a", "b", "c", "d"),
}
"""What one init time gives to each group. The formulas take the mean of these over init times.

f, o, ff, oo, dd, ad: weighted means over the points of forecast, truth, their squares, squared
error and absolute error.
r: correlation of the two fields. z: Fisher's transform of the centred correlation of their
anomalies.
vf, vo: variances of the two fields about their means; of their anomalies where there is a
climatology.
a, b, c, d: sums of weights of hits, false alarms, misses, correct negatives.
"""

AGGREGATION: dict[str, str] = {
    "moments": "Mean over init times, each with equal weight, of the means over its points; then the formula.",
    "correlation": "r over the points of each init time; mean of r over init times; then the formula.",
    "anomaly": "Centred r over the points of each init time; mean of artanh r over init times; then tanh.",
    "activity": "Variance over the points of each init time; mean over init times; then the formula.",
    "contingency": "Sum of the weighted counts over init times; then the formula.",
}


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes
    ----------
    formula
        The formula as text.
    of, needs
        The formula as a function of mean sums, and the names of these sums in the order of its
        arguments.
    group
        Where these sums come from: a key of GROUPS.
    reference
        Where the literature defines it.
    units
        "param", "param squared" or "1": see `units_of`.
    better
        Which values are: "lower" ones (the best is 0), "higher" ones (the best is 1), those nearer
        to 0 or 1, or "": neither.
    at_scales
        Whether it is also computed of averages over boxes.
    """

    name: str
    long_name: str
    formula: str
    of: Callable[..., NDArray]
    group: Group
    needs: tuple[str, ...]
    reference: str
    units: Literal["param", "param squared", "1"] = "1"
    better: Literal["lower", "higher", "near 0", "near 1", ""] = "higher"
    at_scales: bool = False

    @property
    def categorical(self) -> bool:
        """Whether it is a score of an event, and so needs a threshold."""
        return self.group == "contingency"

    @property
    def aggregation(self) -> str:
        """How the sums of many init times become one score."""
        return AGGREGATION[self.group]

    @property
    def target(self) -> float | None:
        """The value that it is best to be near, None where it is best to be low or high."""
        return {"near 0": 0.0, "near 1": 1.0}.get(self.better)

    def distance(self, value: NDArray) -> NDArray:
        """Return what two sources are compared by: the value, or its distance from the best one.

        Biases of −1 K and +1 K are equally bad: their difference is 0.
        """
        return value if self.target is None else np.abs(value - self.target)

    def gain(self, difference: NDArray) -> NDArray[np.int8]:
        """Return 1 where a difference of distances means better, −1 where worse, else 0."""
        sign = np.nan_to_num(np.sign(difference)).astype(np.int8)
        return sign * np.int8({"higher": 1, "": 0}.get(self.better, -1))


def units_of(metric: Metric, param_units: str) -> str:
    """Return the unit of a metric of a param, such as `m2 s-2` for the MSE of `m s-1`."""
    if metric.units == "1":
        return "1"
    return param_units if metric.units == "param" else squared_units(param_units)


def squared_units(units: str) -> str:
    """Return the square of a unit that is written as `kg m-2`: each exponent is doubled."""
    return re.sub(r"([A-Za-z%°]+)(-?\d+)?", lambda match: f"{match[1]}{2 * int(match[2] or 1)}", units)


_WILKS = "Wilks 2019, Statistical Methods in the Atmospheric Sciences, 4th ed., ch. 9"
_MURPHY = "Murphy 1988, Mon. Weather Rev. 116, 2417–2424"
_EBERT = f"{_WILKS}; of box averages: Ebert 2008, Meteorol. Appl. 15, 51–64"
_MIYAKODA = "Miyakoda et al. 1972, Mon. Weather Rev. 100, 836–855; WMO-No. 485, appendix 2.2.34"
_WMO = "WMO-No. 485, Manual on the Global Data-processing and Forecasting System, appendix 2.2.34"
_SCHAEFER = "Schaefer 1990, Weather Forecast. 5, 570–575"
_GILBERT = f"Gilbert 1884, Amer. Meteorol. J. 1, 166–172; {_SCHAEFER}"
_BARNES = "Barnes et al. 2009, Weather Forecast. 24, 1452–1454 (a ratio, not a rate)"
_HEIDKE = "Heidke 1926, Geogr. Ann. 8, 301–349"
_PEIRCE = "Peirce 1884, Science 4, 453–454"
_FERRO = "Ferro & Stephenson 2011, Weather Forecast. 26, 699–713"

_ROWS = [
    Metric(
        "BIAS",
        "mean error",
        "mean(f − o)",
        formulas.bias,
        "moments",
        ("f", "o"),
        _WILKS,
        units="param",
        better="near 0",
    ),
    Metric(
        "MAE",
        "mean absolute error",
        "mean |f − o|",
        formulas.mean,
        "moments",
        ("ad",),
        _WILKS,
        units="param",
        better="lower",
    ),
    Metric(
        "MSE",
        "mean squared error",
        "mean (f − o)²",
        formulas.mean,
        "moments",
        ("dd",),
        _EBERT,
        units="param squared",
        better="lower",
        at_scales=True,
    ),
    Metric(
        "RMSE",
        "root mean squared error",
        "√MSE",
        formulas.root,
        "moments",
        ("dd",),
        _EBERT,
        units="param",
        better="lower",
        at_scales=True,
    ),
    Metric(
        "STDE",
        "standard deviation of the error",
        "√(MSE − BIAS²)",
        formulas.stde,
        "moments",
        ("f", "o", "dd"),
        _WILKS,
        units="param",
        better="lower",
    ),
    Metric(
        "MSE_BIAS",
        "part of MSE: bias",
        "BIAS²",
        formulas.mse_bias,
        "moments",
        ("f", "o"),
        _MURPHY,
        units="param squared",
        better="lower",
    ),
    Metric(
        "MSE_SPREAD",
        "part of MSE: unequal spread",
        "(σf − σo)², of all points and init times",
        formulas.mse_spread,
        "moments",
        ("f", "o", "ff", "oo"),
        _MURPHY,
        units="param squared",
        better="lower",
    ),
    Metric(
        "MSE_CORR",
        "part of MSE: correlation below 1",
        "2 σf σo (1 − CORR_POOLED)",
        formulas.mse_corr,
        "moments",
        ("f", "o", "ff", "oo", "dd"),
        _MURPHY,
        units="param squared",
        better="lower",
    ),
    Metric(
        "CORR",
        "mean correlation of the fields",
        "mean over init times of r(f, o)",
        formulas.mean,
        "correlation",
        ("r",),
        _WILKS,
    ),
    Metric(
        "CORR_POOLED",
        "correlation over all points and init times",
        "r(f, o), of all points and init times",
        formulas.correlation,
        "moments",
        ("f", "o", "ff", "oo", "dd"),
        _WILKS,
    ),
    Metric("R2", "square of the mean correlation", "CORR²", formulas.square, "correlation", ("r",), _WILKS),
    Metric(
        "ACC",
        "anomaly correlation",
        "tanh mean artanh r(f − c, o − c), c: climatology at the valid time",
        formulas.from_fisher,
        "anomaly",
        ("z",),
        _MIYAKODA,
    ),
    Metric(
        "STD_F",
        "activity of the forecast",
        "√ mean of the variance of f, or of f − c",
        formulas.root,
        "activity",
        ("vf",),
        _WMO,
        units="param",
        better="",
    ),
    Metric(
        "STD_O",
        "activity of the truth",
        "√ mean of the variance of o, or of o − c",
        formulas.root,
        "activity",
        ("vo",),
        _WMO,
        units="param",
        better="",
    ),
    Metric(
        "ACTIVITY",
        "activity of the forecast over that of the truth",
        "STD_F / STD_O",
        formulas.root_ratio,
        "activity",
        ("vf", "vo"),
        _WMO,
        better="near 1",
    ),
    Metric(
        "ETS",
        "equitable threat score",
        "(a − aᵣ) / (a + b + c − aᵣ), aᵣ = (a + b)(a + c) / (a + b + c + d)",
        formulas.ets,
        "contingency",
        ("a", "b", "c", "d"),
        _GILBERT,
    ),
    Metric(
        "FBI",
        "frequency bias",
        "(a + b) / (a + c)",
        formulas.fbi,
        "contingency",
        ("a", "b", "c"),
        _WILKS,
        better="near 1",
    ),
    Metric(
        "FREQ_F",
        "frequency of the event in the forecast",
        "(a + b) / (a + b + c + d)",
        formulas.freq_f,
        "contingency",
        ("a", "b", "c", "d"),
        _WILKS,
        better="",
    ),
    Metric(
        "FREQ_O",
        "frequency of the event in the truth",
        "(a + c) / (a + b + c + d)",
        formulas.freq_o,
        "contingency",
        ("a", "b", "c", "d"),
        _WILKS,
        better="",
    ),
    Metric("POD", "probability of detection", "a / (a + c)", formulas.pod, "contingency", ("a", "c"), _WILKS),
    Metric("FAR", "false alarm ratio", "b / (a + b)", formulas.far, "contingency", ("a", "b"), _BARNES, better="lower"),
    Metric(
        "POFD",
        "probability of false detection",
        "b / (b + d)",
        formulas.pofd,
        "contingency",
        ("b", "d"),
        _BARNES,
        better="lower",
    ),
    Metric("CSI", "critical success index", "a / (a + b + c)", formulas.csi, "contingency", ("a", "b", "c"), _SCHAEFER),
    Metric(
        "HSS",
        "Heidke skill score",
        "2 (ad − bc) / ((a + c)(c + d) + (a + b)(b + d))",
        formulas.hss,
        "contingency",
        ("a", "b", "c", "d"),
        _HEIDKE,
    ),
    Metric("PSS", "Peirce skill score", "POD − POFD", formulas.pss, "contingency", ("a", "b", "c", "d"), _PEIRCE),
    Metric(
        "SEDI",
        "symmetric extremal dependence index",
        "(ln F − ln H − ln(1 − F) + ln(1 − H)) / (ln F + ln H + ln(1 − F) + ln(1 − H)), H = POD, F = POFD",
        formulas.sedi,
        "contingency",
        ("a", "b", "c", "d"),
        _FERRO,
    ),
]

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ROWS}
