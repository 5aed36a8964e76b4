"""Events of all six operators from one joint histogram, and what counts as equal to a threshold."""

import operator

import numpy as np
import pytest
import scores
import xarray as xr
from evalflow.errors import UserError
from evalflow.scores.categories import Categories, event_cells, table_cells, values_of
from evalflow.scores.names import OPERATORS, Threshold

TENTHS = np.arange(-30, 31)


def table(threshold, values, forecast, truth, steps=(0.0, 0.0)):
    """Return hits, false alarms, misses and correct negatives by the histogram."""
    categories = Categories(values, steps)
    joint = np.bincount(categories.joint(forecast, truth), minlength=categories.count**2)
    return (table_cells(threshold, values) @ joint).tolist()


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("tenth", [-21, -1, 0, 1, 3, 7])
def test_operators_are_exact_where_floats_are_not(name, tenth):
    # 0.7 as float32 is less than 0.7, 0.3 is more than 0.3: the integers tell what is meant.
    values = (-2.1, -0.1, 0.0, 0.1, 0.3, 0.7)
    forecast, truth = np.meshgrid(TENTHS, TENTHS)
    event = [getattr(operator, name)(field.ravel(), tenth) for field in (forecast, truth)]
    expected = [(event[0] & event[1]).sum(), (event[0] & ~event[1]).sum(), (~event[0] & event[1]).sum()]
    found = table(
        Threshold(name, tenth / 10), values, *((f.ravel() / 10).astype(np.float32) for f in (forecast, truth))
    )
    assert found[:3] == expected
    assert sum(found) == forecast.size


@pytest.mark.parametrize("name", OPERATORS)
def test_tables_are_those_of_the_oracle(name):
    rng = np.random.default_rng(1)
    forecast, truth = rng.normal(280, 5, (2, 2000)).astype(np.float32)
    values = (275.0, 280.15, 290.0)
    for value in values:
        event = scores.categorical.ThresholdEventOperator(
            default_event_threshold=value, default_op_fn=getattr(operator, name)
        )
        manager = event.make_contingency_manager(*(xr.DataArray(field, dims="point") for field in (forecast, truth)))
        counts = manager.get_counts()
        expected = [float(counts[key]) for key in ("tp_count", "fp_count", "fn_count", "tn_count")]
        assert table(Threshold(name, value), values, forecast, truth) == expected


@pytest.mark.parametrize("value", [288.15, 0.1, -5.5])
def test_a_value_that_is_off_by_rounding_is_equal(value):
    # A conversion of units moves the last digits of a float32, by 1e-7 of the value.
    moved = np.float32(value) * np.array([1 - 3e-6, 1 - 3e-7, 1, 1 + 3e-7, 1 + 3e-6])
    field = np.sort(moved).astype(np.float32)
    assert (Categories((value,)).joint(field, field) % 3).tolist() == [0, 1, 1, 1, 2]


def test_what_is_within_half_a_packing_step_is_equal():
    # Packed by 0.25, a field holds 0.25 for what is 0.3, and the truth is packed by 0.01.
    forecast = np.array([0.0, 0.25, 0.25, 0.5], np.float32)
    truth = np.array([0.3, 0.3, 0.31, 0.4], np.float32)
    above, reached = Threshold("gt", 0.3), Threshold("ge", 0.3)
    steps = (0.25, 0.01)
    assert table(above, (0.3,), forecast, truth, steps) == [1, 0, 1, 2]
    assert table(reached, (0.3,), forecast, truth, steps) == [3, 0, 1, 0]
    assert table(reached, (0.3,), forecast, truth) == [1, 0, 3, 0]


def test_a_value_is_equal_to_one_threshold_at_most():
    # Half a step reaches over the neighbour: the border is halfway between them.
    field = np.array([0.04, 0.1, 0.14, 0.16, 0.2, 0.33], np.float32)
    values = (0.1, 0.2)
    cells = Categories(values, (0.25, 0.25)).joint(field, field) % 5
    assert cells.tolist() == [1, 1, 1, 3, 3, 4]


def test_zero_is_exact_without_packing():
    field = np.array([-1e-30, 0.0, 1e-30], np.float32)
    assert (Categories((0.0,)).joint(field, field) % 3).tolist() == [0, 1, 2]


def test_events_of_categories():
    values = values_of([Threshold("gt", 2), Threshold("le", 1), Threshold("ge", 2)])
    assert values == (1.0, 2.0)
    assert event_cells(Threshold("le", 1), values).tolist() == [True, True, False, False, False]
    assert event_cells(Threshold("ne", 2), values).tolist() == [True, True, True, False, True]


def test_thresholds_that_cannot_be():
    with pytest.raises(ValueError, match="must rise"):
        Categories((2.0, 1.0))
    with pytest.raises(UserError, match="thresholds: 128 values of one param; allowed: 127 or fewer"):
        Categories(tuple(map(float, range(128))))
    many = Categories(tuple(map(float, range(127))))
    field = np.array([-1.0, 126.0, 200.0], np.float32)
    assert (many.joint(field, field) % many.count).tolist() == [0, 253, 254]
