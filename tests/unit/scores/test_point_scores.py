"""Scores at points: sums, formulas and paired tests beside numpy and scipy on the raw errors."""

import numpy as np
import pytest
from evalflow.scores.maps import FEWEST_BLOCKS, PairedTest, Totals, not_shown_to_differ, score_at_points
from evalflow.scores.point_sums import PointAdder
from scipy import stats

POINTS = 40
ORACLE = {
    "BIAS": lambda error: error.mean(axis=0),
    "MAE": lambda error: np.abs(error).mean(axis=0),
    "RMSE": lambda error: np.sqrt((error**2).mean(axis=0)),
    "STDE": lambda error: error.std(axis=0),
}


def totals(errors: np.ndarray) -> Totals:
    """Return the sums of errors [inits, points]; NaN is no pair."""
    there = ~np.isnan(errors)
    sums = np.array([np.nansum(one, axis=0) for one in (errors, errors**2, np.abs(errors))])
    return Totals(there.sum(axis=0).astype(float), sums)


@pytest.fixture
def blocks() -> tuple[np.ndarray, np.ndarray]:
    """Errors of two sources, [blocks, inits, points]; at the first half of the points the first one is better."""
    random = np.random.default_rng(4)
    one, other = random.normal(0.4, 1, (2, 14, 10, POINTS))
    other[..., : POINTS // 2] = 1.6 * other[..., : POINTS // 2] + 1
    return one, other


def paired(metric: str, one: np.ndarray, other: np.ndarray) -> PairedTest:
    points = one.shape[-1]
    test = PairedTest(metric, totals(one.reshape(-1, points)), totals(other.reshape(-1, points)))
    for block, beside in zip(one, other, strict=True):
        test.add(totals(block), totals(beside))
    return test


def test_sums_of_fields_per_init_hour():
    random = np.random.default_rng(1)
    forecasts, truths = random.normal(280, 5, (2, 6, POINTS)).astype(np.float32)
    forecasts[2, 3], truths[4, 5] = np.nan, np.inf
    adder = PointAdder(POINTS)
    assert all(adder.add(12 * (place % 2), forecasts[place], truths[place]) for place in range(6))
    assert not adder.add(6, np.full(POINTS, np.nan, np.float32), truths[0])
    done = adder.finish()
    assert done.hours == (0, 12) and done.count.dtype == np.uint8 and done.sums.dtype == np.float32
    errors = np.where(np.isfinite(forecasts - truths), forecasts.astype(float) - truths, np.nan)
    for hour, chosen in ((0, slice(0, 6, 2)), (12, slice(1, 6, 2)), (None, slice(0, 6))):
        count, sums = done.of(hour)
        wanted = totals(errors[chosen])
        np.testing.assert_array_equal(count, wanted.count)
        np.testing.assert_allclose(sums, wanted.sums, rtol=2e-5, atol=1e-4)
    assert done.of(6) is None
    assert PointAdder(3).finish().of(None) is None


@pytest.mark.parametrize("metric", ORACLE)
def test_scores_at_points(metric, blocks):
    errors = blocks[0].reshape(-1, POINTS).copy()
    errors[:, 7] = np.nan
    errors[3:, 8] = np.nan
    found = score_at_points(metric, totals(errors))
    assert np.isnan(found[7])
    for point in [one for one in range(POINTS) if one != 7]:
        own = errors[~np.isnan(errors[:, point]), point][:, None]
        assert found[point] == pytest.approx(ORACLE[metric](own)[0], rel=1e-9)


def test_a_mean_is_tested_as_scipy_does(blocks):
    one, other = blocks
    wanted = stats.ttest_rel(np.abs(one).mean(axis=1), np.abs(other).mean(axis=1)).pvalue
    np.testing.assert_allclose(paired("MAE", one, other).p_values(), wanted, rtol=1e-9)


def test_a_bias_is_tested_by_its_size(blocks):
    one, other = blocks[0], -blocks[1]
    signs = [np.sign(errors.mean(axis=(0, 1))) for errors in (one, other)]
    means = [sign * errors.mean(axis=1) for sign, errors in zip(signs, (one, other), strict=True)]
    test = paired("BIAS", one, other)
    np.testing.assert_allclose(test.p_values(), stats.ttest_rel(*means).pvalue, rtol=1e-9)
    sizes = [np.abs(errors.mean(axis=(0, 1))) for errors in (one, other)]
    np.testing.assert_allclose(test.difference, sizes[0] - sizes[1], rtol=1e-9)


@pytest.mark.parametrize("metric", ["RMSE", "STDE"])
def test_other_scores_are_tested_as_means_of_their_influence(metric, blocks):
    """The influence of a block, found by weighing it a little more, takes the place of its mean."""
    step, means = 1e-5, []
    for errors in blocks:
        count = len(errors)
        weights = np.ones((count, count)) + step * np.eye(count)
        weights /= weights.sum(axis=1, keepdims=True)
        first = np.einsum("wb,bp->wp", weights, errors.mean(axis=1))
        second = np.einsum("wb,bp->wp", weights, (errors**2).mean(axis=1))
        moved = np.sqrt(second if metric == "RMSE" else second - first**2)
        means.append((moved - ORACLE[metric](errors.reshape(-1, POINTS))) / step * count)
    wanted = ORACLE[metric](blocks[0].reshape(-1, POINTS)) - ORACLE[metric](blocks[1].reshape(-1, POINTS))
    difference = means[0] - means[1]
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    p = 2 * stats.t.sf(np.abs(wanted / error), len(difference) - 1)
    np.testing.assert_allclose(paired(metric, *blocks).p_values(), p, rtol=2e-3)


def test_blocks_without_a_pair_do_not_count(blocks):
    one, other = (errors.copy() for errors in blocks)
    for errors in (one, other):
        errors[:4, :, 0] = np.nan
        errors[:5, :, 1] = np.nan
    p = paired("MAE", one, other).p_values()
    wanted = stats.ttest_rel(np.abs(one[4:, :, 0]).mean(axis=1), np.abs(other[4:, :, 0]).mean(axis=1)).pvalue
    assert len(one) - 4 == FEWEST_BLOCKS and p[0] == pytest.approx(wanted, rel=1e-9)
    assert np.isnan(p[1]), "nine blocks are too few"
    assert not np.isnan(p[2:]).any()


def test_blocks_of_unequal_size_count_by_their_pairs(blocks):
    """The difference is that of all pairs, and a block of one pair weighs less than one of ten."""
    one, other = (errors.copy() for errors in blocks)
    for errors in (one, other):
        errors[0, 1:] = np.nan
    test = paired("MAE", one, other)
    gain = np.abs(one) - np.abs(other)
    mean = np.nanmean(gain, axis=(0, 1))
    influence = np.nansum(gain - mean, axis=1) / (~np.isnan(gain)).sum(axis=(0, 1))
    error = np.sqrt((influence**2).sum(axis=0) * len(one) / (len(one) - 1))
    np.testing.assert_allclose(test.difference, mean, rtol=1e-9)
    np.testing.assert_allclose(test.p_values(), 2 * stats.t.sf(np.abs(mean / error), len(one) - 1), rtol=1e-9)


def test_equal_sources_do_not_differ(blocks):
    p = paired("RMSE", blocks[0], blocks[0]).p_values()
    np.testing.assert_array_equal(p, 1)


def test_the_hatching_is_that_of_benjamini_and_hochberg(blocks):
    p = paired("MAE", *blocks).p_values()
    hatched = not_shown_to_differ(p, 0.1)
    np.testing.assert_array_equal(hatched, stats.false_discovery_control(p) > 0.1)
    assert not hatched[: POINTS // 2].any() and hatched[POINTS // 2 :].mean() > 0.7
    p[3] = np.nan
    assert not_shown_to_differ(p, 0.1)[3], "of what was not tested nothing is known"
