"""Colour tables: fixed for each param, never taken from the data.

So another source, lead time or day has the same colours. Values are shown in steps: each class is
one colour, which keeps pictures small and lets a reader find a colour in the legend.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

from evalflow.fields.params import Param, param_named
from evalflow.fields.units import STANDARD_GRAVITY

MISSING = 0
"""Class of what is missing."""
LINE = 255
"""Row of the palette for lines that are drawn over a field."""
_LINE_COLOUR = (32, 32, 32, 255)

Anchors = tuple[tuple[float, str], ...]
"""Values, rising, and the colours there; between them colours change evenly."""

_TEMPERATURE: Anchors = (
    (-40, "#4a1259"), (-30, "#8a4bab"), (-20, "#3b3fa6"), (-10, "#3f86d6"), (-0.01, "#c3e6f7"),
    (0, "#e2f3d6"), (10, "#6fbf5b"), (20, "#f7e64b"), (30, "#ef7d21"), (40, "#a50f15"), (50, "#4d0510"),
)  # fmt: skip
_SPEED: Anchors = (
    (0, "#f7fbff"), (4, "#b7d7ee"), (8, "#5fb3a8"), (12, "#7cc35a"), (16, "#f2e14c"), (22, "#f08a24"),
    (30, "#cb2a2a"), (40, "#7a1a6b"), (60, "#2d0b3f"),
)  # fmt: skip
_PRECIPITATION = (
    "#f4f4f4", "#dbeefb", "#b3dcf5", "#7fc0ea", "#4a9fdc", "#2077c1", "#0b4f9e", "#3a9d4f", "#7cc35a", "#f2e14c",
    "#f5b32e", "#ef7d21", "#d9372a", "#a3123a", "#7a1a6b", "#4a1259",
)  # fmt: skip
_AMOUNTS = (0.1, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 40, 60, 80, 120)
_PRESSURE: Anchors = ((950, "#5b2a86"), (980, "#5e8fd0"), (1013, "#f3f1e4"), (1035, "#e0a458"), (1060, "#8c3b1f"))
_WET: Anchors = ((0, "#a6611a"), (30, "#dfc27d"), (50, "#f5f2e6"), (70, "#80cdc1"), (100, "#01665e"))
_CLOUD: Anchors = ((0, "#4a90d9"), (50, "#b9cfe0"), (100, "#fafafa"))
_VAPOUR: Anchors = ((0, "#f6efdd"), (0.3, "#9fd3a8"), (0.6, "#2f8fb3"), (1, "#232a70"))
_HEAT: Anchors = ((0, "#f7f4ea"), (0.25, "#f5d76e"), (0.5, "#ef7d21"), (0.75, "#c0232c"), (1, "#5a0f4a"))
_LAND: Anchors = ((0, "#2f8f5b"), (0.25, "#d7d98a"), (0.6, "#a5713f"), (1, "#f5f5f5"))
_HEIGHTS: Anchors = ((0, "#3b3fa6"), (0.3, "#59a5d8"), (0.5, "#8fcf9b"), (0.7, "#f2e14c"), (1, "#cb4a2a"))
_AROUND: Anchors = ((0, "#3b3fa6"), (90, "#2f9f77"), (180, "#f0d43a"), (270, "#cb2a2a"), (360, "#3b3fa6"))
_DIVERGING: Anchors = (
    (-1, "#053061"), (-0.6, "#4393c3"), (-0.25, "#b9d9ea"), (0, "#f7f7f7"), (0.25, "#fbc8a8"), (0.6, "#d6604d"),
    (1, "#67001f"),
)  # fmt: skip
"""Blue to red without green: readable for those who cannot tell red from green (ColorBrewer RdBu)."""


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _between(anchors: Anchors, values: np.ndarray) -> tuple[str, ...]:
    """Return the colours of values."""
    at = [value for value, _ in anchors]
    parts = np.array([_rgb(colour) for _, colour in anchors])
    mixed = np.stack([np.interp(values, at, parts[:, part]) for part in range(3)], axis=1)
    return tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in np.rint(mixed).astype(int))


@dataclass(frozen=True, eq=False)
class Scale:
    """The colours of a quantity.

    Attributes
    ----------
    units : those that are shown, such as `°C`
    bounds : float64 [k], rising, in these units: where one class ends and the next one begins
    colours : k + 1, as `#rrggbb`: below the first bound, between bounds, from the last one on
    factor, offset : value in the param's unit × factor + offset is the value that is shown
    isolines : distance of lines of equal values, in the units that are shown, or None
    """

    units: str
    bounds: np.ndarray
    colours: tuple[str, ...]
    factor: float = 1.0
    offset: float = 0.0
    isolines: float | None = field(default=None)

    def __post_init__(self) -> None:
        if len(self.colours) != len(self.bounds) + 1 or len(self.colours) >= LINE:
            raise ValueError(f"{len(self.bounds)} bounds need one colour more, and {LINE - 1} at most")

    def shown(self, values: np.ndarray) -> np.ndarray:
        """Return values of the param's unit in the units that are shown."""
        return values * np.float32(self.factor) + np.float32(self.offset)

    def classes(self, values: np.ndarray) -> np.ndarray:
        """Return the class of values (in the param's unit): uint8, 0 where missing, else from 1 on."""
        # A value on a bound belongs above it, whatever rounding has made of it in another unit.
        shown = np.round(self.shown(np.asarray(values, np.float32)), 4)
        found = (np.searchsorted(self.bounds, shown, side="right") + 1).astype(np.uint8)
        return np.where(np.isnan(shown), np.uint8(MISSING), found)

    @cached_property
    def palette(self) -> np.ndarray:
        """RGBA (uint8 [256, 4]) of each class; missing is transparent, LINE is dark."""
        table = np.zeros((256, 4), np.uint8)
        for place, colour in enumerate(self.colours, start=1):
            table[place] = (*_rgb(colour), 255)
        table[LINE] = _LINE_COLOUR
        return table


