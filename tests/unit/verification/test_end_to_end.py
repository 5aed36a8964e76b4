"""All steps on small files: scores against arithmetic on the raw fields, independent of the package."""

import numpy as np
import pytest
from support.grib_files import LATITUDES, LONGITUDES
from support.verified import H, make_world, source, write_analyses

WEIGHTS = np.cos(np.radians(LATITUDES))


def rmse(errors: np.ndarray, weights: np.ndarray = WEIGHTS) -> float:
    """Return the root of the mean over init times of each one's weighted mean: errors [inits, points]."""
    return float(np.sqrt(np.mean([np.average(one**2, weights=weights) for one in errors.astype(np.float64)])))


def bias(errors: np.ndarray, weights: np.ndarray = WEIGHTS) -> float:
    return float(np.mean([np.average(one, weights=weights) for one in errors.astype(np.float64)]))


def errors_at(world, lead: int, param: str = "T_2M") -> np.ndarray:
    """Return forecast less analysis, [inits, points]."""
    place = world.leads.index(lead)
    return np.array(
        [world.forecasts[param][init, place] - world.truth(param, init, lead) for init in range(len(world.inits))]
    )


@pytest.mark.parametrize("lead", [0, 6, 24])
def test_scores_are_those_of_the_raw_fields(world, lead):
    done = world.trial.run()
    errors = errors_at(world, lead)
    assert done.score("RMSE", "model", lead) == pytest.approx(rmse(errors), rel=1e-6)
    assert done.score("BIAS", "model", lead) == pytest.approx(bias(errors), rel=1e-5)
    assert done.score("MAE", "model", lead) == pytest.approx(bias(np.abs(errors)), rel=1e-6)
    (row,) = done.scores(metric="RMSE", lead_time=lead)
    assert (row["n_inits"], row["n_days"], row["n_pairs"]) == (6, 3, 72)
    assert (row["lower"], row["upper"]) == (None, None), "three days tell nothing"
    assert (row["kind"], row["truth"], row["units"], row["sample"]) == ("baseline", "analyses", "K", "common")


@pytest.mark.parametrize("packed", ["forecasts", "analyses"])
def test_values_within_half_a_packing_step_of_a_threshold_are_equal_to_it(world, packed):
    """Values with one digit after the point: 280.0 and 280.04 cannot be told apart, 279.9 and 280.04 can."""
    threshold, near = 280.04, 0.05
    fields = world.forecasts if packed == "forecasts" else world.analyses
    fields["T_2M"] = np.round(fields["T_2M"], 1)
    fields["T_2M"][..., 0] = 280.0
    digits = {"packing": "grid_simple", "decimalPrecision": 1}
    world.write_forecasts(**(digits if packed == "forecasts" else {}))
    everything = {"T_2M": world.analyses["T_2M"]}
    write_analyses(
        world.trial.root / "analyses.grib", world.times, everything, **(digits if packed == "analyses" else {})
    )
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    world.trial.data["thresholds"] = {"T_2M": [f"> {threshold}", f">= {threshold}"]}
    done = world.trial.run()
    of_forecast, of_truth = (near, 0) if packed == "forecasts" else (0, near)
    for label, of_source in (("model", of_forecast), ("persistence", of_truth)):
        for operator, sign in ((">", 1), (">=", -1)):
            events = misses = hits = alarms = 0.0
            for init in range(len(world.inits)):
                model = world.forecasts["T_2M"][init, world.leads.index(12)]
                forecast = model if label == "model" else world.truth("T_2M", init, 0)
                event = forecast > threshold + sign * of_source
                seen = world.truth("T_2M", init, 12) > threshold + sign * of_truth
                events += WEIGHTS[seen].sum()
                hits += WEIGHTS[event & seen].sum()
                alarms += WEIGHTS[event & ~seen].sum()
                misses += WEIGHTS[~event & seen].sum()
            found = {
                metric: done.score(metric, label, 12, threshold=f"{operator} {threshold}") for metric in ("POD", "FBI")
            }
            wanted = {"POD": hits / events, "FBI": (hits + alarms) / events}
            assert found == pytest.approx(wanted, rel=1e-9), (label, operator)


def test_without_weights(world):
    world.trial.data["comparing"]["weights"] = "none"
    done = world.trial.run()
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(errors_at(world, 12), np.ones(12)), rel=1e-6)


def test_counts_of_events_are_weighted_and_events_counted(world):
    world.trial.data["thresholds"] = {"T_2M": ["> 280", "<= 278.5"]}
    done = world.trial.run()
    a = b = c = d = 0.0
    for init in range(len(world.inits)):
        truth = world.truth("T_2M", init, 12) > 280
        event = world.forecasts["T_2M"][init, world.leads.index(12)] > 280
        a += WEIGHTS[event & truth].sum()
        b += WEIGHTS[event & ~truth].sum()
        c += WEIGHTS[~event & truth].sum()
        d += WEIGHTS[~event & ~truth].sum()
    chance = (a + b) * (a + c) / (a + b + c + d)
    assert done.score("ETS", "model", 12, threshold="> 280") == pytest.approx((a - chance) / (a + b + c - chance))
    assert done.score("FBI", "model", 12, threshold="> 280") == pytest.approx((a + b) / (a + c))
    assert done.scores(metric="POD", lead_time=12, threshold="<= 278.5")


