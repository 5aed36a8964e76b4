"""Colour tables: units, classes, bounds; every param has one."""

import numpy as np
import pytest
from evalflow.drawing.colours import LINE, difference_scale, diverging, scale_of, standard_height
from evalflow.errors import UserError
from evalflow.fields import params

NAMES = [param.name for param in params._SURFACE] + [
    f"{param.name}_{level}" for param in params._LEVEL for level in (1, 50, 250, 500, 850, 1000)
]


def luminance(colour):
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("name", [*NAMES, "TOT_PREC1", "TOT_PREC24"])
def test_every_param_has_colours_of_its_own_and_of_differences(name):
    for scale in (scale_of(name), difference_scale(name)):
        assert np.all(np.diff(scale.bounds) > 0)
        assert len(scale.colours) == len(scale.bounds) + 1
        assert scale.units


@pytest.mark.parametrize(
    ("param", "value", "units", "shown"),
    [
        ("T_2M", 273.15, "°C", 0.0), ("TD_2M", 263.15, "°C", -10.0), ("PMSL", 101325.0, "hPa", 1013.25),
        ("TOT_PREC6", 12.0, "mm", 12.0), ("SP_10M", 10.0, "m/s", 10.0), ("Z_500", 55000.0, "gpdam", 560.8439),
        ("QV_850", 0.008, "g/kg", 8.0), ("H_SNOW", 0.5, "cm", 50.0), ("tp", 3.0, "mm", 3.0),
    ],
)  # fmt: skip
def test_units_are_those_of_people(param, value, units, shown):
    scale = scale_of(param)
    assert scale.units == units
    assert float(scale.shown(np.float32(value))) == pytest.approx(shown, abs=1e-3)


def test_classes_by_hand():
    scale = scale_of("TOT_PREC6")
    values = np.array([np.nan, 0, 0.09, 0.1, 0.49, 0.5, 119, 120, 900], np.float32)
    np.testing.assert_array_equal(scale.classes(values), [0, 1, 1, 2, 2, 3, 15, 16, 16])


def test_freezing_point_is_a_bound_whatever_rounding_does():
    scale = scale_of("T_2M")
    below, at = scale.classes(np.array([273.15 - 0.01, 273.15], np.float32))
    assert at == below + 1
    assert 0.0 in scale.bounds


def test_missing_is_transparent_and_dry_is_not():
    palette = scale_of("TOT_PREC1").palette
    assert palette[0, 3] == 0
    assert palette[1, 3] == 255
    assert tuple(palette[LINE]) == (32, 32, 32, 255)


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_differences_are_centred(steps):
    scale = diverging(6.0, steps)
    np.testing.assert_allclose(scale.bounds, -scale.bounds[::-1])
    assert scale.bounds[-1] == 6
    middle = scale.classes(np.array([0], np.float32))[0]
    assert middle == steps + 1
    assert luminance(scale.colours[middle - 1]) > 240
    first, last = scale.colours[0], scale.colours[-1]
    assert int(first[5:7], 16) > int(first[1:3], 16)  # blue
    assert int(last[1:3], 16) > int(last[5:7], 16)  # red


def test_differences_grow_darker_to_both_sides():
    found = [luminance(colour) for colour in diverging(8.0, 8).colours]
    assert found[:9] == sorted(found[:9])
    assert found[8:] == sorted(found[8:], reverse=True)


def test_differences_of_temperature_are_in_kelvin():
    scale = difference_scale("T_2M")
    assert (scale.units, scale.offset) == ("K", 0)
    assert difference_scale("PMSL").factor == 0.01


@pytest.mark.parametrize(("level", "height"), [(1013.25, 0), (500, 5574), (850, 1457), (250, 10363), (100, 16180)])
def test_heights_of_the_standard_atmosphere(level, height):
    # Table of the ICAO standard atmosphere.
    assert standard_height(level) == pytest.approx(height, abs=8)


def test_a_param_that_is_none():
    with pytest.raises(UserError, match="no param T_3M"):
        scale_of("T_3M")
