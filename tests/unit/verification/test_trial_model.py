"""A small model, fitted to the first half of a month of ERA5 and verified on the second."""

from datetime import datetime

import numpy as np
import pytest
from support.trial_files import trial_file
from support.trials import DAY, Analyses, H, read_analyses, rmse_interval
from support.verified import Trial, source, write_forecast

LEADS = [6, 12, 18, 24]
FIRST_HALF = [datetime(2019, 3, 2) + hour * H for hour in range(0, 13 * 24, 6)]
SECOND_HALF = [datetime(2019, 3, 16) + hour * H for hour in range(0, 15 * 24, 6)]
GRID = {
    "Ni": 49, "Nj": 33, "latitudeOfFirstGridPointInDegrees": 58, "latitudeOfLastGridPointInDegrees": 50,
    "longitudeOfFirstGridPointInDegrees": 350, "longitudeOfLastGridPointInDegrees": 2,
    "iDirectionIncrementInDegrees": 0.25, "jDirectionIncrementInDegrees": 0.25,
}  # fmt: skip


def predictors(model_analyses: Analyses, init: datetime, lead: int) -> np.ndarray:
    """Return what the model knows at the init time, [points, 5]: nothing later than that."""
    now, before = model_analyses.fields[init], model_analyses.fields[init + lead * H - DAY]
    warmer = now - model_analyses.fields[init - DAY]
    return np.stack(
        [now, before, warmer, np.full(now.size, model_analyses.weights @ warmer), np.ones(now.size)], axis=-1
    )


def fit(model_analyses: Analyses, lead: int) -> np.ndarray:
    """Return the five coefficients of a lead time, by least squares over points and init times."""
    known = np.concatenate([predictors(model_analyses, init, lead) for init in FIRST_HALF])
    wanted = np.concatenate([model_analyses.fields[init + lead * H] for init in FIRST_HALF])
    mean = known[:, :2].mean()  # so that the sums stay well conditioned
    shifted = known - [mean, mean, 0, 0, 0]
    found = np.linalg.lstsq(shifted, wanted - mean, rcond=None)[0]
    found[4] += mean * (1 - found[0] - found[1])
    return found


@pytest.fixture(scope="module")
def model_analyses():
    return read_analyses(trial_file("era5-2mt-2019-03-uk.grib"))


@pytest.fixture(scope="module")
def forecasts(model_analyses):
    """(init time, lead) → what the model says, float32 [points]."""
    fitted = {lead: fit(model_analyses, lead) for lead in LEADS}
    return {
        (init, lead): (predictors(model_analyses, init, lead) @ fitted[lead]).astype(np.float32)
        for init in SECOND_HALF
        for lead in LEADS
    }


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, forecasts):
    trial = Trial(tmp_path_factory.mktemp("model"))
    trial.set_inits(SECOND_HALF)
    trial.add_truth(trial_file("era5-2mt-2019-03-uk.grib"))
    for init in SECOND_HALF:
        fields = {"T_2M": np.array([forecasts[init, lead] for lead in LEADS])}
        write_forecast(trial.root / "model", init, LEADS, fields, **GRID)
    trial.data["sources"] = [
        source("model", LEADS, trial.root / "model"),
        source("persistence", LEADS, builtin="persistence"),
        source("persistence_24h", LEADS, builtin="persistence_24h"),
    ]
    trial.data["references"] = ["baseline-persistence", "baseline-persistence_24h"]
    return trial.run()


def test_the_model_has_not_seen_what_it_is_verified_on():
    assert max(FIRST_HALF) + max(LEADS) * H < min(SECOND_HALF)


@pytest.mark.parametrize("lead", LEADS)
def test_scores_of_the_model_are_those_of_its_fields(model_analyses, forecasts, outcome, lead):
    wanted = model_analyses.squares(lambda init: forecasts[init, lead], SECOND_HALF, lead)
    (row,) = outcome.scores(metric="RMSE", label="model", lead_time=lead)
    assert row["value"] == pytest.approx(np.sqrt(wanted.mean()), rel=1e-6)
    assert (row["n_inits"], row["n_days"], row["n_pairs"]) == (60, 15, 60 * 1617)


@pytest.mark.parametrize("lead", LEADS)
def test_the_model_is_better_than_persistence(model_analyses, forecasts, outcome, lead):
    model = model_analyses.squares(lambda init: forecasts[init, lead], SECOND_HALF, lead)
    persistence = model_analyses.squares(lambda init: model_analyses.fields[init], SECOND_HALF, lead)
    (row,) = outcome.differences(metric="RMSE", label="model", reference_label="persistence", lead_time=lead)
    wanted = rmse_interval(model, persistence, 15)
    assert [row[name] for name in ("difference", "lower", "upper", "p_value")] == pytest.approx(wanted, rel=1e-4)
    assert row["better"] is True


def test_fifteen_days_do_not_show_it(outcome):
    """The gain over persistence is 0.06 K to 1.4 K, and at no lead time beyond chance; against persistence of the day
    before, which knows of the day, even its sign changes.
    """
    against = {"persistence": [-0.830, -1.365, -0.830, -0.057], "persistence_24h": [-0.295, -0.012, 0.006, -0.057]}
    for label, wanted in against.items():
        rows = [
            outcome.differences(metric="RMSE", label="model", reference_label=label, lead_time=lead)[0]
            for lead in LEADS
        ]
        assert [row["difference"] for row in rows] == pytest.approx(wanted, abs=0.01)
        assert all(row["lower"] < 0 < row["upper"] and row["p_value"] > 0.05 for row in rows)
        assert all(row["q_value"] > 0.1 for row in rows)
