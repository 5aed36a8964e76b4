"""Lapse rate: the sign, for all sources or for none, and surface pressure at equal elevations only."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.points.elevation import correct_lapse_rate, decide_lapse_rate, equal_elevation

TRUTH = np.array([500, 1500, 0], np.float32)
MODEL = np.array([700, 900, 0], np.float32)


def test_a_forecast_that_is_too_high_gets_warmer():
    corrected = correct_lapse_rate(np.array([280, 280, np.nan], np.float32), TRUTH, MODEL)
    assert corrected.dtype == np.float32
    np.testing.assert_allclose(corrected, [280 + 0.0065 * 200, 280 - 0.0065 * 600, np.nan], rtol=1e-7)


def test_an_atmosphere_that_follows_the_rate_has_no_error_left():
    truth = (288 - 0.0065 * TRUTH).astype(np.float32)
    np.testing.assert_allclose(correct_lapse_rate(288 - 0.0065 * MODEL, TRUTH, MODEL), truth, atol=2e-5)


def test_auto_corrects_where_every_elevation_is_known():
    found = decide_lapse_rate("auto", TRUTH, {"b": MODEL, "a": TRUTH})
    assert found.corrected
    assert found.difference == {"a": 0, "b": pytest.approx(800 / 3)}
    assert found.reason == "T_2M is corrected to the truth's elevation by 0.0065 K/m, for all sources"
    assert decide_lapse_rate(True, TRUTH, {"b": MODEL}).corrected


@pytest.mark.parametrize(
    ("truth", "sources", "missing"),
    [
        (TRUTH, {"a": MODEL, "c": None, "b": None}, "b, c"),
        (None, {"a": MODEL}, "the truth"),
        (np.array([1, np.nan, np.nan]), {"a": MODEL}, "the truth (at 2 of 3 points)"),
        (TRUTH, {"a": np.array([1, 2, np.nan]), "b": MODEL}, "a (at 1 of 3 points)"),
    ],
)
def test_none_is_corrected_where_one_is_not_known_and_the_reason_names_it(truth, sources, missing):
    found = decide_lapse_rate("auto", truth, sources)
    assert not found.corrected
    assert found.reason == f"T_2M is not corrected for elevation: that of {missing} is not known"
    with pytest.raises(UserError) as caught:
        decide_lapse_rate(True, truth, sources)
    assert str(caught.value) == (
        f"lapse_rate_correction: true needs every elevation, and that of {missing} is not known; "
        "add a file with it to `grids`, or set it to auto"
    )
    assert not decide_lapse_rate(False, truth, sources).corrected


def test_a_few_stations_without_elevation_are_left_out_for_all():
    truth, model = np.full(20, 100, np.float32), np.full(20, 300, np.float32)
    truth[3] = model[7] = np.nan
    found = decide_lapse_rate("auto", truth, {"a": model, "b": np.full(20, 200)})
    assert found.corrected
    assert found.reason.endswith("for all sources; 2 of 20 points without elevation are left out")
    assert found.difference == {"a": 200, "b": 100}
    assert np.flatnonzero(np.isnan(correct_lapse_rate(np.zeros(20), truth, model))).tolist() == [3, 7]
    truth[:3] = np.nan  # 4 of 20
    assert decide_lapse_rate("auto", truth, {"a": model}).reason.endswith(
        "that of the truth (at 4 of 20 points) is not known"
    )


def test_switched_off_the_difference_is_still_told():
    found = decide_lapse_rate(False, TRUTH, {"a": MODEL, "b": None})
    assert (found.corrected, found.difference) == (False, {"a": pytest.approx(800 / 3)})
    assert found.reason == "T_2M is not corrected for elevation: lapse_rate_correction is false"


def test_the_difference_is_over_points_where_it_is_known():
    found = decide_lapse_rate("auto", np.array([100, np.nan]), {"a": np.array([150.0, 3]), "b": np.full(2, np.nan)})
    assert found.difference == {"a": 50}


def test_surface_pressure_needs_equal_elevations():
    assert equal_elevation(TRUTH, TRUTH + 0.5)
    assert not equal_elevation(TRUTH, TRUTH + [0, 0, 1.5])
    assert not equal_elevation(TRUTH, TRUTH + np.array([0, 0, np.nan]))
    assert not equal_elevation(None, TRUTH)
    assert not equal_elevation(TRUTH, None)
