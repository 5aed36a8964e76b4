"""The climatology: which times it is the mean of, what is computed once, anomalies, several reference periods."""

from datetime import datetime

import netCDF4
import numpy as np
import pytest
from evalflow.verification import climatology as room
from evalflow.verification.climatology import (
    Climatology,
    climatology_folder,
    day_key,
    make_climatology,
    references,
    times_around,
)
from evalflow.verification.spec import ReferenceSpec
from support.grib_files import LATITUDES
from support.verified import H, make_world, some_fields, source, write_analyses

WEIGHTS = np.cos(np.radians(LATITUDES))
REFERENCE = {"start": "2021-01-01T00:00", "end": "2023-12-31T18:00", "window": 2}


def test_days_of_the_year():
    assert day_key(datetime(2024, 2, 29, 6)) == day_key(datetime(2023, 2, 28, 6)) == "02280600"
    assert day_key(datetime(2024, 3, 1)) == "03010000"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("01011200", ["2020-12-31", "2021-01-01", "2021-01-02", "2021-12-31", "2022-01-01", "2022-01-02"]),
        ("02281200", ["2021-02-27", "2021-02-28", "2021-03-01", "2022-02-27", "2022-02-28", "2022-03-01"]),
    ],
)
def test_times_around_a_day_across_years(key, wanted):
    reference = ReferenceSpec(start="2020-06-01T00:00", end="2022-06-01T00:00", window=1)
    assert times_around(key, reference) == [datetime.fromisoformat(f"{day}T12:00") for day in wanted]


def test_the_end_of_the_period_counts_and_what_is_beyond_does_not():
    reference = ReferenceSpec(start="2021-01-09T00:00", end="2021-01-11T00:00", window=3)
    found = times_around("01100000", reference)
    assert found == [datetime(2021, 1, day) for day in (9, 10, 11)]
    assert times_around("01100600", reference) == [datetime(2021, 1, day, 6) for day in (9, 10)]


@pytest.fixture
def past(tmp_path):
    """The world, with the Januaries of the three years before in the archive of the truth too."""
    world = make_world(tmp_path)
    old = [datetime(year, 1, 1) + hour * H for year in (2021, 2022, 2023) for hour in range(0, 24 * 20, 6)]
    world.past = dict(zip(old, some_fields("T_2M", len(old), 11), strict=True))
    world.past[datetime(2022, 1, 11, 6)][:] = np.nan
    for time in old[:3]:
        world.past[time][0] = np.nan
    everything = {"T_2M": np.concatenate([np.array(list(world.past.values())), world.analyses["T_2M"]])}
    write_analyses(world.trial.root / "analyses.grib", [*old, *world.times], everything)
    world.trial.data["sources"].append(source("normal", world.leads, builtin="climatology", reference=REFERENCE))
    return world


def normal(world, time: datetime, window: int = 2) -> np.ndarray:
    """Return the mean over the days around a time of the year in 2021 to 2023."""
    days = range(-window, window + 1)
    some = [world.past[time.replace(year=year) + day * 24 * H] for year in (2021, 2022, 2023) for day in days]
    return np.nanmean(np.array(some, float), axis=0)


def test_a_source_that_is_the_climatology(past):
    done = past.trial.run()
    for lead in (0, 6, 24):
        squares = [
            np.average((normal(past, init + lead * H) - past.truth("T_2M", place, lead)) ** 2, weights=WEIGHTS)
            for place, init in enumerate(past.inits)
        ]
        assert done.score("RMSE", "normal", lead) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-5)


def test_the_anomaly_correlation_is_centred_and_averaged_by_fishers_z(past):
    done = past.trial.run()
    z, activity = [], []
    for place, init in enumerate(past.inits):
        mean = normal(past, init + 12 * H)
        f, o = past.forecasts["T_2M"][place, 2] - mean, past.truth("T_2M", place, 12) - mean
        covariance = np.cov(f, o, aweights=WEIGHTS, ddof=0)
        z.append(np.arctanh(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])))
        activity.append(np.diag(covariance))
    assert done.score("ACC", "model", 12) == pytest.approx(np.tanh(np.mean(z)), rel=1e-4)
    of_forecast, of_truth = np.mean(activity, axis=0)
    assert done.score("ACTIVITY", "model", 12) == pytest.approx(np.sqrt(of_forecast / of_truth), rel=1e-4)
    assert done.score("ACC", "normal", 12) is None, "it has no anomalies"