def test_fewer_than_twenty_observed_events_give_no_score(world):
    world.trial.data["thresholds"] = {"T_2M": ["> 295"]}
    assert world.trial.run().score("ETS", "model", 12, threshold="> 295") is None


def test_regions_and_strata(world):
    west = {"name": "west", "box": [-2.5, -0.5, 49.5, 52.5]}
    world.trial.data["regions"] = [west, {"name": "all but the south", "box": [-3, 3, 50.5, 53]}]
    world.trial.data["crossed"] = [["init_hour", "valid_hour"]]
    done = world.trial.run()
    errors = errors_at(world, 6)
    for name, inside in (("west", LONGITUDES < -0.5), ("all but the south", LATITUDES > 50.5)):
        wanted = rmse(errors[:, inside], WEIGHTS[inside])
        assert done.score("RMSE", "model", 6, region=name) == pytest.approx(wanted, rel=1e-6)
    at_noon = [init for init, time in enumerate(world.inits) if time.hour == 12]
    assert done.score("RMSE", "model", 6, init_hour="12") == pytest.approx(rmse(errors[at_noon]), rel=1e-6)
    assert done.score("RMSE", "model", 6, valid_hour="18") == pytest.approx(rmse(errors[at_noon]), rel=1e-6)
    assert done.score("RMSE", "model", 6, init_hour="12", valid_hour="18", region="west") is not None
    assert done.score("RMSE", "model", 6, season="DJF") == done.score("RMSE", "model", 6)
    assert not done.scores(metric="RMSE", season="JJA")


def test_persistence_of_both_kinds(world):
    world.trial.data["sources"] += [
        source("persistence", world.leads, builtin="persistence"),
        source("day before", world.leads, builtin="persistence_24h"),
    ]
    done = world.trial.run()
    for lead in (6, 18, 24):
        of_init = [world.truth("T_2M", init, 0) - world.truth("T_2M", init, lead) for init in range(len(world.inits))]
        assert done.score("RMSE", "persistence", lead) == pytest.approx(rmse(np.array(of_init)), rel=1e-6)
    before = []
    for init, time in enumerate(world.inits):  # at 18 h: what was 6 hours before the start
        before.append(world.analyses["T_2M"][world.times.index(time - 6 * H)] - world.truth("T_2M", init, 18))
    assert done.score("RMSE", "day before", 18) == pytest.approx(rmse(np.array(before)), rel=1e-6)
    assert done.score("RMSE", "day before", 24) == done.score("RMSE", "persistence", 24), "the same by definition"
    assert done.score("RMSE", "persistence", 0) == 0


def test_speed_of_wind_is_derived_on_both_sides(tmp_path):
    world = make_world(tmp_path, ["U_10M", "V_10M"])
    world.trial.data["params"] = ["SP_10M", "U_10M"]
    done = world.trial.run()
    speeds = np.array(
        [
            np.hypot(*(world.forecasts[wind][init, 2] for wind in ("U_10M", "V_10M")))
            - np.hypot(*(world.truth(wind, init, 12) for wind in ("U_10M", "V_10M")))
            for init in range(len(world.inits))
        ]
    )
    assert done.score("BIAS", "model", 12, param="SP_10M") == pytest.approx(bias(speeds), rel=1e-5)
    assert done.score("RMSE", "model", 12, param="U_10M") == pytest.approx(rmse(errors_at(world, 12, "U_10M")))


def test_the_same_sources_again_compute_nothing_and_leave_the_tables(world):
    first = world.trial.run()
    stamp = (first.results / "scores.parquet").stat().st_mtime_ns
    again = world.trial.run()
    assert (again.packs, again.done, again.aggregated.computed) == ([], [], False)
    assert (first.results / "scores.parquet").stat().st_mtime_ns == stamp
    assert again.aggregated.headline == first.aggregated.headline


def test_at_the_points_of_a_regular_grid(world):
    """Those of its points that the truth covers; here they are the truth's own, and so are the scores."""
    own = world.trial.run()
    world.trial.data["comparing"]["verification_grid"] = 1.0
    world.trial.data["comparing"]["max_distance"] = 10.0
    world.trial.data["truths"][0]["identity"]["comparing"] = {"verification_grid": {"regular": 1.0}}
    done = world.trial.run()
    assert done.found[0].points == 12 and done.found[0].verif_id != own.found[0].verif_id
    for lead in (0, 12):
        assert done.score("RMSE", "model", lead) == pytest.approx(own.score("RMSE", "model", lead), rel=1e-9)


def test_errors_of_means_over_boxes(world):
    """Two boxes hold all points, each half of the Earth: what is left is the squares of their weighted mean errors."""
    world.trial.data["comparing"]["scales"] = [20_000.0]
    done = world.trial.run()
    west, squares = LONGITUDES < 0, []
    for error in errors_at(world, 12).astype(float):
        means = np.where(west, *(np.average(error[half], weights=WEIGHTS[half]) for half in (west, ~west)))
        squares.append(np.average(means**2, weights=WEIGHTS))
    assert done.score("RMSE", "model", 12, scale=20_000.0) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-5)
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(errors_at(world, 12)), rel=1e-6)


def test_scales_near_the_distance_of_the_points_are_left_out(world):
    world.trial.data["comparing"]["scales"] = [100.0, 400.0]
    assert world.trial.find().scales == [400.0]
