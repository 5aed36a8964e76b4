"""The copy of a block's truth: precipitation of each kind, fields that cannot be right, times that are missing."""

from datetime import datetime

import netCDF4
import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.verification.lacking import packs_of
from evalflow.verification.spec import SourceEntry
from evalflow.verification.truth import (
    TruthCopy,
    copy_truth,
    hours_summed,
    last_day_before,
    times_needed,
    times_of_packs,
    write_problem,
)
from support.grib_files import LATITUDES, LONGITUDES, write
from support.verified import START, H, make_world, message, some_fields, source

START_0 = datetime(2024, 1, 10)


@pytest.mark.parametrize(
    ("lead", "wanted"),
    [(0, START_0), (1, START_0 - 23 * H), (6, START_0 - 18 * H), (24, START_0), (25, START_0 - 23 * H), (72, START_0)],
)
def test_the_last_time_of_that_hour_not_after_the_init_time(lead, wanted):
    assert last_day_before(START_0, START_0 + lead * H) == wanted


@pytest.mark.parametrize(
    ("kind", "param", "wanted"),
    [
        (None, "T_2M", {6}),
        (None, "TOT_PREC", {0, 6}),
        (None, "TOT_PREC6", {6}),
        ("persistence", "T_2M", {0, 6}),
        ("persistence_24h", "T_2M", {-18, 6}),
        ("climatology", "T_2M", {6}),
    ],
)
def test_which_times_of_the_truth_a_field_needs(kind, param, wanted):
    entry = SourceEntry.model_validate(source("a", [6], builtin=kind))
    assert times_needed(entry, START_0, 6 * H, param) == {START_0 + hour * H for hour in wanted}


def test_hours_that_a_sum_may_be_made_of():
    assert list(hours_summed("T_2M", START_0, START_0 + 6 * H)) == [START_0 + 6 * H]
    assert list(hours_summed("TOT_PREC3", START_0, START_0 + 6 * H)) == [START_0 + hour * H for hour in (6, 5, 4)]
    assert set(hours_summed("TOT_PREC", START_0, START_0 + 2 * H)) == {START_0 + H, START_0 + 2 * H}
    assert list(hours_summed("TOT_PREC", START_0, START_0)) == [START_0]


def write_hourly(world, amounts: np.ndarray, start: datetime) -> None:
    """Write analyses of precipitation, each the amount of the hour before: amounts [hours, points]."""
    messages = [message("TOT_PREC", values, start + (hour - 1) * H, "0-1") for hour, values in enumerate(amounts)]
    write(world.trial.root / "analyses.grib", *messages)


@pytest.fixture
def rain(tmp_path):
    """Forecasts of precipitation since the start, and hourly amounts as truth, from 12 h before the first init time on."""
    world = make_world(tmp_path, ["TOT_PREC"], days=2)
    amounts = some_fields("TOT_PREC", 12 + 48 + 25, 8)
    write_hourly(world, amounts, START - 12 * H)
    world.hourly = amounts
    world.forecasts["TOT_PREC"] = np.cumsum(some_fields("TOT_PREC", 4 * 5, 9).reshape(4, 5, 12), axis=1)
    world.write_forecasts()
    return world


def observed(world, init: int, first: int, last: int) -> np.ndarray:
    """Return the precipitation from one lead time to another, by adding hours."""
    start = int((world.inits[init] - START) / H) + 12
    return world.hourly[start + first + 1 : start + last + 1].astype(float).sum(axis=0)


