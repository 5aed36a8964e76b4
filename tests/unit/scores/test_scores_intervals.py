"""Intervals and tests: false positives, power, false discoveries, days needed."""

import numpy as np
import pytest
from evalflow.scores import intervals
from evalflow.scores.intervals import Evidence
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

SERIES = 20_000
TRUE = {0.0: 1.0, 0.3: 1 / 0.7, 0.5: 2.0}
"""Long-run standard deviation of AR(1) series of unit noise."""


def noise(days: int, phi: float, seed: int, series: int = SERIES) -> np.ndarray:
    """Return AR(1) series of unit noise that have forgotten their start, [days, series]."""
    draws = np.random.default_rng(seed).standard_normal((days + 40, series), dtype=np.float32)
    return lfilter([1], [1, -phi], draws, axis=0)[40:]


def p_values(day, values, valid=None) -> np.ndarray:
    """Return the p values of "the mean is 0" of many series, [inits, series]."""
    valid = np.ones(values.shape, bool) if valid is None else valid
    evidence = Evidence(np.asarray(day), valid)
    mean = values.sum(axis=0) / evidence.inits
    error = intervals.standard_error(evidence.coefficients(values[:, None], mean[None]))[0]
    return intervals.p_value(mean, error, evidence.nu)


def false_positives(day, values) -> float:
    return float(np.mean(p_values(day, values) < 0.05))


def two_winters(seed, phi):
    day = np.r_[0:90, 365:455]
    return day, noise(455, phi, seed)[day]


def every_54_hours(seed, phi):
    # A third of the days have no init time; those that have one are some two days apart.
    day = np.arange(0, 365 * 24, 54) // 24
    return day, noise(365, phi, seed)[day]


def four_episodes(seed, phi):
    day = np.concatenate([np.arange(start, start + 8) for start in (0, 40, 130, 250)])
    return day, noise(260, phi, seed)[day]


@pytest.mark.parametrize("phi", TRUE)
@pytest.mark.parametrize("days", [20, 60, 365])
def test_false_positives_of_a_year_and_less(days, phi):
    assert 0.04 <= false_positives(np.arange(days), noise(days, phi, seed=days)) <= 0.07


@pytest.mark.parametrize("phi", TRUE)
@pytest.mark.parametrize("calendar", [two_winters, every_54_hours, four_episodes])
def test_false_positives_of_days_with_gaps(calendar, phi):
    assert 0.04 <= false_positives(*calendar(7, phi)) <= 0.07


@pytest.mark.parametrize("days", [20, 60, 365])
def test_false_positives_of_skewed_series(days):
    # Squared errors are skewed: those of an exponential distribution more than most.
    draws = np.random.default_rng(days).exponential(size=(days, SERIES)) - 1
    assert 0.03 <= false_positives(np.arange(days), draws) <= 0.10


def test_init_times_of_one_day_are_no_days_of_their_own():
    # Four init times a day share the weather of the day; the hours differ a little.
    days, rng = 60, np.random.default_rng(3)
    weather = np.repeat(noise(days, 0.5, seed=4), 4, axis=0)
    values = weather + 0.5 * rng.standard_normal(weather.shape)
    assert 0.04 <= false_positives(np.repeat(np.arange(days), 4), values) <= 0.07
    assert false_positives(np.arange(4 * days), values) > 0.08


def test_days_with_other_numbers_of_init_times():
    # Half of the days have one init time instead of four. The mean over init times is what is
    # tested.
    days, rng = 60, np.random.default_rng(5)
    day = np.repeat(np.arange(days), np.where(rng.random(days) < 0.5, 1, 4))
    values = noise(days, 0.3, seed=6)[day] + rng.standard_normal((len(day), SERIES))
    assert 0.04 <= false_positives(day, values) <= 0.08


def test_power_is_what_detectable_says():
    days = 60
    for phi, deviation in TRUE.items():
        nu = intervals.degrees_of_freedom(days)
        shift = float(intervals.detectable(deviation / np.sqrt(days), nu, 0.05))
        found = p_values(np.arange(days), noise(days, phi, seed=8) + shift) < 0.05
        # φ raises the rate of false positives a little, and the power with it.
        assert intervals.POWER - 0.02 <= found.mean() <= intervals.POWER + 0.05, phi
        assert np.mean(p_values(np.arange(days), noise(days, phi, seed=8) + shift / 4) < 0.05) < 0.2


