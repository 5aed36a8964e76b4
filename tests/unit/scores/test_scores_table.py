"""The table of scores: published values, units, which way is better, and derivatives."""

import numpy as np
import pytest
from evalflow.scores import formulas
from evalflow.scores.aggregate import linearise
from evalflow.scores.table import GROUPS, METRICS, squared_units, units_of
from hypothesis import given
from hypothesis import strategies as st

CATEGORICAL = [metric for metric in METRICS.values() if metric.categorical]

# Finley's tornado forecasts of 1884: hits, false alarms, misses, correct negatives; the scores as
# Ferro & Stephenson 2011 and textbooks print them. Rain in one year of daily forecasts: the example
# of the WWRP's verification pages.
FINLEY = {"a": 28, "b": 72, "c": 23, "d": 2680}
RAIN = {"a": 82, "b": 38, "c": 23, "d": 222}


def score(name: str, sums: dict) -> float:
    metric = METRICS[name]
    with np.errstate(all="ignore"):
        return float(metric.of(*(np.float64(sums[key]) for key in metric.needs)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("ETS", 0.2160), ("HSS", 0.3553), ("PSS", 0.5229), ("SEDI", 0.7528), ("CSI", 28 / 123), ("FBI", 100 / 51)]
    + [("POD", 28 / 51), ("FAR", 0.72), ("POFD", 72 / 2752), ("FREQ_F", 100 / 2803), ("FREQ_O", 51 / 2803)],
)
def test_finley(name, value):
    assert score(name, FINLEY) == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("FBI", 1.14), ("POD", 0.78), ("FAR", 0.32), ("POFD", 0.15), ("CSI", 0.57), ("ETS", 0.44), ("HSS", 0.61)]
    + [("PSS", 0.63)],
)
def test_rain_in_365_forecasts(name, value):
    assert score(name, RAIN) == pytest.approx(value, abs=5e-3)


def test_ten_temperatures():
    f = np.array([5, 10, 9, 15, 22, 13, 17, 17, 19, 23.0])
    o = np.array([-1, 8, 12, 13, 18, 10, 16, 19, 23, 24.0])
    sums = {"f": f.mean(), "o": o.mean(), "ff": (f**2).mean(), "oo": (o**2).mean(), "dd": ((f - o) ** 2).mean()}
    sums["ad"] = np.abs(f - o).mean()
    expected = {"BIAS": 0.8, "MAE": 2.8, "MSE": 10.0, "RMSE": 3.16228, "STDE": 3.05941, "CORR_POOLED": 0.914363}
    expected |= {"MSE_BIAS": 0.64, "MSE_SPREAD": 2.65414, "MSE_CORR": 6.70586}
    assert {name: score(name, sums) for name in expected} == pytest.approx(expected, abs=1e-5)


def test_undefined_is_missing_never_zero():
    nothing_observed = {"a": 0, "b": 5, "c": 0, "d": 95}
    assert np.isnan([score(name, nothing_observed) for name in ("POD", "PSS", "SEDI", "FBI")]).all()
    nothing_forecast = {"a": 0, "b": 0, "c": 5, "d": 95}
    assert np.isnan([score(name, nothing_forecast) for name in ("FAR", "SEDI")]).all()
    assert score("POD", nothing_forecast) == 0
    for weight in (100, 0.1, 1 / 3, 5.430000000000001):
        everywhere = {"a": weight, "b": 0, "c": 0, "d": 0}
        names = ("ETS", "HSS", "PSS", "POFD", "SEDI")
        assert np.isnan([score(name, everywhere) for name in names]).all()
    constant = {"f": 280.15, "o": 281.0, "ff": 280.15**2, "oo": 281.0**2 + 4.0, "dd": 0.85**2 + 4.0}
    assert np.isnan(score("CORR_POOLED", constant))
    assert np.isnan(score("ACTIVITY", {"vf": 1.0, "vo": 0.0}))
    missing = dict.fromkeys(("f", "o", "ff", "oo", "dd", "ad", "a", "b", "c", "d", "vf", "vo", "r", "z"), np.nan)
    assert all(np.isnan(score(name, missing)) for name in METRICS)


def test_only_the_bias_is_left_of_a_shifted_field():
    # Rounding must not be taken for a standard deviation.
    sums = {"f": 101326.3, "o": 101325.0, "dd": (101326.3 - 101325.0) ** 2}
    assert score("STDE", sums) < 1e-4
    assert formulas.variance(273.15, 273.15**2) == 0


counts = st.integers(1, 10_000).map(float)