def test_without_a_climatology_activity_is_of_the_fields_whatever_the_store_has(past):
    """Sums of anomalies that an earlier launch has stored are no part of it."""
    past.trial.run()
    past.trial.data["sources"].pop()
    done = past.trial.run()
    assert not done.computed
    variances = np.array(
        [
            [
                np.cov(field, aweights=WEIGHTS, ddof=0)
                for field in (past.forecasts["T_2M"][init, 2], past.truth("T_2M", init, 12))
            ]
            for init in range(6)
        ],
        float,
    )
    of_forecast, of_truth = variances.mean(axis=0)
    assert done.score("ACTIVITY", "model", 12) == pytest.approx(np.sqrt(of_forecast / of_truth), rel=1e-5)
    assert not done.scores(metric="ACC")


def test_a_climatology_that_comes_later_computes_anomalies(past):
    entry = past.trial.data["sources"].pop()
    first = past.trial.run()
    past.trial.data["sources"].append(entry)
    done = past.trial.run()
    assert done.computed == {("model", "T_2M"): 6, ("normal", "T_2M"): 6}
    assert done.score("RMSE", "model", 12) == pytest.approx(first.score("RMSE", "model", 12), rel=1e-12)
    assert done.score("ACC", "model", 12) is not None
    assert not past.trial.run().computed


def test_it_is_made_once_and_a_day_more_adds_that_day(past, monkeypatch):
    read = []
    original = room._means
    monkeypatch.setattr(
        room, "_means", lambda truth, param, keys, *rest: read.append(keys) or original(truth, param, keys, *rest)
    )
    past.trial.run()
    folder = climatology_folder(past.trial.spec, past.trial.find(), references(past.trial.spec)[0])
    assert sum(map(len, read)) == 15 and len(list(folder.iterdir())) == 1
    read.clear()
    past.trial.run()
    assert read == []
    later = past.inits[-1] + 12 * H
    past.trial.data["init_times"].append(f"{later:%Y%m%d%H%M}")
    past.trial.run()
    assert sorted(key for keys in read for key in keys) == ["01131800", "01140000"] and len(list(folder.iterdir())) == 2
    assert {len(keys) for keys in read} == {1}, "times of one hour are computed together"


def test_memory_bounds_how_many_days_are_computed_together(past, monkeypatch):
    monkeypatch.setattr(room, "_BYTES", 12 * 12)
    found, spec = past.trial.find(), past.trial.spec
    assert make_climatology(spec, found, references(spec)[0]) == []
    stored = Climatology(climatology_folder(spec, found, references(spec)[0]))
    for time in (past.inits[0], past.inits[-1] + 24 * H):
        assert np.allclose(stored.read("T_2M", time), normal(past, time), rtol=1e-6)
    assert stored.read("T_2M", datetime(2024, 7, 1)) is None and stored.read("PMSL", past.inits[0]) is None


def test_two_reference_periods_are_two_climatologies(past):
    """Each source is made of its own; anomalies are from the first."""
    other = {**REFERENCE, "window": 4}
    past.trial.data["sources"].append(
        source("other", past.leads, builtin="climatology", reference=other, source_id="baseline-other")
    )
    done = past.trial.run()
    for label, window in (("normal", 2), ("other", 4)):
        errors = [
            np.average((normal(past, init + 6 * H, window) - past.truth("T_2M", place, 6)) ** 2, weights=WEIGHTS)
            for place, init in enumerate(past.inits)
        ]
        assert done.score("RMSE", label, 6) == pytest.approx(np.sqrt(np.mean(errors)), rel=1e-5)


def test_a_reference_period_of_which_the_truth_has_nothing(past):
    """The others are verified; that there is no climatology is a problem, and makes nothing be computed again."""
    past.trial.data["sources"][1]["reference"] = {"start": "1990-01-01T00:00", "end": "1999-12-31T00:00", "window": 5}
    done = past.trial.run()
    assert done.aggregated.problems == [
        "truth analyses: has no T_2M from 1990-01-01T00:00 to 1999-12-31T00:00, the reference period of a climatology; "
        "choose another period"
    ]
    assert {row["label"] for row in done.scores(metric="RMSE")} == {"model"}
    assert done.computed == {("model", "T_2M"): 6}
    assert done.scores(metric="ACC", value=...) == [] or all(row["value"] is None for row in done.scores(metric="ACC"))
    again = past.trial.run()
    assert (again.packs, again.aggregated.computed) == ([], False), "nothing is computed, and no task is started"
    assert again.aggregated.problems == done.aggregated.problems


