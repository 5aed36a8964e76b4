"""The tables: columns, rows, units; cases; the headline; scores.nc; what is made again and what is not."""

import json

import netCDF4
import numpy as np
import pyarrow.parquet as pq
import pytest
from evalflow.scores.intervals import false_discovery_rates
from evalflow.verification import aggregate as room
from evalflow.verification.aggregated import Aggregated, describe_aggregated, describe_headline
from evalflow.verification.arrays import variable_name
from evalflow.verification.tables import DIFFERENCES, SCORES
from support.grib_files import LATITUDES, LONGITUDES
from support.verified import H, World, make_world, source, write_analyses

WEIGHTS = np.cos(np.radians(LATITUDES))
EVERYTHING = dict.fromkeys(("region", "season", "init_hour", "valid_hour", "case", "scale", "threshold"), ...)


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> World:
    """Twelve days of two params, persistence as a reference, a case with a region of its own. Do not change it."""
    world = make_world(tmp_path_factory.mktemp("long"), ["T_2M", "PMSL"], days=12)
    data = world.trial.data
    data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    data["references"] = ["baseline-persistence"]
    data["thresholds"] = {"T_2M": ["> 280", "<= 5"]}
    data["regions"] = [
        {"name": "west", "box": [-2.5, -0.5, 49.5, 52.5]},
        {"name": "case storm", "box": [-1.5, 1.5, 49.5, 52.5]},
    ]
    data["cases"] = [
        {"name": "storm", "start": "2024-01-12T00:00", "end": "2024-01-13T23:59", "region": "case storm"},
        {"name": "calm", "start": "2024-01-15T00:00", "end": "2024-01-15T12:00", "region": "west"},
    ]
    data["comparing"]["scales"] = [400.0]
    data["crossed"] = [["season", "init_hour"]]
    world.done = world.trial.run()
    return world


def test_columns(long):
    table = pq.read_table(long.done.results / "scores.parquet")
    assert tuple(table.column_names) == SCORES
    assert tuple(pq.read_table(long.done.results / "differences.parquet").column_names) == DIFFERENCES
    assert table.schema.metadata[b"experiment_id"] == b"trial_00000000"
    units = {(row["param"], row["metric"]): row["units"] for row in table.to_pylist()}
    assert units["T_2M", "RMSE"] == "K" and units["T_2M", "MSE"] == "K2" and units["PMSL", "MSE"] == "Pa2"
    assert units["T_2M", "ETS"] == units["PMSL", "CORR"] == "1"
    keys = [column for column in SCORES if column not in ("value", "lower", "upper", "n_inits", "n_days", "n_pairs")]
    rows = [tuple(row[key] for key in keys) for row in table.to_pylist()]
    assert len(rows) == len(set(rows)), "a row of the same keys twice"


def test_intervals_from_ten_days_on(long):
    (row,) = long.done.scores(metric="RMSE", label="model", param="T_2M", lead_time=6)
    assert row["n_days"] == 12 and row["lower"] < row["value"] < row["upper"]
    (row,) = long.done.scores(metric="RMSE", label="model", param="T_2M", lead_time=6, case="calm", region="west")
    assert (row["lower"], row["upper"], row["n_days"]) == (None, None, 1)


def test_a_case_is_the_pairs_whose_valid_time_lies_in_it_over_its_region(long):
    inside = LONGITUDES > -1.5
    squares = []
    for place, init in enumerate(long.inits):
        if 12 <= (init + 6 * H).day <= 13:
            error = long.forecasts["T_2M"][place, 1].astype(float) - long.truth("T_2M", place, 6)
            squares.append(np.average(error[inside] ** 2, weights=WEIGHTS[inside]))
    assert len(squares) == 4
    keys = {"param": "T_2M", "case": "storm", "region": "case storm"}
    assert long.done.score("RMSE", "model", 6, **keys) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-6)
    rows = long.done.scores(**EVERYTHING)
    assert {row["region"] for row in rows if row["case"] is None} == {"all", "west"}, (
        "a case's own region is no other's"
    )
    assert {(row["case"], row["region"]) for row in rows if row["case"]} == {("storm", "case storm"), ("calm", "west")}


