"""Scores of many init times against their oracles, their differences and intervals."""

import operator
import warnings
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import numpy as np
import pytest
import scores as oracle
import xarray as xr
from evalflow.scores.aggregate import Significance, aggregate, has_anomalies
from evalflow.scores.names import Score, Threshold
from evalflow.scores.series import Wanted, gather
from evalflow.scores.strata import Case, Stratum
from evalflow.scores.table import METRICS, MIN_EVENTS
from hypothesis import given, settings
from hypothesis import strategies as st

INITS = [datetime(2020, 2, 20) + timedelta(hours=12 * step) for step in range(30)]
THRESHOLDS = [Threshold("gt", 280.0), Threshold("le", 278.5), Threshold("ge", 285.0)]
BOXES = {50.0: np.arange(120) // 6}
CONTINUOUS = [name for name, metric in METRICS.items() if not metric.categorical]
CATEGORICAL = [name for name, metric in METRICS.items() if metric.categorical]


def series_of(scored_world, *, sources=None, thresholds=(), shuffle=None, **options):
    """Return the series of each source of a world."""
    scales = tuple(options.get("boxes") or ())
    wanted = Wanted(
        scored_world.init_times, scored_world.lead_times, tuple(scored_world.regions), {"T_2M": thresholds}, scales
    )
    result = []
    for source in sources or range(len(scored_world.forecasts)):
        files = scored_world.sums(source, values=sorted({threshold.value for threshold in thresholds}), **options)
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(files)
        result.append(gather(files, ["T_2M"], wanted)["T_2M"])
    return result


def values_of(blocks, source=0) -> dict:
    """Return the scores of a source by name of the score, number of the lead time and region."""
    found = {}
    for block in blocks:
        shape = block.value.shape
        for number, lead, region in product(range(shape[1]), range(shape[2]), range(shape[3])):
            key = (block.scores[number].name, lead, block.regions[region])
            found[key] = block.value[source, number, lead, region]
    return found


def pooled(pairs, key):
    """Return the mean over init times of a mean over points."""
    return np.mean([np.average(key(one), weights=one.w) for one in pairs])


def by_hand(pairs) -> dict[str, float]:
    """Return the continuous scores of pairs per init time whose weights are whole numbers."""
    bias, mse = pooled(pairs, lambda one: one.f - one.o), pooled(pairs, lambda one: (one.f - one.o) ** 2)
    mean_f, mean_o = pooled(pairs, lambda one: one.f), pooled(pairs, lambda one: one.o)
    of_f = np.sqrt(pooled(pairs, lambda one: (one.f - mean_f) ** 2))
    of_o = np.sqrt(pooled(pairs, lambda one: (one.o - mean_o) ** 2))
    correlations, anomalies = [], []
    for one in pairs:
        f, o, c = np.repeat([one.f, one.o, one.c], one.w.astype(int), axis=1)
        correlations.append(np.corrcoef(f, o)[0, 1])
        anomalies.append(np.corrcoef(f - c, o - c)[0, 1])
    std_f = np.sqrt(np.mean([np.cov(one.f - one.c, aweights=one.w, ddof=0) for one in pairs]))
    std_o = np.sqrt(np.mean([np.cov(one.o - one.c, aweights=one.w, ddof=0) for one in pairs]))
    return {
        "BIAS": bias,
        "MAE": pooled(pairs, lambda one: abs(one.f - one.o)),
        "MSE": mse,
        "RMSE": mse**0.5,
        "STDE": (mse - bias**2) ** 0.5,
        "MSE_BIAS": bias**2,
        "MSE_SPREAD": (of_f - of_o) ** 2,
        "MSE_CORR": mse - bias**2 - (of_f - of_o) ** 2,
        "CORR": np.mean(correlations),
        "CORR_POOLED": pooled(pairs, lambda one: (one.f - mean_f) * (one.o - mean_o)) / (of_f * of_o),
        "R2": np.mean(correlations) ** 2,
        "ACC": np.tanh(np.mean(np.arctanh(anomalies))),
        "STD_F": std_f,
        "STD_O": std_o,
        "ACTIVITY": std_f / std_o,
    }


@pytest.mark.parametrize("weights", [None, "integer"])
def test_continuous_scores_by_hand(scored_world, weights):
    some = scored_world(inits=INITS, weights=weights, missing=0.2)
    series = series_of(some, sources=[1], climatology=True)
    found = values_of(aggregate(series, map(Score, CONTINUOUS), [Stratum()]))
    assert len(found) == len(CONTINUOUS) * 2 * 3
    for lead, region in product(range(2), some.regions):
        expected = by_hand(some.pairs(1, lead, region))
        assert {name: found[name, lead, region] for name in CONTINUOUS} == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("weights", [None, "integer", "real"])
def test_continuous_scores_of_the_oracle(scored_world, weights):
    # One init time at a time, as the oracle has no mean over init times; it has no weights for
    # correlations.
    some = scored_world(inits=INITS[:3], weights=weights, missing=0.2)
    series = series_of(some, sources=[0])
    continuous = oracle.continuous
    functions = {
        "BIAS": continuous.additive_bias,
        "MAE": continuous.mae,
        "MSE": continuous.mse,
        "RMSE": continuous.rmse,
    }
    for init, init_time in enumerate(some.init_times):
        use = np.array([one == init_time for one in some.init_times])[:, None] & np.ones(2, bool)
        found = values_of(aggregate(series, [Score(name) for name in (*functions, "CORR")], [Stratum()], use=use))
        for (name, lead, region), value in found.items():
            repeat = name == "CORR"
            if repeat and weights == "real":
                continue
            one = some.pairs(0, lead, region, repeat=repeat and weights == "integer")[init]
            f, o, w = (xr.DataArray(values, dims="point") for values in (one.f, one.o, one.w))
            if repeat:
                expected = continuous.correlation.pearsonr(f, o)
            else:
                expected = functions[name](f, o, weights=w)
            assert value == pytest.approx(float(expected), rel=1e-6), (name, lead, region)


@pytest.mark.parametrize("weights", [None, "integer"])
@pytest.mark.parametrize("threshold", THRESHOLDS, ids=lambda threshold: threshold.text)
def test_categorical_scores_of_the_oracle(scored_world, weights, threshold):
    some = scored_world(inits=INITS, weights=weights, missing=0.1)
    series = series_of(some, sources=[1], thresholds=THRESHOLDS)
    found = values_of(aggregate(series, [Score(name, threshold) for name in CATEGORICAL], [Stratum()]))
    methods = {"ETS": "equitable_threat_score", "FBI": "frequency_bias", "POD": "probability_of_detection"}
    methods |= {"FAR": "false_alarm_ratio", "POFD": "probability_of_false_detection", "CSI": "critical_success_index"}
    methods |= {"FREQ_F": "forecast_rate", "FREQ_O": "base_rate"}
    methods |= {"HSS": "heidke_skill_score", "PSS": "peirce_skill_score", "SEDI": "symmetric_extremal_dependence_index"}
    event = oracle.categorical.ThresholdEventOperator(
        default_event_threshold=threshold.value, default_op_fn=getattr(operator, threshold.operator)
    )
    for lead, region in product(range(2), some.regions):
        pairs = some.pairs(1, lead, region, repeat=True)
        f, o = (xr.DataArray(np.concatenate([getattr(one, c) for one in pairs]), dims="point") for c in "fo")
        manager = event.make_contingency_manager(f, o)
        for name, method in methods.items():
            key = (Score(name, threshold).name, lead, region)
            assert found[key] == pytest.approx(float(getattr(manager, method)()), rel=1e-9), key


def test_scores_of_box_averages(scored_world):
    some = scored_world(inits=INITS[:5], weights="real", missing=0.1)
    series = series_of(some, sources=[0], boxes=BOXES)
    found = values_of(aggregate(series, [Score("RMSE", scale=50.0), Score("RMSE")], [Stratum()]))
    per_init = []
    for f, o in zip(some.forecasts[0, :, 1].astype(float), some.truths[:, 1].astype(float), strict=True):
        there = np.isfinite(f - o)
        error, weight = np.zeros(120), np.where(there, some.weights, 0)
        for box in range(20):
            inside = there & (BOXES[50.0] == box)
            error[inside] = np.average((f - o)[inside], weights=some.weights[inside])
        west = some.regions["west"]
        per_init.append(np.average(error[west] ** 2, weights=weight[west]))
    assert found["RMSE_50km", 1, "west"] == pytest.approx(np.sqrt(np.mean(per_init)), rel=1e-6)
    assert found["RMSE_50km", 1, "all"] < 0.6 * found["RMSE", 1, "all"]


def test_activity_is_of_the_fields_where_a_source_has_no_climatology(scored_world):
    some = scored_world(inits=INITS[:4], missing=0.1)
    with_it, without = series_of(some, climatology=True), series_of(some)
    assert has_anomalies(with_it)
    assert not has_anomalies([with_it[0], without[1]])
    [block] = aggregate([with_it[0], without[1]], [Score("STD_F")], [Stratum()])
    expected = np.sqrt(np.mean([np.var(one.f) for one in some.pairs(0, 0, "all")]))
    assert block.value[0, 0, 0, 0] == pytest.approx(expected, rel=1e-9)
    [block] = aggregate([with_it[0], without[1]], [Score("ACC")], [Stratum()], references=(1,))
    assert np.isfinite(block.value[0]).all() and np.isnan(block.value[1]).all()
    assert np.isnan(block.differences[0].value).all() and np.isnan(block.differences[0].p).all()


def test_what_one_source_never_has_keeps_no_other_from_it(scored_world):
    """A field that is constant at all init times has no correlation at any; at one of them, that is left out for all."""
    some = scored_world(inits=INITS[:6], missing=0, sources=3)
    alone = series_of(some)[0]
    some.forecasts[1] = 280
    some.forecasts[2, 3] = 280
    first, constant, once = series_of(some)
    [block] = aggregate([first, constant, once], [Score("CORR")], [Stratum()])
    assert np.isnan(block.value[1]).all() and np.isfinite(block.value[[0, 2]]).all()
    assert (block.inits == 5).all()
    [block] = aggregate([first, constant], [Score("CORR")], [Stratum()])
    [wanted] = aggregate([alone], [Score("CORR")], [Stratum()])
    assert (block.inits == 6).all() and np.allclose(block.value[0], wanted.value[0], rtol=1e-12)


# --- samples --------------------------------------------------------------------------------------


def test_strata_use_their_init_times(scored_world):
    some = scored_world(inits=INITS, missing=0)
    series = series_of(some, sources=[0])
    case = Case("Storm", datetime(2020, 2, 29, 12), datetime(2020, 3, 1, 6), "north")
    strata = [Stratum(season="MAM"), Stratum(init_hour="12"), Stratum(valid_hour="00"), Stratum(case=case)]
    blocks = list(aggregate(series, [Score("MAE")], strata))
    assert [block.stratum for block in blocks] == strata
    for block, stratum in zip(blocks, strata, strict=True):
        assert block.regions == (("north",) if stratum.case else ("all", "west", "north"))
        held = stratum.holds(INITS, some.lead_times)
        for lead, region in product(range(2), range(len(block.regions))):
            pairs = some.pairs(0, lead, block.regions[region])
            errors = [np.mean(abs(one.f - one.o)) for one, wanted in zip(pairs, held[:, lead], strict=True) if wanted]
            assert block.inits[lead, region] == len(errors)
            value = block.value[0, 0, lead, region]
            assert value == pytest.approx(np.mean(errors)) if errors else np.isnan(value)
    # Every second init time is at 12, and reaches hour 00 after 12 hours, the others never.
    assert blocks[2].inits[:, 0].tolist() == [0, 15]


def test_a_stratum_without_data_is_passed_over(scored_world):
    series = series_of(scored_world(inits=INITS[:4]), sources=[0])
    assert list(aggregate(series, [Score("MAE")], [Stratum(season="JJA")])) == []


def test_only_pairs_that_may_be_used(scored_world):
    some = scored_world(inits=INITS, missing=0)
    use = np.random.default_rng(0).random((30, 2)) < 0.5
    [block] = aggregate(series_of(some), [Score("BIAS")], [Stratum()], use=use)
    for lead in range(2):
        pairs = [one for one, wanted in zip(some.pairs(1, lead, "all"), use[:, lead], strict=True) if wanted]
        assert block.value[1, 0, lead, 0] == pytest.approx(np.mean([np.mean(one.f - one.o) for one in pairs]))
        assert block.pairs[1, lead, 0] == 120 * use[:, lead].sum()
        assert block.inits[lead, 0] == use[:, lead].sum()
        assert block.days[lead, 0] == len(
            {init.date() for init, wanted in zip(INITS, use[:, lead], strict=True) if wanted}
        )


def test_an_init_time_that_one_source_lacks_is_left_out_for_all(scored_world):
    some = scored_world(inits=INITS, missing=0)
    some.forecasts[0, 3, 1] = np.nan
    [block] = aggregate(series_of(some), [Score("RMSE")], [Stratum()])
    assert block.inits[:, 0].tolist() == [30, 29]
    [alone] = aggregate(
        series_of(some, sources=[1]), [Score("RMSE")], [Stratum()], use=np.arange(30)[:, None] != [-1, 3]
    )
    assert block.value[1, 0, 1, 0] == alone.value[0, 0, 1, 0]


def test_a_correlation_that_is_undefined_in_one_source_leaves_the_init_time_out_of_corr_for_all(scored_world):
    some = scored_world(inits=INITS, missing=0)
    some.forecasts[0, 3] = 280.15
    corr, rmse = aggregate(series_of(some), [Score("CORR"), Score("RMSE")], [Stratum()])
    assert corr.inits[0, 0] == 29
    assert rmse.inits[0, 0] == 30
    expected = np.mean(
        [np.corrcoef(one.f, one.o)[0, 1] for init, one in enumerate(some.pairs(1, 0, "all")) if init != 3]
    )
    assert corr.value[1, 0, 0, 0] == pytest.approx(expected, rel=1e-9)


def test_no_categorical_score_of_few_events(scored_world):
    some = scored_world(inits=INITS[:2], missing=0, weights="integer")
    some.truths[:] = some.forecasts[:] = 270.0
    north = np.flatnonzero(some.regions["north"])
    some.truths[0, :, north[: MIN_EVENTS - 1]] = some.forecasts[:, 0, :, north[: MIN_EVENTS - 1]] = 290.0
    for missed, found in ((0, np.nan), (1, (MIN_EVENTS - 1) / MIN_EVENTS)):
        some.weights[:] = 1
        some.truths[1, :, north[0]] = 290.0 if missed else 270.0
        series = series_of(some, sources=[0], thresholds=THRESHOLDS)
        [block] = aggregate(series, [Score("POD", THRESHOLDS[0])], [Stratum()])
        assert block.value[0, 0, 0, 0] == pytest.approx(found, nan_ok=True)
        # Weights do not make events: they are counted as points.
        some.weights[:] = 100
        [heavy] = aggregate(series_of(some, sources=[0], thresholds=THRESHOLDS), block.scores, [Stratum()])
        assert heavy.value[0, 0, 0, 0] == pytest.approx(found, nan_ok=True)


def test_files_of_one_init_time_complete_each_other(scored_world):
    some = scored_world(inits=INITS[:3], missing=0)
    both = series_of(some, sources=[0], thresholds=THRESHOLDS[:2])[0]
    wanted = both.wanted
    first, second = some.sums(0, values=(280.0,)), some.sums(0, values=(278.5,))
    [joined] = gather([*first, *second], ["T_2M", "PS"], wanted).values()
    assert all((joined.tables[threshold] == both.tables[threshold]).all() for threshold in THRESHOLDS[:2])
    assert (joined.moments == both.moments).all()


def test_statistics_without_a_region_that_is_wanted(scored_world):
    some = scored_world(inits=INITS[:1])
    wanted = Wanted(some.init_times, some.lead_times, ("all", "south"))
    with pytest.raises(ValueError, match=r"statistics of 2020-02-20 00:00:00 lack the regions \['south'\]"):
        gather(some.sums(0), ["T_2M"], wanted)
    with pytest.raises(ValueError, match="must rise"):
        replace(wanted, init_times=wanted.init_times[::-1] * 2)


def test_lead_times_are_told_apart_whatever_a_file_holds(scored_world):
    # A file with fewer lead times must not shift the others.
    some = scored_world(inits=INITS[:2], leads=(6, 12, 18), missing=0)
    full = series_of(some, sources=[0], thresholds=THRESHOLDS, climatology=True, boxes=BOXES)[0]
    wanted = replace(full.wanted, lead_times=(timedelta(hours=3), *some.lead_times[1:]))
    files = some.sums(0, values=(278.5, 280.0, 285.0), climatology=True, boxes=BOXES)
    fewer = gather(files, ["T_2M"], wanted)["T_2M"]
    assert (fewer.moments[:, :, 0] == 0).all()
    assert (fewer.moments[:, :, 1:] == full.moments[:, :, 1:]).all()
    assert (fewer.anomalies[:, :, 1:] == full.anomalies[:, :, 1:]).all()
    assert (fewer.boxes[50.0][:, 1:] == full.boxes[50.0][:, 1:]).all()
    for threshold in THRESHOLDS:
        assert (fewer.tables[threshold][:, :, 1:] == full.tables[threshold][:, :, 1:]).all()


# --- merging --------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), weights=st.sampled_from([None, "real"]), missing=st.sampled_from([0, 0.3]))
def test_the_order_of_files_changes_no_bit(world_class, seed, weights, missing):
    some = world_class(inits=INITS[:9], weights=weights, missing=missing, seed=seed, sources=1, size=40)
    chosen = [*map(Score, CONTINUOUS), Score("ETS", THRESHOLDS[0])]
    options = {"thresholds": THRESHOLDS[:1], "climatology": True}
    results = []
    for shuffle in (None, seed):
        blocks = list(aggregate(series_of(some, shuffle=shuffle, **options), chosen, [Stratum()]))
        results.append([block.value.tobytes() for block in blocks])
    assert results[0] == results[1]


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_the_order_of_init_times_changes_rounding_only(world_class, seed, data):
    # The scores of all init times do not depend on which of them comes first: their labels are
    # dealt anew.
    some = world_class(inits=INITS[:9], weights="real", seed=seed, sources=1, size=40)
    order = data.draw(st.permutations(range(9)))
    chosen = [*map(Score, CONTINUOUS), Score("ETS", THRESHOLDS[0])]
    options = {"thresholds": THRESHOLDS[:1], "climatology": True}
    first = values_of(aggregate(series_of(some, **options), chosen, [Stratum()]))
    for name in ("forecasts", "truths", "climatology"):
        setattr(some, name, np.take(getattr(some, name), order, axis=-3))
    second = values_of(aggregate(series_of(some, **options), chosen, [Stratum()]))
    # A part of MSE can be far smaller than the sums that it is a difference of.
    assert second == pytest.approx(first, rel=1e-12, abs=1e-10, nan_ok=True)


# --- differences ----------------------------------------------------------------------------------

MANY = [datetime(2020, 1, 1) + timedelta(hours=12 * step) for step in range(120)]


def test_the_difference_of_mae_is_a_t_test_of_daily_means(scored_world):
    # MAE is linear and every day has two init times: the interval is that of the mean daily
    # difference.
    some = scored_world(inits=MANY, missing=0.1)
    some.intersect()
    [block] = aggregate(series_of(some), [Score("MAE")], [Stratum()], references=[0])
    [difference] = block.differences
    errors = [[np.mean(abs(one.f - one.o)) for one in some.pairs(source, 0, "all")] for source in (0, 1)]
    daily = (np.array(errors[1]) - errors[0]).reshape(60, 2).mean(axis=1)
    assert difference.value[1, 0, 0, 0] == pytest.approx(daily.mean())
    assert block.days[0, 0] == 60
    angles = np.pi * np.outer(np.arange(1, 7), np.arange(60) + 0.5) / 60
    error = np.sqrt(np.mean((np.sqrt(2 / 60) * np.cos(angles) @ daily) ** 2) / 60)
    t_6 = 2.446912
    assert difference.lower[1, 0, 0, 0] == pytest.approx(daily.mean() - t_6 * error, rel=1e-6)
    assert difference.upper[1, 0, 0, 0] == pytest.approx(daily.mean() + t_6 * error, rel=1e-6)
    assert difference.p[1, 0, 0, 0] < 1e-4
    assert np.isnan(difference.value[0]).all()
    assert difference.relative[1, 0, 0, 0] == pytest.approx(100 * daily.mean() / np.mean(errors[0]))


def test_better_and_worse(scored_world):
    some = scored_world(inits=MANY, missing=0)
    names = ["RMSE", "CORR", "BIAS", "STD_F", "FAR", "POD"]
    chosen = [Score(name, THRESHOLDS[0] if METRICS[name].categorical else None) for name in names]
    for reference, sign in ((0, -1), (1, 1)):
        gains = {}
        for block in aggregate(series_of(some, thresholds=THRESHOLDS), chosen, [Stratum()], references=[reference]):
            for number, score in enumerate(block.scores):
                gains[score.metric] = block.differences[0].gain[1 - reference, number, 0, 0]
        # Source 1 has twice the error of source 0.
        assert gains["RMSE"] == gains["CORR"] == gains["FAR"] == gains["POD"] == sign
        assert gains["STD_F"] == 0


def test_biases_are_compared_by_size(scored_world):
    # Both sources share an error that varies from day to day: it moves one bias away from 0, and
    # the other one towards it.
    some = scored_world(inits=MANY, missing=0)
    daily = np.repeat(np.random.default_rng(1).normal(0, 0.1, 60), 2)
    some.forecasts[0] = some.truths + 1 + daily[:, None, None]
    some.forecasts[1] = some.truths - 0.5 + daily[:, None, None]
    [block] = aggregate(series_of(some), [Score("BIAS")], [Stratum()], references=[0])
    sizes = 1 + daily.mean(), 0.5 - daily.mean()
    assert block.value[:, 0, 0, 0] == pytest.approx([sizes[0], -sizes[1]], abs=1e-5)
    [difference] = block.differences
    assert difference.value[1, 0, 0, 0] == pytest.approx(sizes[1] - sizes[0], abs=1e-5)
    assert difference.gain[1, 0, 0, 0] == 1
    assert difference.relative[1, 0, 0, 0] == pytest.approx(100 * (sizes[1] / sizes[0] - 1), abs=0.01)
    half = [(one.upper - one.lower)[index] / 2 for one, index in ((block, (0, 0, 0, 0)), (difference, (1, 0, 0, 0)))]
    assert half[1] == pytest.approx(2 * half[0], rel=1e-3)


def test_no_percentage_where_the_reference_is_about_0(scored_world):
    some = scored_world(inits=MANY, missing=0)
    some.forecasts[0] = some.truths + np.random.default_rng(1).normal(0, 1, some.truths.shape)
    [block] = aggregate(series_of(some), [Score("BIAS"), Score("MAE")], [Stratum()], references=[0])
    assert np.isnan(block.differences[0].relative[1, 0, 0, 0])
    assert np.isfinite(block.differences[0].relative[1, 1, 0, 0])
    assert np.isfinite(block.differences[0].value[1, 0, 0, 0])


def test_equal_sources_do_not_differ(scored_world):
    some = scored_world(inits=MANY, missing=0)
    some.forecasts[1] = some.forecasts[0]
    chosen = [*map(Score, CONTINUOUS), Score("ETS", THRESHOLDS[0])]
    for block in aggregate(
        series_of(some, thresholds=THRESHOLDS, climatology=True), chosen, [Stratum()], references=[0]
    ):
        [difference] = block.differences
        assert (difference.value[1] == 0).all()
        assert (difference.p[1] == 1).all()
        assert (difference.gain == 0).all()
        assert np.isnan(difference.days_needed[1]).all()


def test_perfect_forecasts_make_no_noise(scored_world):
    some = scored_world(inits=MANY, missing=0)
    some.forecasts[:] = some.truths
    chosen = [*map(Score, CONTINUOUS), *(Score(name, THRESHOLDS[0]) for name in CATEGORICAL)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        blocks = list(aggregate(series_of(some, thresholds=THRESHOLDS), chosen, [Stratum()], references=[0]))
    found = values_of(blocks)
    assert {found[name, 0, "all"] for name in ("BIAS", "MAE", "MSE", "RMSE", "STDE", "MSE_CORR")} == {0.0}
    assert [found[name, 1, "all"] for name in ("CORR", "ETS_gt_280p0", "POD_gt_280p0")] == pytest.approx([1, 1, 1])


def test_no_interval_below_ten_days(scored_world):
    some = scored_world(inits=MANY[:18], missing=0)
    series = series_of(some)
    [block] = aggregate(series, [Score("RMSE")], [Stratum()], references=[0])
    assert block.days[0, 0] == 9
    assert np.isfinite(block.value).all()
    assert np.isfinite(block.differences[0].value[1]).all()
    for array in (block.lower, block.upper, *(getattr(block.differences[0], name) for name in ("lower", "upper", "p"))):
        assert np.isnan(array).all()
    [block] = aggregate(series, [Score("RMSE")], [Stratum()], references=[0], significance=Significance(min_days=9))
    assert np.isfinite(block.lower).all()
    assert np.isfinite(block.differences[0].p[1]).all()


def test_the_level_is_that_of_the_config(scored_world):
    series = series_of(scored_world(inits=MANY, missing=0))
    widths = []
    for level in (0.05, 0.32):
        [block] = aggregate(series, [Score("RMSE")], [Stratum()], significance=Significance(level=level))
        widths.append(block.upper - block.lower)
    # 60 days: ν = 6, and t is 2.447 and 1.084.
    assert widths[0] / widths[1] == pytest.approx(2.446912 / 1.083976, rel=1e-3)


def test_an_interval_holds_the_truth_about_as_often_as_it_says(world_class):
    # RMSE and ETS are no means: their intervals come from the derivatives. 200 experiments, one
    # region.
    hits = {"RMSE": [], "CORR_POOLED": [], "ETS": [], "FBI": []}
    chosen = [Score(name, THRESHOLDS[0] if METRICS[name].categorical else None) for name in hits]
    many = [datetime(2020, 1, 1) + timedelta(days=day) for day in range(40)]
    some = world_class(inits=many, leads=tuple(range(0, 200)), sources=1, size=30, missing=0, seed=5)
    some.regions = {"all": some.regions["all"]}
    rng = np.random.default_rng(6)
    # Errors vary from day to day: a day is one draw, points are not.
    daily = rng.normal(0, 1, (40, 200, 1))
    truth = rng.normal(280, 3, some.truths.shape)
    some.truths[:] = truth
    some.forecasts[0] = truth + daily * rng.normal(1, 1, truth.shape)
    for block in aggregate(series_of(some, thresholds=THRESHOLDS[:1]), chosen, [Stratum()]):
        for number, score in enumerate(block.scores):
            # The lead times are 200 experiments of one kind, and their mean is near the truth.
            value, lower, upper = (array[0, number, :, 0] for array in (block.value, block.lower, block.upper))
            hits[score.metric] = np.mean((lower <= np.median(value)) & (np.median(value) <= upper))
    assert all(0.87 <= rate <= 0.99 for rate in hits.values()), hits
