"""Units: how they are written in files, and what one is in terms of another. Nothing is guessed."""

import re
from fractions import Fraction

from evalflow.errors import UserError

STANDARD_GRAVITY = 9.80665
"""m s-2 (WMO, ISO 80000-3): geopotential = this × geopotential height."""

# Quantity → unit → (factor, offset) to the quantity's first unit: value × factor + offset.
_QUANTITIES: dict[str, dict[str, tuple[float, float]]] = {
    "temperature": {
        "K": (1, 0), "kelvin": (1, 0), "degK": (1, 0),
        "degC": (1, 273.15), "°C": (1, 273.15), "C": (1, 273.15), "celsius": (1, 273.15), "degree_Celsius": (1, 273.15),
        "degrees_Celsius": (1, 273.15), "deg_C": (1, 273.15),
        "degF": (5 / 9, 459.67 * 5 / 9), "°F": (5 / 9, 459.67 * 5 / 9), "F": (5 / 9, 459.67 * 5 / 9),
        "fahrenheit": (5 / 9, 459.67 * 5 / 9),
    },
    "speed": {
        "m s-1": (1, 0), "mps": (1, 0), "km h-1": (1 / 3.6, 0), "kmh": (1 / 3.6, 0), "kph": (1 / 3.6, 0),
        "kt": (1852 / 3600, 0), "kts": (1852 / 3600, 0), "knot": (1852 / 3600, 0), "knots": (1852 / 3600, 0),
        "cm s-1": (0.01, 0),
    },
    "pressure": {
        "Pa": (1, 0), "pascal": (1, 0), "hPa": (100, 0), "mb": (100, 0), "mbar": (100, 0), "millibar": (100, 0),
        "millibars": (100, 0), "kPa": (1000, 0),
    },
    "pressure per time": {"Pa s-1": (1, 0), "hPa s-1": (100, 0), "hPa h-1": (100 / 3600, 0)},
    # 1 kg of water on 1 m2 is 1 mm deep.
    "water": {
        "kg m-2": (1, 0), "mm": (1, 0), "millimeter": (1, 0), "millimetre": (1, 0), "mm h2o": (1, 0), "l m-2": (1, 0),
        "m": (1000, 0), "m of water equivalent": (1000, 0), "meter": (1000, 0), "metre": (1000, 0), "cm": (10, 0),
        "in": (25.4, 0), "inch": (25.4, 0), "inches": (25.4, 0),
    },
    "geopotential": {
        "m2 s-2": (1, 0), "J kg-1": (1, 0), "gpm": (STANDARD_GRAVITY, 0), "m": (STANDARD_GRAVITY, 0),
        "meter": (STANDARD_GRAVITY, 0), "metre": (STANDARD_GRAVITY, 0),
        "gpdm": (10 * STANDARD_GRAVITY, 0), "gpdam": (10 * STANDARD_GRAVITY, 0), "dam": (10 * STANDARD_GRAVITY, 0),
    },
    "elevation": {
        "m": (1, 0), "meter": (1, 0), "meters": (1, 0), "metre": (1, 0), "metres": (1, 0), "gpm": (1, 0),
        "km": (1000, 0), "ft": (0.3048, 0), "feet": (0.3048, 0), "m2 s-2": (1 / STANDARD_GRAVITY, 0),
    },
    "length": {
        "m": (1, 0), "meter": (1, 0), "meters": (1, 0), "metre": (1, 0), "metres": (1, 0),
        "cm": (0.01, 0), "mm": (0.001, 0), "km": (1000, 0),
    },
    "percentage": {
        "%": (1, 0), "percent": (1, 0), "1": (100, 0), "0-1": (100, 0), "fraction": (100, 0),
        "octa": (12.5, 0), "octas": (12.5, 0), "okta": (12.5, 0), "oktas": (12.5, 0),
    },
    "fraction": {"1": (1, 0), "0-1": (1, 0), "fraction": (1, 0), "%": (0.01, 0), "percent": (0.01, 0)},
    "humidity": {"kg kg-1": (1, 0), "g kg-1": (0.001, 0), "1": (1, 0)},
    "direction": {
        "degree": (1, 0), "degrees": (1, 0), "deg": (1, 0), "°": (1, 0), "degree true": (1, 0), "degrees_true": (1, 0),
        "rad": (57.29577951308232, 0), "radian": (57.29577951308232, 0), "radians": (57.29577951308232, 0),
    },
    "energy per mass": {"J kg-1": (1, 0), "kJ kg-1": (1000, 0), "m2 s-2": (1, 0)},
    "energy flux": {"W m-2": (1, 0)},
}  # fmt: skip
_FACTOR = re.compile(r"([^\W\d]+|°[CF]?|%)((?:\+|-)?\d+)?")


def _plain(text: str) -> str:
    """Return a unit as it is looked up: `m/s`, `m s**-1` and `m.s^-1` are one."""
    text = text.strip().replace("**", "").replace("^", "").replace("·", " ").replace("−", "-").replace("⁻¹", "-1")
    text = text.replace("⁻²", "-2").replace("²", "2")
    if text.strip("() ").replace(" ", "") in {"0-1", "0to1"}:
        return "0-1"
    above, *below = text.split("/")
    factors = [(name, power) for name, power in _FACTOR.findall(above)]
    for part in below:
        factors += [(name, str(-int(power or 1))) for name, power in _FACTOR.findall(part)]
    if not factors or _FACTOR.sub("", "".join([above, *below])).strip(" .*"):
        return text.casefold()  # no product of powers: looked up as it is
    return " ".join(name + ("" if Fraction(power or 1) == 1 else str(int(power))) for name, power in factors).casefold()


_KNOWN = {
    quantity: {_plain(unit): numbers for unit, numbers in units.items()} for quantity, units in _QUANTITIES.items()
}


def known_units(quantity: str) -> list[str]:
    """Return the units that a quantity can be converted from, its own first."""
    return list(_QUANTITIES[quantity])


def conversion(from_units: str, quantity: str) -> tuple[float, float] | None:
    """Return (factor, offset) that make values in `from_units` values in the quantity's own.

    Parameters
    ----------
    from_units : as a file has it: `m s**-1`, `m/s`, `degC`, `(0 - 1)`
    quantity : such as `speed`

    Returns
    -------
    (factor, offset), or None where the quantity has no such unit
    """
    return _KNOWN[quantity].get(_plain(from_units))


def check_units(from_units: str | None, quantity: str, where: str) -> tuple[float, float]:
    """Return `conversion(…)`.

    Raises
    ------
    UserError
        Where the unit is missing or none of the quantity's; `where` names file and param.
    """
    found = conversion(from_units, quantity) if from_units and from_units.strip() else None
    if found is None:
        what = f'has units "{from_units}"' if from_units and from_units.strip() else "does not say its units"
        known = ", ".join(known_units(quantity)[:6])
        raise UserError(f"{where} {what}; known here: {known} …; the key `units` of the source says what it is")
    return found
