"""Elevation: temperature brought to the truth's elevation, for all sources or for none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalflow.errors import UserError

LAPSE_RATE = 0.0065
"""How much the temperature falls with height, K/m (ICAO standard atmosphere)."""

KNOWN = 0.9
"""Share of the points at which an elevation must be known.

Tables of stations lack that of a few. T_2M leaves these few out for all sources (their corrected
values are missing), so that the others can be corrected.
"""

EQUAL_METRES = 1.0
"""Elevations that differ by less are equal, whatever their packing: a metre is 0.12 hPa."""


def correct_lapse_rate(values: np.ndarray, truth_elevation: np.ndarray, source_elevation: np.ndarray) -> np.ndarray:
    """Return temperatures of a forecast as they would be at the truth's elevation.

    corrected = forecast − 0.0065 K/m × (elevation of truth − elevation of forecast)

    Parameters
    ----------
    values : [n], K or °C
    truth_elevation, source_elevation : at the same points, m

    Returns
    -------
    float32 [n]
    """
    difference = np.asarray(truth_elevation, np.float64) - np.asarray(source_elevation, np.float64)
    return (np.asarray(values, np.float64) - LAPSE_RATE * difference).astype(np.float32)


@dataclass(frozen=True)
class LapseRate:
    """Whether temperatures are corrected, for all sources alike.

    Attributes
    ----------
    corrected : whether they are
    reason : one line that says so and why, for products and the log
    difference : mean |elevation of truth − elevation of forecast| in m, for each source where it is
        known
    """

    corrected: bool
    reason: str
    difference: Mapping[str, float]


def decide_lapse_rate(
    setting: Literal["auto"] | bool, truth: np.ndarray | None, sources: Mapping[str, np.ndarray | None]
) -> LapseRate:
    """Return whether temperatures are corrected to the truth's elevation.

    An elevation is known where it is at 9 of 10 points, at least.

    Parameters
    ----------
    setting : `auto`: where the elevations of truth and of all sources are known; True: they must
        be; False: never
    truth : elevation (m) at the points that are verified [n], or None
    sources : for each source its elevation at the same points (`Mapping.apply`), or None

    Raises
    ------
    UserError
        Where `setting` is True and an elevation is not known. It concerns T_2M alone.
    """
    elevations = [("the truth", truth), *sorted(sources.items())]
    unknown = ", ".join(text for text in (_unknown(name, one) for name, one in elevations) if text)
    difference = _differences(truth, sources)
    if setting is False:
        return LapseRate(False, "T_2M is not corrected for elevation: lapse_rate_correction is false", difference)
    if unknown and setting is True:
        raise UserError(
            f"lapse_rate_correction: true needs every elevation, and that of {unknown} is not known; "
            "add a file with it to `grids`, or set it to auto"
        )
    if unknown:
        return LapseRate(False, f"T_2M is not corrected for elevation: that of {unknown} is not known", difference)
    missing = np.logical_or.reduce([np.isnan(one) for _, one in elevations if one is not None])
    few = f"; {missing.sum():,} of {missing.size:,} points without elevation are left out" if missing.any() else ""
    reason = f"T_2M is corrected to the truth's elevation by {LAPSE_RATE} K/m, for all sources{few}"
    return LapseRate(True, reason, difference)


def _unknown(name: str, elevation: np.ndarray | None) -> str | None:
    if elevation is None:
        return name
    missing = np.isnan(elevation)
    return f"{name} (at {missing.sum():,} of {missing.size:,} points)" if 1 - missing.mean() < KNOWN - 1e-9 else None


def _differences(truth: np.ndarray | None, sources: Mapping[str, np.ndarray | None]) -> dict[str, float]:
    """Return each source's mean |elevation of truth − elevation of forecast| where both are known."""
    found = {}
    for name, source in sorted(sources.items()):
        if truth is not None and source is not None:
            apart = np.abs(np.asarray(truth, np.float64) - np.asarray(source, np.float64))
            if np.isfinite(apart).any():
                found[name] = float(np.nanmean(apart))
    return found


def equal_elevation(truth: np.ndarray | None, source: np.ndarray | None) -> bool:
    """Return whether elevations [n] are known and equal (within 1 m), as surface pressure needs it."""
    if truth is None or source is None:
        return False
    return bool((np.abs(np.asarray(truth, np.float64) - np.asarray(source, np.float64)) < EQUAL_METRES).all())