def test_a_reference_period_that_the_archive_holds_later(past):
    """What could not be had is looked for again: anomalies are computed as soon as there is a climatology."""
    past.trial.data["sources"][1]["reference"] = {"start": "2019-01-01T00:00", "end": "2019-12-31T00:00", "window": 2}
    past.trial.data["truths"][0] |= {"root": str(past.trial.root / "years"), "pattern": "%Y.grib"}
    write_analyses(past.trial.root / "years" / "2024.grib", past.times, past.analyses)
    first = past.trial.run()
    assert first.computed == {("model", "T_2M"): 6} and not first.scores(metric="ACC", lead_time=12)
    error = first.score("RMSE", "model", 12)
    old = [datetime(2019, 1, 7) + hour * H for hour in range(0, 24 * 9, 6)]
    write_analyses(past.trial.root / "years" / "2019.grib", old, {"T_2M": some_fields("T_2M", len(old), 3)})
    done = past.trial.run()
    assert done.computed == {("model", "T_2M"): 6, ("normal", "T_2M"): 6}
    assert done.aggregated.problems == [] and done.score("ACC", "model", 12) is not None
    assert done.score("RMSE", "model", 12) == error


def test_a_period_that_holds_only_some_times_of_the_year(past):
    past.trial.data["sources"][1]["reference"] = {
        "start": "2021-01-01T00:00", "end": "2021-01-11T00:00", "window": 1,
    }  # fmt: skip
    done = past.trial.run()
    (problem,) = done.aggregated.problems
    assert problem == (
        "truth analyses: has no T_2M from 2021-01-01T00:00 to 2021-01-11T00:00, the reference period of a climatology at "
        "6 of 15 times of the year; choose another period"
    )
    counts = {row["label"]: row["n_inits"] for row in done.scores(metric="RMSE", lead_time=24)}
    assert counts["normal"] < counts["model"] == 6
    again = past.trial.run()
    assert (again.packs, again.aggregated.computed) == ([], False)


def test_what_follows_from_a_climatology_is_computed_again_where_its_values_are_others(past):
    """Sums of anomalies name the values that they are from, so those of other values are never taken for them."""
    years = past.trial.root / "years"
    past.trial.data["truths"][0] |= {"root": str(years), "pattern": "%Y.grib"}
    write_analyses(years / "2024.grib", past.times, past.analyses)

    def write_past(more: float) -> None:
        for year in (2021, 2022, 2023):
            old = {time: values + np.float32(more) for time, values in past.past.items() if time.year == year}
            write_analyses(years / f"{year}.grib", old, {"T_2M": np.array(list(old.values()))})

    write_past(0)
    first = past.trial.run()
    bias = first.score("BIAS", "normal", 12)
    write_past(3)
    assert not past.trial.run().computed, "it is made once"
    for path in climatology_folder(past.trial.spec, first.found[0], references(past.trial.spec)[0]).iterdir():
        path.unlink()
    done = past.trial.run()
    assert done.computed == {("model", "T_2M"): 6, ("normal", "T_2M"): 6}
    assert done.score("BIAS", "normal", 12) == pytest.approx(bias + 3, rel=1e-5)
    assert not past.trial.run().computed


@pytest.mark.parametrize(("climatology", "said"), [(True, "climatology"), (False, "mean")])
def test_the_tables_say_what_activity_is_about(past, climatology, said):
    if not climatology:
        past.trial.data["sources"].pop()
    done = past.trial.run()
    rows = done.scores(label="model", lead_time=12)
    assert {row["metric"]: row["deviations"] for row in rows if row["deviations"]} == dict.fromkeys(
        ["STD_F", "STD_O", "ACTIVITY"], said
    )
    past.trial.data["references"] = ["baseline-model"]
    past.trial.data["sources"].append(source("persistence", past.leads, builtin="persistence"))
    rows = past.trial.run().differences(label="persistence", lead_time=12)
    assert {row["metric"] for row in rows if row["deviations"] == said} == {"STD_F", "STD_O", "ACTIVITY"}
    with netCDF4.Dataset(done.results / "scores.nc") as file:
        assert file["T_2M.ACTIVITY"].deviations == said and "deviations" not in file["T_2M.RMSE"].ncattrs()


def test_a_damaged_climatology_is_set_aside_and_made_again(past):
    past.trial.run()
    folder = climatology_folder(past.trial.spec, past.trial.find(), references(past.trial.spec)[0])
    (path,) = folder.iterdir()
    size = path.stat().st_size
    path.write_bytes(b"hello")
    past.trial.run()
    assert sorted(one.name.split(".bad-")[0] for one in folder.iterdir()) == [path.name, path.name]
    assert path.stat().st_size == size