def test_amounts_of_hours_and_since_the_start(rain):
    rain.trial.data["params"] = ["TOT_PREC", "TOT_PREC6", "TOT_PREC1"]
    rain.trial.data["comparing"]["weights"] = "none"
    rain.trial.data["sources"].append(source("persistence", rain.leads, builtin="persistence"))
    done = rain.trial.run()
    for lead in (6, 18, 24):
        place = rain.leads.index(lead)
        total, six = [], []
        for init in range(4):
            forecast = rain.forecasts["TOT_PREC"][init].astype(float)
            total.append((forecast[place] - observed(rain, init, 0, lead)).mean())
            start = forecast[place - 1] if lead > 6 else 0
            six.append((forecast[place] - start - observed(rain, init, lead - 6, lead)).mean())
        assert done.score("BIAS", "model", lead, param="TOT_PREC") == pytest.approx(np.mean(total), rel=1e-5)
        assert done.score("BIAS", "model", lead, param="TOT_PREC6") == pytest.approx(np.mean(six), rel=1e-5)
    assert not done.scores(metric="BIAS", param="TOT_PREC", lead_time=0), "nothing has fallen yet"
    assert not done.scores(label="model", metric="BIAS", param="TOT_PREC1"), "no forecast has hours"
    before = [observed(rain, init, -6, 0) - observed(rain, init, 6, 12) for init in range(4)]
    found = done.score("BIAS", "persistence", 12, param="TOT_PREC6")
    assert found == pytest.approx(np.mean(before), rel=1e-5)
    notes = " ".join(done.aggregated.notes)
    assert "TOT_PREC: persistence is left out of it: no other time has a sum since the start" in notes
    assert "TOT_PREC1: model has no such param and is left out of it" in notes


def test_sums_since_the_start_read_each_amount_once(rain):
    rain.trial.data["params"] = ["TOT_PREC"]
    found, spec = rain.trial.find(), rain.trial.spec
    path = rain.trial.root / "truth.nc"
    copy_truth(spec, found, packs_of(spec, found).packs, path)
    copy, read = TruthCopy(path), []
    original = copy.read
    copy.read = lambda param, time: read.append(time) or original(param, time)
    for lead in (6, 12, 24, 12, 0):
        wanted = observed(rain, 1, 0, lead)
        assert np.allclose(copy.read_at("TOT_PREC", rain.inits[1], lead * H), wanted, rtol=1e-5)
        if lead == 24:
            assert len(read) == len(set(read))
    assert np.allclose(copy.read_at("TOT_PREC", rain.inits[0], 6 * H), observed(rain, 0, 0, 6), rtol=1e-5)
    assert np.isnan(copy.read_at("TOT_PREC", rain.inits[0] + H, 6 * H)).all(), "not among the times of the copy"


def test_an_hour_that_is_missing_is_missing_in_each_sum_over_it(rain):
    """Never a sum of what is there."""
    messages = [
        message("TOT_PREC", values, START + (hour - 13) * H, "0-1")
        for hour, values in enumerate(rain.hourly)
        if hour != 12 + 9
    ]
    write(rain.trial.root / "analyses.grib", *messages)
    rain.trial.data["params"] = ["TOT_PREC", "TOT_PREC6"]
    done = rain.trial.run()
    pairs = {(row["param"], row["lead_time"]): row["n_inits"] for row in done.scores(metric="RMSE")}
    # 09 UTC of the first day is in the sums over it from the first init time, and in none of the others.
    assert [pairs["TOT_PREC", lead] for lead in (6.0, 12.0, 18.0, 24.0)] == [4, 3, 3, 3]
    assert [pairs["TOT_PREC6", lead] for lead in (6.0, 12.0, 18.0, 24.0)] == [4, 3, 4, 4]


def test_a_field_that_cannot_be_right_is_left_out_with_one_line(world):
    """In other units, say; the others of the archive stay."""
    time = world.inits[1] + 6 * H
    world.analyses["T_2M"][world.times.index(time)] -= 273.15
    world.write_analyses()
    done = world.trial.run()
    assert {row["n_inits"] for row in done.scores(metric="RMSE", lead_time=6)} == {5}
    (note,) = done.done[0].notes
    assert note.startswith(f"truth {world.trial.root}/analyses.grib") and "out of range (150 to 350 K)" in note
    assert note.endswith("; the field is left out")


def test_a_truth_that_ends_too_early_is_counted(world):
    del world.times[-5:]
    world.analyses["T_2M"] = world.analyses["T_2M"][:-5]
    world.write_analyses()
    done = world.trial.run()
    (note,) = [note for note in done.aggregated.notes if note.startswith("truth analyses: has no T_2M")]
    assert note == (
        "truth analyses: has no T_2M at 3 of 15 valid times, the first 2024-01-13T00:00 and the last 2024-01-13T12:00: "
        "4 pairs of init and lead time are missing"
    )
    assert {row["n_inits"] for row in done.scores(metric="RMSE", lead_time=24)} == {4}


