"""A month of ERA5 over the UK: two kinds of persistence, and what half of the month cannot decide."""

from datetime import datetime

import numpy as np
import pytest
from support.trial_files import trial_file
from support.trials import DAY, H, read_analyses, rmse_interval
from support.verified import Trial, source

LEADS = list(range(6, 73, 6))
MONTH = [datetime(2019, 3, 2) + hour * H for hour in range(0, 27 * 24, 6)]
SECOND_HALF = [datetime(2019, 3, 16) + hour * H for hour in range(0, 15 * 24, 6)]


@pytest.fixture(scope="module")
def era5_analyses():
    return read_analyses(trial_file("era5-2mt-2019-03-uk.grib"))


@pytest.fixture(scope="module")
def era5_trial(tmp_path_factory):
    era5_trial = Trial(tmp_path_factory.mktemp("era5"))
    era5_trial.add_truth(trial_file("era5-2mt-2019-03-uk.grib"))
    era5_trial.data["sources"] = [
        source("persistence", LEADS, builtin="persistence"),
        source("persistence_24h", LEADS, builtin="persistence_24h"),
    ]
    era5_trial.data["references"] = ["baseline-persistence"]
    return era5_trial


@pytest.fixture(scope="module")
def month(era5_trial):
    era5_trial.set_inits(MONTH)
    return era5_trial.run()


@pytest.fixture(scope="module")
def half(era5_trial, month):
    """The second half, from the store that holds the month."""
    era5_trial.set_inits(SECOND_HALF)
    era5_trial.data |= {"experiment_id": "trial_half", "results": str(era5_trial.root / "half")}
    return era5_trial.run()


def squares(era5_analyses, inits, lead: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean squared errors of persistence and of persistence of the day before, [inits]."""
    before = -(-lead // 24) * DAY  # the fewest whole days by which the valid time is not after the init time
    return (
        era5_analyses.squares(lambda init: era5_analyses.fields[init], inits, lead),
        era5_analyses.squares(lambda init: era5_analyses.fields[init + lead * H - before], inits, lead),
    )


def difference(outcome, lead: int) -> dict:
    (row,) = outcome.differences(metric="RMSE", lead_time=lead)
    return row


@pytest.mark.parametrize("lead", [6, 24, 36, 60, 72])
def test_rmse_is_that_of_the_fields(era5_analyses, month, lead):
    for label, wanted in zip(("persistence", "persistence_24h"), squares(era5_analyses, MONTH, lead), strict=True):
        (row,) = month.scores(metric="RMSE", label=label, lead_time=lead)
        assert row["value"] == pytest.approx(np.sqrt(wanted.mean()), rel=1e-6)
        assert (row["n_inits"], row["n_days"], row["n_pairs"]) == (108, 27, 108 * 1617)
        assert row["lower"] < row["value"] < row["upper"]


@pytest.mark.parametrize("lead", [12, 36])
def test_bias_and_mae_are_those_of_the_fields(era5_analyses, month, lead):
    errors = np.array([era5_analyses.fields[init] - era5_analyses.fields[init + lead * H] for init in MONTH])
    wanted = {"BIAS": errors, "MAE": np.abs(errors)}
    for metric, values in wanted.items():
        found = month.score(metric, "persistence", lead)
        assert found == pytest.approx((values @ era5_analyses.weights).mean(), rel=1e-4, abs=1e-6)


def test_the_numbers_of_the_month(month):
    """Noted when the fields were first verified by other code."""
    found = {lead: [month.score("RMSE", one, lead) for one in ("persistence", "persistence_24h")] for lead in (36, 72)}
    assert found[36] == pytest.approx([2.974, 2.359], abs=5e-4)
    assert found[72] == pytest.approx([2.498, 2.498], abs=5e-4)
    assert found[72][0] == found[72][1], "the same by definition"


@pytest.mark.parametrize("lead", [6, 12, 36, 60])
def test_intervals_are_those_of_the_daily_influences(era5_analyses, month, lead):
    persistence, daily = squares(era5_analyses, MONTH, lead)
    wanted = rmse_interval(daily, persistence, 27)
    row = difference(month, lead)
    assert [row[name] for name in ("difference", "lower", "upper", "p_value")] == pytest.approx(wanted, rel=1e-4)
    assert (row["label"], row["better"], row["n_days"]) == ("persistence_24h", True, 27)


def test_what_is_the_same_is_no_difference(month):
    for lead in (24, 48, 72):
        row = difference(month, lead)
        assert (row["difference"], row["lower"], row["upper"], row["p_value"]) == (0, 0, 0, 1)
        assert row["better"] is None


def test_a_half_of_the_month_makes_but_what_the_store_lacks(half):
    assert half.computed == {("persistence", "T_2M"): 8, ("persistence_24h", "T_2M"): 8}, "the 29th and the 30th"


def test_the_half_has_as_many_pairs_as_analyses_follow(era5_analyses, half):
    (note,) = half.found[0].notes
    assert "no T_2M at 8 of 71 valid times, the first 2019-04-01T00:00 and the last 2019-04-02T18:00: 36 pairs" in note
    for lead, inits, days in ((24, 60, 15), (36, 58, 15), (48, 56, 14), (72, 52, 13)):
        held = SECOND_HALF[:inits]
        for label, wanted in zip(("persistence", "persistence_24h"), squares(era5_analyses, held, lead), strict=True):
            (row,) = half.scores(metric="RMSE", label=label, lead_time=lead)
            assert (row["n_inits"], row["n_days"], row["n_pairs"]) == (inits, days, inits * 1617)
            assert row["value"] == pytest.approx(np.sqrt(wanted.mean()), rel=1e-6)


def test_fifteen_days_do_not_decide(era5_analyses, half):
    """At 12 h persistence of the day before is better by 1.35 K, on 14 of 15 days, and more in the end than in the
    beginning: with two degrees of freedom that is no verdict.
    """
    persistence, daily = squares(era5_analyses, SECOND_HALF, 12)
    row = difference(half, 12)
    wanted = rmse_interval(daily, persistence, 15)
    assert [row[name] for name in ("difference", "lower", "upper", "p_value")] == pytest.approx(wanted, rel=1e-4)
    assert row["difference"] == pytest.approx(-1.354, abs=5e-4)
    assert row["lower"] < 0 < row["upper"] and row["p_value"] > 0.05
    assert row["days_needed"] > 0 and row["detectable"] > abs(row["difference"])
