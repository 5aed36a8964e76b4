"""AROME-Arctic of 2018 on its Lambert grid: for it there is no truth, so it is verified against itself."""

from datetime import datetime

import numpy as np
import pytest
from evalflow.fields.grib.codes import eccodes
from support.trial_files import trial_file
from support.trials import BYTES, H, messages
from support.verified import Trial, source

INIT = datetime(2018, 7, 10)
LEADS = list(range(0, 49, 3))
PARAMS = ["T_2M", "U_10M", "V_10M", "SP_10M", "PMSL", "QV_2M"]
SHIFTED = 24
NAME = "arome_arctic_20180710_sfc.grib"


def as_analysis(message: bytes, valid: datetime) -> bytes:
    """Return a message as an analysis of a time: its values stay packed as they are."""
    handle = eccodes.codes_new_from_message(message)
    keys = {"dataDate": int(f"{valid:%Y%m%d}"), "dataTime": int(f"{valid:%H%M}"), "stepRange": "0"}
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    made = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return made


@pytest.fixture(scope="module")
def fields():
    """Short name → lead time (h) → values."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for one in messages(trial_file(NAME), "shortName"):
        found.setdefault(one["shortName"], {})[int((one["valid"] - INIT) / H)] = one["values"]
    return found


def verified(folder, shift: int):
    """Verify the forecast against analyses that hold its fields, at one time those of `shift` hours later."""
    parts: dict[datetime, list[bytes]] = {}
    for one in messages(trial_file(NAME), BYTES):
        parts.setdefault(one["valid"], []).append(one[BYTES])
    with (folder / "analyses.grib").open("wb") as file:
        for valid in parts:
            shown = valid + shift * H if valid == INIT + SHIFTED * H else valid
            file.writelines(as_analysis(message, valid) for message in parts[shown])
    trial = Trial(folder)
    trial.set_inits([INIT])
    trial.data["params"] = PARAMS
    trial.data["comparing"]["scales"] = [50.0]
    trial.add_truth(folder / "analyses.grib")
    path = trial_file(NAME)
    trial.data["sources"] = [source("AROME", LEADS, path.parent, pattern=path.name)]
    return trial.run()


@pytest.fixture(scope="module")
def itself(tmp_path_factory):
    return verified(tmp_path_factory.mktemp("itself"), 0)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    return verified(tmp_path_factory.mktemp("shifted"), 3)


@pytest.mark.parametrize("metric", ["RMSE", "MAE", "BIAS"])
def test_all_errors_are_zero(itself, metric):
    for scale in (0.0, 50.0) if metric == "RMSE" else (0.0,):
        rows = itself.scores(metric=metric, param=..., lead_time=..., scale=scale)
        places = {(row["param"], row["lead_time"]) for row in rows}
        assert places == {(param, float(lead)) for param in PARAMS for lead in LEADS}, scale
        assert all(row["value"] == 0 and row["n_pairs"] == 10_000 for row in rows), scale


def test_all_of_the_lambert_grid_is_there(itself):
    (found,) = itself.found
    assert found.points == 10_000 and found.sources["baseline-AROME"].covers == 10_000
    assert not found.notes and not found.problems and not itself.reasons


def test_with_one_lead_shifted_that_one_is_wrong(fields, shifted):
    for row in shifted.scores(metric="RMSE", param=..., lead_time=...):
        assert (row["value"] > 0) == (row["lead_time"] == SHIFTED), row
    wanted = {
        "T_2M": fields["t"][24] - fields["t"][27],
        "PMSL": fields["pres"][24] - fields["pres"][27],
        "SP_10M": np.hypot(fields["u"][24], fields["v"][24]) - np.hypot(fields["u"][27], fields["v"][27]),
    }
    for param, errors in wanted.items():
        assert shifted.score("RMSE", "AROME", 24, param=param) == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4)
        found = shifted.score("BIAS", "AROME", 24, param=param)
        assert found == pytest.approx(errors.mean(), abs=1e-4 * np.abs(errors).max())


def test_shifted_winds_keep_their_length(fields, shifted):
    """Components of a Lambert grid are turned to the north: the error's two parts change, its length does not."""
    turned = sum(shifted.score("MSE", "AROME", 24, param=param) for param in ("U_10M", "V_10M"))
    along = sum(((fields[name][24] - fields[name][27]) ** 2).mean() for name in ("u", "v"))
    assert turned == pytest.approx(along, rel=1e-4)