def test_days_still_needed_are_enough():
    # A difference of 0.2 standard deviations after 60 days: so many days more show it in four of
    # five experiments.
    needed = int(intervals.days_still_needed(0.2, 1 / np.sqrt(60), np.array(60), 0.05))

    def power(n):
        nu = intervals.degrees_of_freedom(n)
        return stats.nct.sf(stats.t.ppf(0.975, nu), nu, 0.2 * np.sqrt(n))

    assert power(60 + needed - 1) < intervals.POWER <= power(60 + needed)
    found = p_values(np.arange(60 + needed), noise(60 + needed, 0, seed=9, series=5000) + 0.2) < 0.05
    assert found.mean() == pytest.approx(intervals.POWER, abs=0.02)
    fewer = p_values(np.arange(60 + needed // 2), noise(60 + needed // 2, 0, seed=9, series=5000) + 0.2) < 0.05
    assert fewer.mean() < intervals.POWER - 0.1


def test_days_still_needed_by_case():
    days = np.array([60, 60, 60, 60])
    needed = intervals.days_still_needed([0.0, 1e-9, 10.0, np.nan], 0.1, days, 0.05)
    assert needed == pytest.approx([np.nan, np.nan, 0, np.nan], nan_ok=True)
    more = intervals.days_still_needed([0.15, 0.1, 0.05], 0.1, days[:3], 0.05)
    assert (np.diff(more) > 0).all()


def test_degrees_of_freedom():
    days = [0, 1, 10, 20, 60, 125, 365, 1000]
    assert intervals.degrees_of_freedom(days).tolist() == [1, 1, 1, 2, 6, 10, 20, 40]


def test_variance_of_one_cosine_by_hand():
    # 10 days have one cosine: its product with the days is all that counts.
    values = np.arange(10.0) ** 2
    angle = np.pi * (np.arange(10) + 0.5) / 10
    product = np.sqrt(2 / 10) * (np.cos(angle) * values).sum()
    evidence = Evidence(np.arange(10), np.ones((10, 1), bool))
    [error] = intervals.standard_error(evidence.coefficients(values[:, None, None], values.mean()[None, None]))[0]
    assert error == pytest.approx(abs(product) / np.sqrt(10))
    t = values.mean() / error
    assert intervals.p_value(values.mean(), error, 1) == pytest.approx(2 * stats.t.sf(t, 1))


def test_variance_of_days_with_other_numbers_of_init_times_by_hand():
    # 25 days have 3 cosines. What a day adds to the mean is the sum over its init times.
    rng = np.random.default_rng(12)
    day = np.repeat(np.arange(25), rng.integers(1, 5, 25))
    values = rng.normal(size=len(day))
    influence = np.array([(values - values.mean())[day == one].sum() for one in range(25)])
    angles = np.pi * np.outer(np.arange(1, 4), np.arange(25) + 0.5) / 25
    variance = np.mean((np.sqrt(2 / 25) * np.cos(angles) @ influence) ** 2)
    evidence = Evidence(day, np.ones((len(day), 1), bool))
    [error] = intervals.standard_error(evidence.coefficients(values[:, None, None], values.mean()[None, None]))[0]
    assert error == pytest.approx(np.sqrt(25 * variance) / len(day))


@given(st.integers(0, 10**6))
def test_cells_with_other_days_do_not_mix(seed):
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, 20, 40))
    valid = rng.random((40, 5)) < np.array([1, 1, 0.5, 0.1, 0])
    values = np.where(valid, rng.normal(size=(40, 5)), 0)
    together = Evidence(day, valid)
    mean = values.sum(axis=0) / np.maximum(together.inits, 1)
    error = intervals.standard_error(together.coefficients(values[:, None], mean[None]))[0]
    for cell in range(5):
        rows = valid[:, cell]
        alone = Evidence(day[rows], np.ones((rows.sum(), 1), bool))
        part = alone.coefficients(values[rows][:, None, cell : cell + 1], mean[None, cell : cell + 1])
        assert together.days[cell] == alone.days[0] == len(set(day[rows]))
        assert together.nu[cell] == alone.nu[0]
        assert error[cell] == pytest.approx(intervals.standard_error(part)[0, 0], abs=1e-12)


def test_a_constant_added_changes_no_interval():
    values = noise(90, 0.3, seed=11, series=5)
    evidence = Evidence(np.arange(90), np.ones(values.shape, bool))
    errors = []
    for shift in (0, 1e5):
        mean = (values + shift).mean(axis=0)
        errors.append(intervals.standard_error(evidence.coefficients((values + shift)[:, None], mean[None])))
    assert errors[1] == pytest.approx(errors[0], rel=1e-8)


# --- false discovery rate -------------------------------------------------------------------------

# The 15 p values of Benjamini & Hochberg 1995, section 3.1 (thrombolysis after infarction):
# Bonferroni's procedure finds three of them at 0.05, theirs the first four.
PUBLISHED = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
]
PUBLISHED += [1.000]


def test_the_published_example():
    shuffled = np.random.default_rng(0).permutation(PUBLISHED)
    q = intervals.false_discovery_rates(shuffled)
    assert sorted(shuffled[q <= 0.05]) == PUBLISHED[:4]
    assert q[shuffled == 0.0095] == pytest.approx(0.0095 * 15 / 4)


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=40))
def test_false_discovery_rates_are_those_of_scipy(p):
    p = np.array(p)
    q = intervals.false_discovery_rates(p)
    tests = ~np.isnan(p)
    assert (np.isnan(q) == ~tests).all()
    if tests.any():
        assert q[tests] == pytest.approx(stats.false_discovery_control(p[tests]))


def test_false_discovery_rates_keep_the_shape():
    p = np.array([[0.01, np.nan], [0.04, 0.03]])
    assert intervals.false_discovery_rates(p) == pytest.approx(np.array([[0.03, np.nan], [0.04, 0.04]]), nan_ok=True)


def test_p_values():
    assert intervals.p_value(0, 0, 5) == 1
    assert intervals.p_value(1, 0, 5) == 0
    assert np.isnan(intervals.p_value(1, np.nan, 5))
    assert np.isnan(intervals.p_value(np.nan, 1, 5))
    assert intervals.p_value(-2.0, 1, 7) == pytest.approx(2 * stats.t.sf(2, 7))
    assert intervals.critical([1, 6, 20], 0.05) == pytest.approx(stats.t.ppf(0.975, [1, 6, 20]))
