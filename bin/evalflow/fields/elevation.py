"""Elevation: temperature brought to the truth's elevation, for all sources or for none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalflow.errors import UserError

LAPSE_RATE = 0.0065
"""How much the temperature falls with height, K/m (ICAO standard atmosphere)."""

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
    difference : mean |elevation of truth − elevation of forecast| in m, for each source where it is known
    """

    corrected: bool
    reason: str
    difference: Mapping[str, float]


def decide_lapse_rate(
    setting: Literal["auto"] | bool, truth: np.ndarray | None, sources: Mapping[str, np.ndarray | None]
) -> LapseRate:
    """Return whether temperatures are corrected to the truth's elevation.

    Parameters
    ----------
    setting : `auto`: where all elevations are known; True: they must be; False: never
    truth : elevation (m) at the points that are verified [n], or None
    sources : for each source its elevation at the same points (`Mapping.apply`), or None

    Raises
    ------
    UserError
        Where `setting` is True and an elevation is not known. It concerns T_2M alone.
    """
    unknown = [
        text for text in (_unknown(name, one) for name, one in [("the truth", truth), *sorted(sources.items())]) if text
    ]
    difference = {}
    for name, source in sorted(sources.items()):
        if truth is not None and source is not None:
            apart = np.abs(np.asarray(truth, np.float64) - np.asarray(source, np.float64))
            if np.isfinite(apart).any():
                difference[name] = float(np.nanmean(apart))
    if setting is False:
        return LapseRate(False, "T_2M is not corrected for elevation: lapse_rate_correction is false", difference)
    if unknown:
        missing = ", ".join(unknown)
        if setting is True:
            raise UserError(
                f"lapse_rate_correction: true needs every elevation, and that of {missing} is not known; "
                "add a file with it to `grids`, or set it to auto"
            )
        return LapseRate(False, f"T_2M is not corrected for elevation: that of {missing} is not known", difference)
    return LapseRate(True, "T_2M is corrected to the truth's elevation by 0.0065 K/m, for all sources", difference)


def _unknown(name: str, elevation: np.ndarray | None) -> str | None:
    if elevation is None:
        return name
    missing = int(np.isnan(elevation).sum())
    return f"{name} (at {missing:,} of {len(elevation):,} points)" if missing else None


def equal_elevation(truth: np.ndarray | None, source: np.ndarray | None) -> bool:
    """Return whether elevations [n] are known and equal (within 1 m): surface pressure is compared only where they are."""
    if truth is None or source is None:
        return False
    return bool((np.abs(np.asarray(truth, np.float64) - np.asarray(source, np.float64)) < EQUAL_METRES).all())
