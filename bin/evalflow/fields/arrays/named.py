"""Named arrays with dimensions and attributes, as NetCDF and Zarr have them, and their times."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import cftime
import numpy as np

from evalflow.errors import UserError

Index = int | slice | np.ndarray

_MICROSECONDS = {
    "day": 86_400_000_000, "d": 86_400_000_000, "hour": 3_600_000_000, "h": 3_600_000_000, "hr": 3_600_000_000,
    "minute": 60_000_000, "min": 60_000_000, "second": 1_000_000, "sec": 1_000_000, "s": 1_000_000,
    "millisecond": 1_000, "ms": 1_000, "microsecond": 1, "us": 1, "nanosecond": 0.001, "ns": 0.001,
}  # fmt: skip
_REAL_CALENDARS = {"standard", "gregorian", "proleptic_gregorian"}


class Variable(Protocol):
    """An array that is read by parts."""

    @property
    def name(self) -> str:
        """Its name in the file."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of its dimensions."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size along them."""

    @property
    def dtype(self) -> np.dtype:
        """Type of the values as they are stored."""

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Its attributes."""

    def chunk(self, dim: str) -> int:
        """Return how many places along a dimension are stored together."""

    def read(self, index: Mapping[str, Index] | None = None) -> np.ndarray:
        """Return values, unpacked, missing ones as NaN.

        Dimensions that are not in `index` are read whole.
        """

    def files(self, index: Mapping[str, Index]) -> list[Path]:
        """Return the files that hold the values at an index: of a Zarr store its chunks."""


@dataclass(frozen=True)
class Arrays:
    """The variables of one file or store.

    Attributes
    ----------
    path : for messages
    variables : by name
    attrs : of the file
    """

    path: str
    variables: Mapping[str, Variable]
    attrs: Mapping[str, Any] = field(default_factory=dict)


def text(value: Any) -> str:
    """Return an attribute as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def packing_of(variable: Variable) -> float:
    """Return how far two values are apart that are stored as whole numbers with a scale; else 0."""
    scale = variable.attrs.get("scale_factor")
    return abs(float(scale)) if scale is not None and variable.dtype.kind in "iu" else 0.0


def units_of(variable: Variable) -> str | None:
    """Return the units as the file has them, or None."""
    return text(variable.attrs["units"]).strip() or None if "units" in variable.attrs else None


def microseconds_in(unit: str) -> float | None:
    """Return the length of a unit of time (`hours`, `h`, `min`) in microseconds, or None."""
    unit = unit.strip().casefold()
    return _MICROSECONDS.get(unit) or _MICROSECONDS.get(unit.removesuffix("s"))


def times_of(variable: Variable, path: str, *, units: str | None = None) -> np.ndarray:
    """Return times in UTC.

    Parameters
    ----------
    variable : datetime64, or numbers with units such as `hours since 2020-01-01`
    path : for messages
    units : where the variable has none: bounds of a coordinate have the coordinate's

    Returns
    -------
    datetime64[us], in the variable's shape

    Raises
    ------
    UserError
        Where the units do not say a time, or the calendar is a model's.
    """
    values = np.asarray(variable.read())
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    units = units or units_of(variable) or ""
    calendar = text(variable.attrs.get("calendar", "standard")).casefold()
    if calendar not in _REAL_CALENDARS:
        raise UserError(f"{path}: {variable.name} counts in the calendar {calendar}; allowed: standard")
    try:
        found = cftime.num2date(values.ravel(), units, calendar)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f'{path}: {variable.name} is no time: its units are "{units}"') from None
    return np.array([time.isoformat() for time in found], dtype="datetime64[us]").reshape(values.shape)


def durations_of(variable: Variable, path: str, *, units: str | None = None) -> np.ndarray:
    """Return lengths of time.

    Parameters
    ----------
    variable : timedelta64, or numbers with units such as `hours`
    path, units : as in `times_of`

    Returns
    -------
    timedelta64[us], in the variable's shape

    Raises
    ------
    UserError
        Where the units do not say a length of time.
    """
    values = np.asarray(variable.read())
    if values.dtype.kind == "m":
        return values.astype("timedelta64[us]")
    units = units or units_of(variable) or ""
    length = microseconds_in(units)
    if length is None or values.dtype.kind not in "iuf" or not np.all(np.isfinite(values)):
        raise UserError(f'{path}: {variable.name} is no lead time: its units are "{units}"; allowed: hours, minutes …')
    return np.rint(values.astype(np.float64) * length).astype("timedelta64[us]")


def is_time(variable: Variable) -> bool:
    """Return whether the units say points in time."""
    return " since " in (units_of(variable) or "") or variable.dtype.kind == "M"


def is_duration(variable: Variable) -> bool:
    """Return whether the units say lengths of time (`s` and `d` alone could be anything)."""
    units = units_of(variable)
    return (units is not None and len(units) > 1 and microseconds_in(units) is not None) or variable.dtype.kind == "m"


def as_timedelta(duration: np.timedelta64) -> timedelta:
    """Return a length of time as Python has it."""
    return timedelta(microseconds=int(duration / np.timedelta64(1, "us")))