def _steps(first: float, last: float, step: float) -> np.ndarray:
    return first + step * np.arange(round((last - first) / step) + 1)


def _stepped(units: str, anchors: Anchors, bounds: np.ndarray, factor: float = 1, offset: float = 0) -> Scale:
    middles = np.concatenate([bounds[:1] - 1e-9, (bounds[:-1] + bounds[1:]) / 2, bounds[-1:]])
    return Scale(units, bounds, _between(anchors, middles), factor, offset)


def _spread(units: str, anchors: Anchors, bounds: np.ndarray, factor: float = 1, offset: float = 0) -> Scale:
    """Return a scale whose anchors, from 0 to 1, are spread from the first to the last bound."""
    first, last = bounds[0], bounds[-1]
    fitted = tuple((first + value * (last - first), colour) for value, colour in anchors)
    return _stepped(units, fitted, bounds, factor, offset)


def diverging(limit: float, steps: int = 8, units: str = "", factor: float = 1.0) -> Scale:
    """Return a scale for differences: blue below zero, red above, white around it.

    Parameters
    ----------
    limit : last bound on each side, in the units that are shown
    steps : number of bounds on each side; the class around zero reaches half a step to each side
    factor : from the param's unit to the one that is shown
    """
    positive = limit * (np.arange(steps) + 0.5) / (steps - 0.5)
    bounds = np.concatenate([-positive[::-1], positive])
    middles = np.linspace(-1, 1, 2 * steps + 1)
    return Scale(units, bounds, _between(_DIVERGING, middles), factor)


def rising(limit: float, steps: int = 10, units: str = "", factor: float = 1.0) -> Scale:
    """Return a scale for what is never negative, such as the size of errors: from pale to dark.

    Parameters
    ----------
    limit : last bound, in the units that are shown
    steps : number of bounds
    factor : from the param's unit to the one that is shown
    """
    return _spread(units, _HEAT, limit * np.arange(1, steps + 1) / steps, factor)


def standard_height(level: float) -> float:
    """Return the height in m of a pressure level in hPa in the ICAO standard atmosphere."""
    if level >= 226.32:
        return 44330.77 * (1 - (level / 1013.25) ** 0.190263)
    return 11000 + 6341.62 * float(np.log(226.32 / level))


def _geopotential(level: int) -> Scale:
    step = 4 if level >= 250 else 8
    middle = round(standard_height(level) / 10 / step) * step
    bounds = middle + step * np.arange(-10, 11, dtype=np.float64)
    made = _spread("gpdam", _HEIGHTS, bounds, 1 / STANDARD_GRAVITY / 10)
    return Scale(made.units, made.bounds, made.colours, made.factor, isolines=step)


