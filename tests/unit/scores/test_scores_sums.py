"""The sums of one field, against sums written out by hand."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.scores.categories import Categories
from evalflow.scores.sums import ANOMALIES, MOMENTS, Points, collect, mask_digest, measure
from hypothesis import given
from hypothesis import strategies as st

INITS = [datetime(2020, 1, 1)]
VALUES = (275.0, 280.0, 285.0)


def by_hand(f, o, w) -> dict[str, float]:
    d = f - o
    terms = {"n": np.ones_like(w), "w": w, "f": w * f, "o": w * o, "ff": w * f * f, "oo": w * o * o}
    return {name: np.sum(term) for name, term in (terms | {"dd": w * d * d, "ad": w * np.abs(d)}).items()}


@pytest.mark.parametrize("weights", [None, "real", "integer"])
@pytest.mark.parametrize("missing", [0, 0.2])
def test_moments_of_regions(scored_world, weights, missing):
    some = scored_world(inits=INITS, weights=weights, missing=missing)
    [sums] = some.sums(0)
    for lead, lead_time in enumerate(some.lead_times):
        for region, atoms in sums.regions.items():
            [pairs] = some.pairs(0, lead, region)
            moments = sums.params["T_2M"].moments[:, sums.params["T_2M"].lead_times.index(lead_time), atoms].sum(axis=1)
            expected = by_hand(pairs.f, pairs.o, pairs.w)
            assert dict(zip(MOMENTS, moments, strict=True)) == pytest.approx(expected, rel=1e-12)


def test_weights_that_are_whole_numbers_are_repeated_points(scored_world):
    some = scored_world(inits=INITS, weights="integer", missing=0.2)
    boxes = {50.0: np.arange(120) // 10}
    [sums] = some.sums(0, values=VALUES, climatology=True, boxes=boxes)
    times = some.weights.astype(int)
    for name in ("forecasts", "truths", "climatology"):
        setattr(some, name, np.repeat(getattr(some, name), times, axis=-1))
    some.regions = {name: np.repeat(inside, times) for name, inside in some.regions.items()}
    some.weights = None
    [repeated] = some.sums(0, values=VALUES, climatology=True, boxes={50.0: np.repeat(boxes[50.0], times)})
    one, other = sums.params["T_2M"], repeated.params["T_2M"]
    assert one.moments[1:] == pytest.approx(other.moments[1:], rel=1e-12)
    assert one.anomalies == pytest.approx(other.anomalies, rel=1e-9)
    assert one.boxes[50.0] == pytest.approx(other.boxes[50.0], rel=1e-9)
    assert (one.cells.cell == other.cells.cell).all()
    assert one.cells.weight == pytest.approx(other.cells.count)
    assert other.cells.weight is None
    assert one.cells.count.sum() == one.counts.sum() < other.counts.sum()


def test_a_perfect_forecast_has_no_error(scored_world):
    some = scored_world(inits=INITS, missing=0, weights="real")
    some.forecasts[0] = some.truths
    moments = some.sums(0)[0].params["T_2M"].moments
    assert (moments[MOMENTS.index("dd")] == 0).all()
    assert (moments[MOMENTS.index("ad")] == 0).all()
    assert (moments[MOMENTS.index("f")] == moments[MOMENTS.index("o")]).all()


def test_anomalies_are_of_the_points_where_the_climatology_is_known(scored_world):
    some = scored_world(inits=INITS, weights="real", missing=0.1)
    some.climatology[..., ::7] = np.nan
    [sums] = some.sums(0, climatology=True)
    [pairs] = some.pairs(0, 0, "all")
    known = np.isfinite(pairs.c)
    anomalies = [getattr(pairs, name)[known] - pairs.c[known] for name in ("f", "o")]
    expected = by_hand(*anomalies, pairs.w[known])
    found = dict(zip(ANOMALIES, sums.params["T_2M"].anomalies[:, 0].sum(axis=-1), strict=True))
    assert found == pytest.approx({name: expected[name] for name in ANOMALIES}, rel=1e-9)


def test_the_mask_does_not_depend_on_regions(scored_world):
    some = scored_world(inits=INITS, missing=0.2)
    [sums] = some.sums(0)
    there = np.isfinite(some.forecasts[0, 0, 1]) & np.isfinite(some.truths[0, 1])
    assert (sums.valid("T_2M", timedelta(hours=12)) == there).all()
    assert sums.params["T_2M"].digests[1] == mask_digest(there)
    some.regions = {"all": some.regions["all"]}
    assert some.sums(0)[0].params["T_2M"].digests == sums.params["T_2M"].digests


def test_a_full_mask_is_not_kept(scored_world):
    some = scored_world(inits=INITS, missing=0)
    [sums] = some.sums(0)
    assert sums.params["T_2M"].masks == (None, None)
    assert sums.valid("T_2M", timedelta(hours=6)).all()
    assert len(set(sums.params["T_2M"].digests)) == 1
    some.forecasts[0, 0, 0, 3] = np.nan
    one, other = some.sums(0)[0].params["T_2M"].digests
    assert one != other


def test_infinite_values_are_missing(scored_world):
    some = scored_world(inits=INITS, missing=0)
    some.forecasts[0, 0, 0, 5] = some.truths[0, 0, 5] = np.inf
    some.truths[0, 0, 6] = -np.inf
    [sums] = some.sums(0)
    assert sums.params["T_2M"].counts.tolist() == [118, 120]
    assert np.isfinite(sums.params["T_2M"].moments).all()


def test_a_field_without_any_value_is_held_with_no_points(scored_world):
    some = scored_world(inits=INITS, missing=0)
    some.forecasts[0, 0, 0] = np.nan
    sums = some.sums(0, values=VALUES, climatology=True, boxes={50.0: np.arange(120) // 10})[0].params["T_2M"]
    assert sums.lead_times == some.lead_times
    assert sums.counts.tolist() == [0, 120]
    assert (sums.moments[:, 0] == 0).all()
    assert (sums.boxes[50.0][0] == 0).all()


def test_boxes_by_hand():
    # Two boxes over two atoms: the mean error of a box is that of all its points, its square counts
    # where the points lie.
    forecast, truth = np.array([1, 3, 5, 0, 4], np.float32), np.zeros(5, np.float32)
    points = Points(5, np.array([0, 3]), np.array([1, 1, 2, 1, 1.0]), boxes={50.0: np.array([0, 0, 1, 1, 1])})
    sums = measure(points, forecast, truth)
    first, second = (1 + 3) / 2, (2 * 5 + 0 + 4) / 4
    assert sums.boxes[50.0] == pytest.approx([2 * first**2 + 2 * second**2, 2 * second**2])
    forecast[2] = np.nan
    assert measure(points, forecast, truth).boxes[50.0] == pytest.approx([2 * first**2, 2 * 2.0**2])


@given(st.integers(1, 9), st.integers(0, 1000))
def test_sums_of_parts_add_up(cut, seed):
    rng = np.random.default_rng(seed)
    f, o = rng.normal(280, 10, (2, 10)).astype(np.float32)
    f[rng.random(10) < 0.2] = np.nan
    w = rng.random(10)
    categories = Categories(VALUES)
    whole = measure(Points(10, np.array([0]), w), f, o, categories=categories)
    parts = [
        measure(Points(len(w[part]), np.array([0]), w[part]), f[part], o[part], categories=categories)
        for part in (slice(cut), slice(cut, None))
    ]
    assert parts[0].moments + parts[1].moments == pytest.approx(whole.moments, rel=1e-12)
    both = measure(Points(10, np.array([0, cut]), w), f, o, categories=categories)
    assert np.hstack([part.moments for part in parts]) == pytest.approx(both.moments, rel=1e-12)
    assert sum(part.cells.count.sum() for part in parts) == whole.cells.count.sum()


def test_points_that_are_not_sorted_by_atom():
    for starts in ([], [1], [0, 0], [0, 5], [0, 3, 2]):
        with pytest.raises(ValueError, match="starts of atoms must rise from 0"):
            Points(5, np.array(starts, int))


def test_what_cannot_be_collected(scored_world):
    with pytest.raises(ValueError, match="needs a lead time"):
        collect({}, "K")
    some = scored_world(inits=INITS)
    points, f, o = some.points(), some.forecasts[0, 0], some.truths[0]
    fields = {timedelta(0): measure(points, f[0], o[0], climatology=o[0]), timedelta(1): measure(points, f[1], o[1])}
    with pytest.raises(ValueError, match="anomalies are there for some lead times only"):
        collect(fields, "K")