def test_differences(long):
    done = long.done
    keys = {"metric": "RMSE", "param": "T_2M", "lead_time": 12}
    (row,) = done.differences(**keys)
    model, reference = (done.score("RMSE", label, 12, param="T_2M") for label in ("model", "persistence"))
    assert (row["label"], row["reference_label"], row["reference"]) == ("model", "persistence", "baseline-persistence")
    assert row["difference"] == pytest.approx(model - reference)
    assert row["relative"] == pytest.approx(100 * (model - reference) / reference)
    assert row["lower"] < row["difference"] < row["upper"] < 0 and row["better"] is True and row["p_value"] < 0.05
    assert row["detectable"] > 0 and row["days_needed"] == 0
    (row,) = done.differences(**{**keys, "metric": "CORR"})
    assert row["difference"] > 0 and row["better"] is True, "more is better"
    assert all(row["better"] is None for row in done.differences(**{**keys, "metric": "STD_F"}))
    assert not [row for row in done.differences(**EVERYTHING) if row["label"] == row["reference_label"]]


def test_q_values_are_over_the_rows_of_a_reference_truth_and_stratum(long):
    keys = ("region", "season", "init_hour", "valid_hour", "case")
    everything = long.done.differences(**EVERYTHING)
    assert len({row["region"] for row in everything}) > 1
    rows = [row for row in everything if tuple(row[key] for key in keys) == ("all", "all", "12", "all", None)]
    p = np.array([np.nan if row["p_value"] is None else row["p_value"] for row in rows])
    q = np.array([np.nan if row["q_value"] is None else row["q_value"] for row in rows])
    assert np.isfinite(p).sum() > 100 and np.allclose(q, false_discovery_rates(p), equal_nan=True)


def test_what_is_crossed_is_there_and_what_is_not_is_not(long):
    rows = long.done.scores(**EVERYTHING)
    strata = {(row["season"], row["init_hour"], row["valid_hour"]) for row in rows if row["case"] is None}
    hours = {("all", hour, "all") for hour in ("all", "00", "12")} | {
        ("DJF", hour, "all") for hour in ("all", "00", "12")
    }
    assert strata == hours | {("all", "all", hour) for hour in ("00", "06", "12", "18")}


def test_the_headline_is_at_two_lead_times_with_the_best_marked(long):
    headline = {(one.param, one.lead_time): one for one in long.done.aggregated.headline}
    assert set(headline) == {(param, lead) for param in ("T_2M", "PMSL") for lead in (12.0, 24.0)}
    one = headline["T_2M", 12.0]
    assert one.best == "model" and one.values["model"] == long.done.score("RMSE", "model", 12, param="T_2M")
    head, first, *_ = describe_headline(long.done.aggregated.headline)
    assert head.split() == ["RMSE", "against", "analyses", "model", "persistence"]
    assert first.split()[:4] == ["T_2M", "[K]", "12", "h"] and first.split()[5] == "*"


def test_too_few_days_are_said(world):
    lines = describe_aggregated(world.trial.run().aggregated, 10)
    assert "  3 days of data: too few for a verdict; differences have intervals from 10 days on" in lines


def test_arrays_have_the_names_and_numbers_of_the_table(long):
    with netCDF4.Dataset(long.done.results / "scores.nc") as file:
        file.set_auto_mask(False)
        assert file["T_2M.RMSE"].dimensions == ("source", "region", "season", "init_hour", "step")
        places = {name: file[name][:].tolist() for name in ("source", "region", "season", "init_hour", "step")}
        assert places["region"][0] == places["season"][0] == "all" and places["step"] == [0, 6, 12, 18, 24]
        assert dict(zip(places["source"], file["label"][:].tolist(), strict=True))["baseline-model"] == "model"
        for name, keys in {
            "T_2M.RMSE": {"metric": "RMSE"},
            "T_2M.ETS_gt_280p0": {"metric": "ETS", "threshold": "> 280"},
            "T_2M.FBI_le_5p0": {"metric": "FBI", "threshold": "<= 5"},
            "T_2M.RMSE_400km": {"metric": "RMSE", "scale": 400.0},
        }.items():
            for row in long.done.scores(param="T_2M", **{**EVERYTHING, "threshold": None, "scale": 0.0, **keys}):
                if row["case"] or row["valid_hour"] != "all":
                    continue
                axes = {"step": "lead_time", **{axis: axis for axis in ("source", "region", "season", "init_hour")}}
                place = tuple(places[axis].index(row[axes[axis]]) for axis in file[name].dimensions)
                found = file[name][place]
                assert (np.isnan(found) and row["value"] is None) or found == row["value"]
        assert file["PMSL.MSE"].units == "Pa2" and "of PMSL" in file["PMSL.MSE"].long_name


