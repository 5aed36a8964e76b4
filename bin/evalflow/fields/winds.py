"""The parts of winds that are given by speed and direction."""

import numpy as np


def wind_to_east(speed: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return u = -speed sin(direction).

    `direction` is where winds come from, degrees clockwise from north. A calm has none: it is 0.
    """
    return np.where(speed == 0, 0, -speed * np.sin(np.deg2rad(direction))).astype(np.float32)


def wind_to_north(speed: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return v = -speed cos(direction), as `wind_to_east`."""
    return np.where(speed == 0, 0, -speed * np.cos(np.deg2rad(direction))).astype(np.float32)