def test_the_copy_has_what_its_packs_need_and_no_more(world):
    world.trial.data["sources"].append(source("persistence", [6], builtin="persistence"))
    spec, found = world.trial.spec, world.trial.find()
    packs = packs_of(spec, found).packs
    only = [pack.model_copy(update={"init_times": ["202401110000"]}) for pack in packs]
    needed = times_of_packs(spec, found, only)
    assert needed == {"T_2M": [world.inits[2] + lead * H for lead in world.leads]}
    path = world.trial.root / "truth.nc"
    copy_truth(spec, found, only, path)
    with netCDF4.Dataset(path) as file:
        assert file["T_2M"].shape == (5, 12) and file["T_2M"].chunking() == [1, 12]
    copy = TruthCopy(path)
    for lead in world.leads:
        assert (copy.read_at("T_2M", world.inits[2], lead * H) == world.truth("T_2M", 2, lead)).all()
    assert np.isnan(copy.read("T_2M", world.inits[0])).all() and np.isnan(copy.read("PMSL", world.inits[2])).all()


def test_an_archive_that_cannot_be_read_is_said_of_each_init_time_and_nothing_is_stored(world):
    found, spec = world.trial.find(), world.trial.spec
    packs = packs_of(spec, found).packs
    (world.trial.root / "analyses.grib").unlink()
    done = world.trial.verify(found, packs)
    assert [init.failed for init in done[0].inits] == [True] * 6
    assert {init.reason for init in done[0].inits} == {f"{world.trial.root}/analyses.grib: no such file or folder"}
    assert not list(world.trial.root.glob("data/verification/*/*/*.nc"))


def test_a_copy_that_is_no_copy(tmp_path):
    (tmp_path / "truth.nc").write_text("hello")
    with pytest.raises(UserError, match="truth.nc: cannot be read"):
        TruthCopy(tmp_path / "truth.nc")
    write_problem(tmp_path / "other.nc", "the service is down")
    with pytest.raises(UserError, match="^the service is down$"):
        TruthCopy(tmp_path / "other.nc")


def test_six_hourly_sums_of_stations_against_sums_since_the_start(rain):
    """Three stations at points of the model, which report each six hours, and one value too few."""
    at = [0, 5, 10]
    reports = {START + hour * H: rain.hourly[12 + hour - 5 : 12 + hour + 1, at].sum(axis=0) for hour in range(0, 73, 6)}
    lines = ["station,lat,lon,time,TOT_PREC6"]
    for time, values in reports.items():
        for place, point in enumerate(at):
            gone = time == START + 12 * H and place == 1
            value = "" if gone else f"{values[place]:.3f}"
            lines.append(f"s{place},{LATITUDES[point]},{LONGITUDES[point]},{time.isoformat()},{value}")
    (rain.trial.root / "obs.csv").write_text("\n".join(lines))
    rain.trial.data["truths"][0] |= {"root": str(rain.trial.root / "obs.csv"), "units": {"TOT_PREC6": "mm"}}
    rain.trial.data["params"] = ["TOT_PREC6"]
    rain.trial.data["thresholds"] = {"TOT_PREC6": ["> 4"]}
    done = rain.trial.run()
    for lead in (6, 12, 24):
        place, means, pairs = rain.leads.index(lead), [], 0
        for init in range(4):
            model = rain.forecasts["TOT_PREC"][init][:, at].astype(float)
            amount = model[place] - (model[place - 1] if lead > 6 else 0)
            valid = rain.inits[init] + lead * H
            errors = (amount - reports[valid])[[0, 2] if valid == START + 12 * H else [0, 1, 2]]
            means.append(errors.mean())
            pairs += errors.size
        assert done.score("BIAS", "model", lead, param="TOT_PREC6") == pytest.approx(np.mean(means), abs=2e-3)
        (row,) = done.scores(metric="BIAS", param="TOT_PREC6", lead_time=lead)
        assert row["n_pairs"] == pairs
    assert not done.scores(metric="BIAS", lead_time=0), "six hours have not passed"