@given(a=counts, b=counts, c=counts, d=counts)
def test_identities_of_categorical_scores(a, b, c, d):
    sums = {"a": a, "b": b, "c": c, "d": d}
    pod, far, fbi = score("POD", sums), score("FAR", sums), score("FBI", sums)
    assert fbi == pytest.approx(pod / (1 - far))
    assert score("CSI", sums) == pytest.approx(1 / (1 / pod + 1 / (1 - far) - 1))
    assert score("ETS", sums) == pytest.approx(score("HSS", sums) / (2 - score("HSS", sums)))
    swapped = {"a": d, "b": c, "c": b, "d": a}
    for name in ("HSS", "PSS", "SEDI"):
        assert score(name, swapped) == pytest.approx(score(name, sums), abs=1e-9), name
    no_skill = {"a": a * b, "b": a * c, "c": d * b, "d": d * c}
    assert [score(name, no_skill) for name in ("ETS", "HSS", "PSS")] == pytest.approx([0, 0, 0], abs=1e-9)


hundredths = st.integers(-5000, 5000)


@given(st.lists(st.tuples(hundredths, hundredths), min_size=3, max_size=30))
def test_mse_is_the_sum_of_its_parts(pairs):
    f, o = np.array(pairs).T / 100
    sums = {"f": f.mean(), "o": o.mean(), "ff": (f**2).mean(), "oo": (o**2).mean(), "dd": ((f - o) ** 2).mean()}
    parts = sum(score(name, sums) for name in ("MSE_BIAS", "MSE_SPREAD", "MSE_CORR"))
    assert parts == pytest.approx(score("MSE", sums), rel=1e-9, abs=1e-9)
    assert score("STDE", sums) ** 2 == pytest.approx(np.var(f - o), rel=1e-6, abs=1e-9)
    assert score("MSE_SPREAD", sums) == pytest.approx((np.std(f) - np.std(o)) ** 2, rel=1e-6, abs=1e-7)


SUMS = {"f": 281.3, "o": 280.9, "ff": 281.3**2 + 30.0, "oo": 280.9**2 + 34.0, "dd": 5.2, "ad": 1.7}
SUMS |= {"r": 0.83, "z": 1.2, "vf": 20.0, "vo": 24.0, **FINLEY}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_derivatives_agree_with_differences(metric):
    means = [np.array([float(SUMS[key])]) for key in metric.needs]
    value, slopes = linearise(metric, means)
    assert value == pytest.approx(score(metric.name, SUMS))
    for place, mean in enumerate(means):
        step = 1e-6 * abs(mean)
        sides = [metric.of(*[m + s * step * (i == place) for i, m in enumerate(means)]) for s in (1, -1)]
        assert slopes[place] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-3, abs=1e-9)


def test_every_metric_is_described_and_takes_what_its_group_has():
    for metric in METRICS.values():
        assert set(metric.needs) <= set(GROUPS[metric.group])
        assert metric.formula
        assert metric.reference
        assert metric.aggregation
        assert (metric.target is None) == (metric.better in ("lower", "higher", ""))
    assert [name for name, metric in METRICS.items() if metric.at_scales] == ["MSE", "RMSE"]


@pytest.mark.parametrize(
    ("name", "difference", "gain"),
    [("RMSE", -0.1, 1), ("RMSE", 0.1, -1), ("CORR", 0.1, 1), ("FAR", 0.1, -1), ("STD_F", 0.1, 0), ("ETS", 0.0, 0)]
    + [("BIAS", -0.1, 1), ("FBI", -0.1, 1), ("FBI", 0.1, -1), ("ETS", np.nan, 0)],
)
def test_which_way_is_better(name, difference, gain):
    assert METRICS[name].gain(np.array([difference])).tolist() == [gain]


def test_a_bias_is_compared_by_its_size():
    assert METRICS["BIAS"].distance(np.array([-1.0, 1.0])).tolist() == [1.0, 1.0]
    assert METRICS["FBI"].distance(np.array([0.0, 1.0, 1.5])).tolist() == [1.0, 0.0, 0.5]
    assert METRICS["RMSE"].distance(np.array([2.0])).tolist() == [2.0]


def test_units():
    assert units_of(METRICS["RMSE"], "K") == "K"
    assert units_of(METRICS["MSE"], "K") == "K2"
    assert units_of(METRICS["MSE_CORR"], "m s-1") == "m2 s-2"
    assert units_of(METRICS["ETS"], "kg m-2") == "1"
    assert squared_units("kg m-2") == "kg2 m-4"
    assert squared_units("m2 s-2") == "m4 s-4"
    assert squared_units("1") == "1"