@pytest.mark.parametrize(
    ("threshold", "scale", "wanted"),
    [
        (None, 0, "T_2M.ETS"),
        ("> 288.15", 0, "T_2M.ETS_gt_288p15"),
        (None, 62.5, "T_2M.ETS_62p5km"),
        ("<= 5", 0, "T_2M.ETS_le_5p0"),
    ],
)
def test_names_of_arrays(threshold, scale, wanted):
    assert variable_name("T_2M", "ETS", threshold, scale) == wanted


def test_two_truths_are_two_groups(world):
    other = world.trial.root / "other.grib"
    write_analyses(other, world.times, {"T_2M": world.analyses["T_2M"] + 1})
    world.trial.add_truth(other, "shifted")
    done = world.trial.run()
    assert done.score("BIAS", "model", 6, truth="shifted") == pytest.approx(
        done.score("BIAS", "model", 6, truth="analyses") - 1, abs=1e-5
    )
    with netCDF4.Dataset(done.results / "scores.nc") as file:
        assert file.truth == "analyses" and file["truth_2"].truth == "shifted"
        assert file["T_2M.BIAS"][0, 0, 0, 0, 1] == pytest.approx(file["truth_2/T_2M.BIAS"][0, 0, 0, 0, 1] + 1, abs=1e-5)
    assert len({found.verif_id for found in done.found}) == 2


def test_nothing_at_all_gives_tables_without_rows(world):
    for path in (world.trial.root / "model").iterdir():
        path.unlink()
    done = world.trial.run()
    assert done.scores(**EVERYTHING) == [] and done.differences(**EVERYTHING) == []
    assert pq.read_table(done.results / "scores.parquet").column_names == list(SCORES)
    with netCDF4.Dataset(done.results / "scores.nc") as file:
        assert not file.groups and not file.variables


# --- made again, or not ---------------------------------------------------------------------------------------------------


def test_tables_are_made_again_where_one_is_gone_or_what_they_say_of_themselves_is_damaged(world):
    first = world.trial.run()
    assert first.aggregated.computed
    about = first.results / "verification.json"
    for damage in (
        (first.results / "scores.nc").unlink,
        lambda: about.write_text("{}"),
        lambda: about.write_text("no JSON"),
        lambda: about.write_text(json.dumps({**json.loads(about.read_text()), "made_from": "else"})),
        about.unlink,
    ):
        damage()
        done = world.trial.run()
        assert done.aggregated.computed and done.scores() == first.scores()
        assert not world.trial.run().aggregated.computed


def test_tables_of_a_launch_that_ended_amid_them_are_nobodys(world, monkeypatch):
    """They are new, and what they were made from is not the old either: both configs make them again."""
    first = world.trial.run()

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(room, "write_arrays_file", fail)
        world.trial.data["significance"]["level"] = 0.2
        with pytest.raises(OSError, match="No space left on device"):
            world.trial.run()
    world.trial.data["significance"]["level"] = 0.05
    done = world.trial.run()
    assert done.aggregated.computed and done.scores() == first.scores()
    assert not [path for path in first.results.iterdir() if path.name.endswith(".tmp")]


def test_what_no_table_depends_on_makes_none_again(world):
    world.trial.data |= {"unseen": ["a"], "awaited": {"baseline-model": ["202401111200"]}}
    world.trial.run()
    world.trial.data |= {"unseen": [], "awaited": {}, "verify_store": True}
    assert not world.trial.run().aggregated.computed


def test_what_is_said_of_the_tables_is_a_document(world):
    done = world.trial.run()
    text = (done.results / "verification.json").read_text()
    known = Aggregated.from_json(text, "verification.json")
    assert known == done.aggregated and known.rows["scores.parquet"] == len(done.scores(**EVERYTHING))
