"""How scores and thresholds are written."""

import pytest
from evalflow.errors import UserError
from evalflow.scores.names import OPERATORS, Score, Threshold, parse_score, parse_threshold
from evalflow.scores.table import METRICS
from hypothesis import given
from hypothesis import strategies as st

ABOVE = Threshold("gt", 0.1)


@pytest.mark.parametrize("text", ["ETS > 0.1", "ETS>0.1", "ETS_gt_0p1", "ETS_gt_0.1", "ets gt 0.1", " ETS_GT_.1 "])
def test_spellings_of_one_score(text):
    assert parse_score(text) == Score("ETS", ABOVE)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("RMSE", Score("RMSE")),
        ("CORR_POOLED", Score("CORR_POOLED")),
        ("MSE_BIAS", Score("MSE_BIAS")),
        ("ETS", Score("ETS")),
        ("RMSE_50km", Score("RMSE", scale=50)),
        ("RMSE_62p5km", Score("RMSE", scale=62.5)),
        ("FAR_lt_5p0", Score("FAR", Threshold("lt", 5))),
        ("POD ≥ 1e-3", Score("POD", Threshold("ge", 0.001))),
        ("POD_eq_0p0", Score("POD", Threshold("eq", 0))),
        ("CSI != -5.5", Score("CSI", Threshold("ne", -5.5))),
        ("CSI_le_-5p5", Score("CSI", Threshold("le", -5.5))),
    ],
)
def test_what_texts_mean(text, score):
    assert parse_score(text) == score


def test_names_are_those_of_evalml():
    # Its files have `str(value).replace(".", "p")` of a float.
    assert Score("ETS", Threshold("gt", 288.15)).name == "ETS_gt_288p15"
    assert Score("FAR", Threshold("lt", 5)).name == "FAR_lt_5p0"
    assert Score("FAR", Threshold("lt", 5)).text == "FAR < 5"
    assert Score("RMSE", scale=50).name == "RMSE_50km"
    assert Score("RMSE", scale=50).text == "RMSE at 50 km"
    assert ABOVE.text == "> 0.1"


categorical = st.sampled_from([name for name, metric in METRICS.items() if metric.categorical])
thresholds = st.builds(
    Threshold, st.sampled_from(list(OPERATORS)), st.floats(-1e6, 1e6, width=32).map(lambda x: x + 0.0)
)


@given(categorical, thresholds)
def test_a_name_is_read_as_what_it_was_written_for(metric, threshold):
    score = Score(metric, threshold)
    assert parse_score(score.name) == score
    assert parse_threshold(threshold.name) == threshold
    assert parse_threshold(threshold.text).value == pytest.approx(threshold.value, rel=1e-11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("EST > 1", "score 'EST': unknown; allowed: BIAS, "),
        ("RMSE > 1", "score 'RMSE': has no threshold (> 1); leave the threshold out"),
        ("ETS > much", "threshold '> much': is not understood; allowed: an operator and a number, such as '> 0.1'"),
        ("ETS 1", "threshold '1': is not understood"),
        ("ETS_50km", "score 'ETS': is not computed at 50 km; allowed at scales: MSE, RMSE"),
        ("> 1", "score '> 1': is not understood; allowed: a name such as RMSE or 'ETS > 0.1'"),
        ("", "score '': is not understood"),
    ],
)
def test_what_is_not_a_score(text, message):
    with pytest.raises(UserError) as error:
        parse_score(text)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_what_is_not_a_threshold():
    with pytest.raises(UserError, match="operator 'above': unknown; allowed: gt, ge, lt, le, eq, ne"):
        Threshold("above", 1.0)
    with pytest.raises(UserError, match="threshold nan: is not a number"):
        Threshold("gt", float("nan"))