def _pressure(param: Param) -> Scale:
    if param.name == "PMSL":
        made = _stepped("hPa", _PRESSURE, _steps(952, 1056, 4), 0.01)
        return Scale(made.units, made.bounds, made.colours, made.factor, isolines=4)
    return _spread("hPa", tuple((1 - value, colour) for value, colour in _HEAT[::-1]), _steps(500, 1040, 20), 0.01)


def _of_temperature(param: Param) -> Scale:
    if param.level is not None:
        return _stepped("°C", tuple((value - 20, one) for value, one in _TEMPERATURE), _steps(-60, 30, 2.5), 1, -273.15)
    return _stepped("°C", _TEMPERATURE, _steps(-40, 46, 2), 1, -273.15)


def _of_speed(param: Param) -> Scale:
    if param.name.startswith(("U_", "V_")):
        return diverging(60.0 if param.level else 30.0, 10, "m/s")
    if param.level is not None:
        return _stepped("m/s", tuple((1.6 * value, one) for value, one in _SPEED), _steps(5, 90, 5))
    strongest = 50 if param.name == "VMAX_10M" else 40
    return _stepped("m/s", _SPEED, np.concatenate([_steps(1, 4, 1), _steps(6, strongest, 2)]))


_OTHERS: dict[str, Scale] = {
    "RELHUM": _stepped("%", _WET, _steps(10, 100, 10)),
    "CLCT": _stepped("%", _CLOUD, _steps(10, 90, 10)),
    "QV": _spread("g/kg", _VAPOUR, _steps(1, 20, 1), 1000),
    "TQV": _spread("mm", _VAPOUR, _steps(3, 60, 3)),
    "CAPE_ML": _spread("J/kg", _HEAT, np.array([50.0, 100, 250, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000])),
    "H_SNOW": _spread("cm", _VAPOUR, np.array([1.0, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300]), 100),
    "FR_LAND": _spread("1", _LAND, _steps(0.1, 0.9, 0.1)),
    "HSURF": _spread("m", _LAND, np.array([0.0, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000])),
    "FIS": _spread(
        "m", _LAND, np.array([0.0, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000]),
        1 / STANDARD_GRAVITY,
    ),
    "OMEGA": diverging(2.0, 10, "Pa/s"),
    "DD": _stepped("°", _AROUND, _steps(15, 345, 30)),
}  # fmt: skip
"""By base name: without the height or level. Those of CLCT serve all clouds."""


def _base(param: Param) -> str:
    base = param.name.removesuffix("_2M").removesuffix("_10M")
    base = base.removesuffix(f"_{param.level}") if param.level is not None else base
    return "CLCT" if base.startswith("CLC") else base


@cache
def scale_of(param: str) -> Scale:
    """Return the colours of a param (any name of it) in the units that people use.

    Raises
    ------
    UserError
        Where there is no such param.
    """
    known = param_named(param)
    if known.accumulated:
        return Scale("mm", np.array(_AMOUNTS), _PRECIPITATION)
    if known.quantity == "temperature":
        return _of_temperature(known)
    if known.quantity == "speed":
        return _of_speed(known)
    if known.quantity == "pressure":
        return _pressure(known)
    if known.quantity == "geopotential" and known.level is not None:
        return _geopotential(known.level)
    return _OTHERS[_base(known)]


_LIMITS = {
    "temperature": 8.0, "speed": 8.0, "pressure": 8.0, "percentage": 40.0, "water": 20.0, "humidity": 4.0,
    "geopotential": 8.0, "pressure per time": 1.0, "energy per mass": 1000.0, "length": 50.0, "fraction": 0.5,
    "elevation": 200.0, "direction": 90.0,
}  # fmt: skip
"""Quantity → last bound of differences, in the units that are shown."""


@cache
def difference_scale(param: str) -> Scale:
    """Return the colours of differences (forecast minus truth) of a param.

    Raises
    ------
    UserError
        Where there is no such param.
    """
    known, shown = param_named(param), scale_of(param)
    units = "K" if known.quantity == "temperature" else shown.units
    return diverging(_LIMITS[known.quantity], 8, units, shown.factor)
