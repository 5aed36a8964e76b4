"""Units as files write them."""

import pytest
from evalflow.errors import UserError
from evalflow.fields.units import check_units, conversion, known_units


@pytest.mark.parametrize(
    ("units", "quantity", "value", "expected"),
    [
        ("degC", "temperature", 20, 293.15),
        ("°C", "temperature", -40, 233.15),
        ("celsius", "temperature", 0, 273.15),
        ("degF", "temperature", -40, 233.15),  # where both scales meet
        ("fahrenheit", "temperature", 212, 373.15),
        ("K", "temperature", 280, 280),
        ("kt", "speed", 10, 5.14444),
        ("km/h", "speed", 36, 10),
        ("km h-1", "speed", 36, 10),
        ("m/s", "speed", 3, 3),
        ("m s**-1", "speed", 3, 3),
        ("m s^-1", "speed", 3, 3),
        ("m.s-1", "speed", 3, 3),
        ("m s⁻¹", "speed", 3, 3),
        ("hPa", "pressure", 1013.25, 101325),
        ("mbar", "pressure", 1000, 100000),
        ("kPa", "pressure", 100, 100000),
        ("m", "water", 0.012, 12),
        ("m of water equivalent", "water", 0.012, 12),
        ("kg m**-2", "water", 12, 12),
        ("kg/m2", "water", 12, 12),
        ("kg m^-2", "water", 12, 12),
        ("mm", "water", 12, 12),
        ("inches", "water", 1, 25.4),
        ("gpm", "geopotential", 5500, 53936.575),
        ("gpdam", "geopotential", 550, 53936.575),
        ("m**2 s**-2", "geopotential", 53936.575, 53936.575),
        ("m2/s2", "geopotential", 53936.575, 53936.575),
        ("m2 s-2", "elevation", 9806.65, 1000),
        ("(0 - 1)", "percentage", 0.4, 40),
        ("1", "percentage", 0.4, 40),
        ("oktas", "percentage", 8, 100),
        ("%", "fraction", 40, 0.4),
        ("(0-1)", "fraction", 0.4, 0.4),
        ("g/kg", "humidity", 8, 0.008),
        ("kg kg**-1", "humidity", 0.008, 0.008),
        ("radian", "direction", 3.14159265359, 180),
        ("degree true", "direction", 90, 90),
        ("hPa/h", "pressure per time", 36, 1),
    ],
)
def test_values_in_the_quantity_s_own_unit(units, quantity, value, expected):
    factor, offset = conversion(units, quantity)
    assert value * factor + offset == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("units", "quantity"),
    [
        ("mm h-1", "water"),  # a rate is no amount
        ("kg m-2 s-1", "water"),
        ("m s-2", "speed"),
        ("m2 s-1", "speed"),
        ("m", "speed"),
        ("~", "temperature"),
        ("unknown", "temperature"),
        ("10 m", "water"),
        ("degrees", "temperature"),
        ("K", "pressure"),
    ],
)
def test_what_is_another_quantity_is_not_guessed(units, quantity):
    assert conversion(units, quantity) is None
    with pytest.raises(UserError) as caught:
        check_units(units, quantity, "a.nc: x")
    assert str(caught.value).startswith(f'a.nc: x has units "{units}"; known here: {known_units(quantity)[0]}')


@pytest.mark.parametrize("units", [None, "", "  "])
def test_a_missing_unit_is_not_guessed(units):
    with pytest.raises(UserError, match="a.nc: x does not say its units; known here: K, .*the key `units`"):
        check_units(units, "temperature", "a.nc: x")


def test_every_unit_is_found_as_it_is_listed():
    for quantity in ("temperature", "speed", "pressure", "water", "geopotential", "percentage", "direction"):
        assert conversion(known_units(quantity)[0], quantity) == (1, 0)
        assert all(conversion(unit, quantity) for unit in known_units(quantity))
