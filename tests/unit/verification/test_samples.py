"""The common sample: a source with fewer points, lead times or init times."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.store.files import read_json
from evalflow.verification.aggregate import aggregate_experiment
from evalflow.verification.common_masks import CommonMasks
from evalflow.verification.samples import compare_samples
from support.grib_files import LATITUDES
from support.verified import World, make_world, some_fields, source, write_forecast

WEIGHTS = np.cos(np.radians(LATITUDES))
OTHER = 0.5
"""What the other model adds to the forecasts of the first."""


def add_other(world: World, leads=None, inits=None, missing=(), label: str = "other") -> None:
    """Add a model with other lead times, init times, or without some points (numbers)."""
    leads = world.leads if leads is None else leads
    folder = world.trial.root / label
    for init in range(len(world.inits)) if inits is None else inits:
        values = world.forecasts["T_2M"][init, [world.leads.index(lead) for lead in leads]] + np.float32(OTHER)
        values[:, list(missing)] = np.nan
        write_forecast(folder, world.inits[init], leads, {"T_2M": values})
    world.trial.data["sources"].append(source(label, leads, folder))


def rmse(world: World, lead: int, inits, points=None, offset: float = 0.0) -> float:
    """Return the RMSE of the first model and what `offset` adds to it, over some init times and points (numbers)."""
    points = np.arange(12) if points is None else np.asarray(points)
    place = world.leads.index(lead)
    means = []
    for init in inits:
        error = world.forecasts["T_2M"][init, place].astype(float) + offset - world.truth("T_2M", init, lead)
        means.append(np.average(error[points] ** 2, weights=WEIGHTS[points]))
    return float(np.sqrt(np.mean(means)))


def test_points_that_one_lacks_are_left_out_for_all(world):
    add_other(world, missing=[0, 5])
    done = world.trial.run()
    kept = [point for point in range(12) if point not in (0, 5)]
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(world, 12, range(6), kept), rel=1e-6)
    assert done.score("RMSE", "other", 12) == pytest.approx(rmse(world, 12, range(6), kept, OTHER), rel=1e-6)
    assert {row["n_pairs"] for row in done.scores(metric="RMSE", lead_time=12)} == {60}
    assert done.computed == {("model", "T_2M"): 12, ("other", "T_2M"): 6}, "only the model is computed again"
    assert "at 30 init and lead times of a param, some source lacks points" in done.aggregated.notes[-1]
    again = world.trial.run()
    assert (again.packs, again.aggregated.computed) == ([], False)


def test_each_source_may_lack_other_points_at_each_time(world):
    random, whole = np.random.default_rng(5), world.forecasts["T_2M"]
    common = np.ones(whole.shape, bool)
    world.trial.data["sources"] = []
    for label, offset in (("model", 0), ("second", 1)):
        there = random.random(whole.shape) > 0.2
        common &= there
        world.forecasts["T_2M"] = np.where(there, whole + np.float32(offset), np.float32(np.nan))
        world.trial.data["sources"].append(source(label, world.leads, world.write_forecasts(label)))
    done = world.trial.run()
    place = world.leads.index(18)
    for label, offset in (("model", 0), ("second", 1)):
        means = []
        for init in range(6):
            error = whole[init, place].astype(float) + offset - world.truth("T_2M", init, 18)
            means.append(np.average(error**2, weights=WEIGHTS * common[init, place]))
        assert done.score("RMSE", label, 18) == pytest.approx(np.sqrt(np.mean(means)), rel=1e-6)
    (pairs,) = {row["n_pairs"] for row in done.scores(metric="RMSE", lead_time=18)}
    assert pairs == common[:, place].sum()


def test_a_point_that_the_truth_lacks_is_missing_in_all_and_makes_nothing_be_computed_again(world):
    world.analyses["T_2M"][world.times.index(world.inits[2]), 3] = np.nan
    world.write_analyses()
    add_other(world)
    done = world.trial.run()
    assert done.samples[0].differing == {} and done.samples[0].packs == []
    assert {row["n_pairs"] for row in done.scores(metric="RMSE", lead_time=0)} == {71}


def test_persistence_lacks_what_the_truth_lacked_at_the_start(world):
    """The test of a common sample: an observation that is missing at the init time."""
    world.analyses["T_2M"][world.times.index(world.inits[2]), [3, 4]] = np.nan
    world.write_analyses()
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    done = world.trial.run()
    # At later lead times of this init time persistence lacks two points. Where this is the valid time, both lack them.
    assert set(done.samples[0].differing) == {"202401110000"}
    assert set(done.samples[0].differing["202401110000"]["T_2M"]) == {360, 720, 1080, 1440}
    assert {row["n_pairs"] for row in done.scores(metric="RMSE", lead_time=12)} == {68}
    assert {row["n_pairs"] for row in done.scores(metric="RMSE", lead_time=0)} == {70}
    kept = [point for point in range(12) if point not in (3, 4)]
    means = []
    for init in range(6):
        points = kept if init in (1, 2) else list(range(12))
        error = world.forecasts["T_2M"][init, 2].astype(float) - world.truth("T_2M", init, 12)
        means.append(np.average(error[points] ** 2, weights=WEIGHTS[points]))
    assert done.score("RMSE", "model", 12) == pytest.approx(np.sqrt(np.mean(means)), rel=1e-6)


def test_a_source_that_ends_early_does_not_cut_the_others_later(world):
    add_other(world, leads=[0, 6, 12])
    done = world.trial.run()
    assert {row["label"] for row in done.scores(metric="RMSE", lead_time=12)} == {"model", "other"}
    (row,) = done.scores(metric="RMSE", lead_time=24)
    assert (row["label"], row["n_inits"]) == ("model", 6)


def test_an_init_time_that_one_lacks_is_left_out_for_all(world):
    world.trial.data["comparing"]["min_coverage"] = 0.8
    add_other(world, inits=[0, 1, 2, 3, 5])
    done = world.trial.run()
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(world, 12, [0, 1, 2, 3, 5]), rel=1e-6)
    assert {row["n_inits"] for row in done.scores(metric="RMSE", lead_time=12)} == {5}
    assert "T_2M: other has 5 of 6 init times at 5 lead times; those are left out for all" in done.aggregated.notes
    assert [reason.split(": ")[-1] for reason in done.reasons] == []
    assert done.computed["other", "T_2M"] == 5


def test_one_with_few_init_times_is_compared_alone_and_marked(world):
    world.trial.data["references"] = ["baseline-model"]
    add_other(world, inits=[1, 4])
    done = world.trial.run()
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(world, 12, range(6)), rel=1e-6)
    assert done.score("RMSE", "other", 12) == pytest.approx(rmse(world, 12, [1, 4], offset=OTHER), rel=1e-6)
    assert {row["label"]: (row["sample"], row["n_inits"]) for row in done.scores(metric="RMSE", lead_time=12)} == {
        "model": ("common", 6),
        "other": ("alone", 2),
    }
    (row,) = done.differences(metric="RMSE", lead_time=12)
    wanted = rmse(world, 12, [1, 4], offset=OTHER) - rmse(world, 12, [1, 4])
    assert (row["label"], row["reference_label"], row["sample"], row["n_inits"]) == ("other", "model", "alone", 2)
    assert row["difference"] == pytest.approx(wanted, rel=1e-5)
    assert any(
        "fewer than min_coverage 0.9; it is compared with each reference alone" in x for x in done.aggregated.notes
    )
    headline = done.aggregated.headline[-1]
    assert set(headline.values) == {"model", "other"} and headline.best == "model"


def test_the_reference_has_few_init_times(world):
    """Each other source is compared with it on what the two share."""
    world.trial.data["references"] = ["baseline-few"]
    add_other(world)
    add_other(world, inits=[1, 4], label="few")
    done = world.trial.run()
    rows = {row["label"]: row for row in done.differences(metric="RMSE", lead_time=12)}
    assert set(rows) == {"model", "other"} and all(row["n_inits"] == 2 for row in rows.values())
    wanted = rmse(world, 12, [1, 4]) - rmse(world, 12, [1, 4], offset=OTHER)
    assert rows["model"]["difference"] == pytest.approx(wanted, rel=1e-5)
    assert {row["label"]: row["n_inits"] for row in done.scores(metric="RMSE", lead_time=12)} == {
        "model": 6, "other": 6, "few": 2,
    }  # fmt: skip


def test_one_with_few_init_times_takes_no_points_from_the_others(world):
    """It lacks two points, and is compared with each of two references on the points that the two share."""
    world.trial.data["references"] = ["baseline-model", "baseline-second"]
    add_other(world, label="second", missing=[3])
    add_other(world, label="few", inits=[1, 4], missing=[0, 5])
    done = world.trial.run()
    common = [point for point in range(12) if point != 3]
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(world, 12, range(6), common), rel=1e-6)
    assert done.score("RMSE", "second", 12) == pytest.approx(rmse(world, 12, range(6), common, OTHER), rel=1e-6)
    with_model = [point for point in range(12) if point not in (0, 5)]
    with_second = [point for point in range(12) if point not in (0, 3, 5)]
    assert done.score("RMSE", "few", 12) == pytest.approx(rmse(world, 12, [1, 4], with_model, OTHER), rel=1e-6)
    pairs = {row["label"]: (row["n_pairs"], row["sample"]) for row in done.scores(metric="RMSE", lead_time=12)}
    assert pairs == {"model": (66, "common"), "second": (66, "common"), "few": (20, "alone")}
    rows = {(row["label"], row["reference_label"]): row for row in done.differences(metric="RMSE", lead_time=12)}
    assert set(rows) == {("few", "model"), ("few", "second"), ("model", "second"), ("second", "model")}
    wanted = rmse(world, 12, [1, 4], with_model, OTHER) - rmse(world, 12, [1, 4], with_model)
    assert rows["few", "model"]["difference"] == pytest.approx(wanted, rel=1e-4)
    assert rows["few", "model"]["n_pairs"] == 20
    assert rows["few", "second"]["difference"] == pytest.approx(0, abs=1e-6), "both add the same"
    assert rows["few", "second"]["n_pairs"] == len(with_second) * 2
    # The model over its own points, those that all have, and at two init times those that few has.
    assert done.computed["model", "T_2M"] == 6 + 6 + 2
    # Second over its own, which are the common ones, and over those of few; few over its own, which
    # it shares with the model, and over those of second.
    assert done.computed["second", "T_2M"] == 6 + 2 and done.computed["few", "T_2M"] == 2 + 2
    again = world.trial.run()
    assert (again.packs, again.aggregated.computed) == ([], False)


def test_a_reference_with_few_init_times_takes_no_points_from_the_others(world):
    world.trial.data["references"] = ["baseline-few"]
    add_other(world)
    add_other(world, inits=[1, 4], missing=[2], label="few")
    done = world.trial.run()
    kept = [point for point in range(12) if point != 2]
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(world, 12, range(6)), rel=1e-6)
    assert done.score("RMSE", "few", 12) == pytest.approx(rmse(world, 12, [1, 4], kept, OTHER), rel=1e-6)
    rows = {row["label"]: row for row in done.differences(metric="RMSE", lead_time=12)}
    wanted = rmse(world, 12, [1, 4], kept) - rmse(world, 12, [1, 4], kept, OTHER)
    assert rows["model"]["difference"] == pytest.approx(wanted, rel=1e-5)
    assert {row["n_pairs"] for row in rows.values()} == {22}


def test_coverage_is_of_the_init_times_that_any_source_has(world):
    """Two sources of one half each cut nobody and each other neither; nobody has enough for a common sample."""
    for init in (3, 4, 5):
        (world.trial.root / "model" / f"{world.inits[init]:%Y%m%d%H}.grib").unlink()
    world.trial.data["references"] = ["baseline-model"]
    add_other(world, inits=[2, 3, 4, 5])
    done = world.trial.run()
    found = {row["label"]: (row["sample"], row["n_inits"]) for row in done.scores(metric="RMSE", lead_time=12)}
    assert found == {"model": ("alone", 3), "other": ("alone", 1)}
    assert done.score("RMSE", "model", 12) == pytest.approx(rmse(world, 12, [0, 1, 2]), rel=1e-6)
    (row,) = done.differences(metric="RMSE", lead_time=12)
    assert (row["label"], row["n_inits"]) == ("other", 1)
    notes = "\n".join(done.aggregated.notes)
    assert "model has 3 of 6 init times" in notes and "other has 4 of 6 init times" in notes


def test_init_times_that_nobody_has_do_not_count(world):
    """A launch that is half done compares what there is."""
    for init in (3, 4, 5):
        (world.trial.root / "model" / f"{world.inits[init]:%Y%m%d%H}.grib").unlink()
    add_other(world, inits=[0, 1, 2])
    done = world.trial.run()
    assert {row["label"]: row["sample"] for row in done.scores(metric="RMSE", lead_time=12)} == {
        "model": "common",
        "other": "common",
    }


def test_coverage_counts_per_lead_time(world):
    """One that has all init times at 6 h and few at 24 h cuts nobody at 24 h."""
    add_other(world, leads=[0, 6, 12, 18, 24], inits=[0, 1])
    for init in (2, 3, 4, 5):
        values = world.forecasts["T_2M"][init, :3] + np.float32(OTHER)
        write_forecast(world.trial.root / "other", world.inits[init], [0, 6, 12], {"T_2M": values})
    done = world.trial.run()
    assert {row["n_inits"] for row in done.scores(metric="RMSE", lead_time=12)} == {6}
    found = {row["label"]: row["n_inits"] for row in done.scores(metric="RMSE", lead_time=24)}
    assert found == {"model": 6, "other": 2}


def test_two_with_few_init_times_that_are_both_references(world):
    world.trial.data["references"] = ["baseline-a", "baseline-b"]
    add_other(world, inits=[1, 4], label="a")
    add_other(world, inits=[1, 2], label="b")
    rows = world.trial.run().differences(metric="RMSE", lead_time=12)
    found = sorted((row["label"], row["reference_label"], row["n_inits"]) for row in rows)
    assert found == [("a", "b", 1), ("b", "a", 1), ("model", "a", 2), ("model", "b", 2)]


def test_strict_ends_with_the_table(world):
    add_other(world, inits=[0, 1, 2, 3, 4], missing=[7])
    world.trial.data["references"] = ["baseline-model"]
    world.trial.data["comparing"] |= {"common_sample": "strict"}
    with pytest.raises(UserError) as error:
        world.trial.run()
    lines = str(error.value).splitlines()
    assert lines[0] == "common_sample: strict: sources have other init times or points"
    assert lines[1].startswith("T_2M: other has 5 of 6 init times at 5 lead times")
    assert lines[2] == "T_2M 202401100000 0 h: 11 of 12 points are common; more have model"
    assert lines[-1] == "and 6 more lines" and len(lines) == 22
    world.trial.data["comparing"]["common_sample"] = "intersect"
    assert world.trial.run().scores(metric="RMSE", lead_time=12)


def test_without_differences_strict_is_content(world):
    world.trial.data["comparing"]["common_sample"] = "strict"
    add_other(world)
    assert len(world.trial.run().scores(metric="RMSE", lead_time=12)) == 2


def test_a_param_more_does_not_compute_the_common_sample_of_another_again(tmp_path):
    world = make_world(tmp_path, ["T_2M", "PMSL"])
    world.trial.data["params"] = ["T_2M"]
    for param in ("T_2M", "PMSL"):
        world.analyses[param][world.times.index(world.inits[1]), 2] = np.nan
    world.write_analyses()
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    world.trial.run()
    world.trial.data["params"] = ["T_2M", "PMSL"]
    done = world.trial.run()
    assert {param for _, param in done.computed} == {"PMSL"}
    assert done.computed["model", "PMSL"] == 7, "6 init times, and one of them over the common points"


def test_what_was_not_computed_again_is_no_part_of_the_common_sample(world):
    """The sums of all points never stand for those of the common ones."""
    add_other(world, missing=[0])
    done = world.trial.run()
    assert {row["n_inits"] for row in done.scores(metric="RMSE", lead_time=12)} == {6}
    files = world.trial.root.glob("data/verification/*/baseline-model/202401110000.*.nc")
    max(files, key=lambda file: file.stat().st_mtime_ns).unlink()
    # As in a launch whose second task of verification failed.
    aggregate_experiment(world.trial.spec, [(done.found[0], done.samples[0])])
    assert {row["n_inits"] for row in done.scores(metric="RMSE", lead_time=12)} == {5}


def test_statistics_that_were_replaced_meanwhile_are_not_mixed(world):
    add_other(world, missing=[0])
    done = world.trial.run()
    for file in world.trial.root.glob("data/verification/*/baseline-other/202401110000.*.nc"):
        file.unlink()
    masks_at = CommonMasks(world.trial.spec, done.found[0], done.samples[0], 0)
    with pytest.raises(UserError, match="T_2M: statistics were replaced while samples were compared; launch again"):
        masks_at("202401110000")
    (masks,) = masks_at("202401100000")
    assert masks["T_2M", 360].sum() == 11


def test_no_point_in_common_leaves_nothing(world):
    add_other(world, inits=[0], missing=range(6))
    for folder, gaps in (("other", slice(0, 6)), ("model", slice(6, 12))):
        for init in range(6):
            values = world.forecasts["T_2M"][init].copy()
            values[:, gaps] = np.nan
            write_forecast(world.trial.root / folder, world.inits[init], world.leads, {"T_2M": values})
    done = world.trial.run()
    assert done.scores(metric="RMSE", lead_time=12) == []
    assert read_json(done.results / "verification.json")["rows"]["scores.parquet"] == 0
    assert compare_samples(world.trial.spec, done.found[0]).packs == []


def test_init_times_are_named_in_order_and_a_gap_of_the_archive_is_counted(world):
    """Neither a missing file nor one of another init time stands in for it."""
    (world.trial.root / "model" / f"{world.inits[3]:%Y%m%d%H}.grib").unlink()
    done = world.trial.run()
    assert done.computed["model", "T_2M"] == 5 and not done.reasons
    assert done.packs[0].init_times == [f"{time:%Y%m%d%H%M}" for time in world.inits if time != world.inits[3]]
    again = world.trial.run()
    assert again.packs == [], "a gap makes no task"
    write_forecast(world.trial.root / "model", world.inits[3], world.leads, {"T_2M": some_fields("T_2M", 5, 9)})
    assert world.trial.run().computed == {("model", "T_2M"): 1}
