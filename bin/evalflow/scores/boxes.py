"""Boxes to average over: the scales at which squared errors are kept besides the grid's."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

_KM_PER_DEGREE = 6371.0 * np.pi / 180

MIN_SPACINGS = 3
"""A scale below so many spacings of the points is left out: its boxes would hold few points."""


def usable_scales(scales: Iterable[float], spacing: float) -> list[float]:
    """Return the scales (km), rising, that are not below MIN_SPACINGS spacings (km) of points."""
    return sorted(scale for scale in set(scales) if scale >= MIN_SPACINGS * spacing)


def cut_boxes(latitudes: ArrayLike, longitudes: ArrayLike, scale: float) -> NDArray[np.intp]:
    """Return, for each point, the number of the box of about `scale` × `scale` km that it lies in.

    The sphere is cut into rows of one height, and each row into boxes of one width, so that a whole
    number of rows and of boxes fits. Boxes depend on the scale alone: neither on the domain nor on
    regions.

    Parameters
    ----------
    latitudes, longitudes
        Degrees, [n].
    scale
        Edge of a box in km.

    Returns
    -------
    Numbers from 0 without gaps, [n].
    """
    height = 180 / max(round(180 * _KM_PER_DEGREE / scale), 1)
    row = np.minimum((np.asarray(latitudes, float) + 90) // height, round(180 / height) - 1)
    middle = np.deg2rad((row + 0.5) * height - 90)
    per_row = np.maximum(np.rint(360 * _KM_PER_DEGREE * np.cos(middle) / scale), 1)
    # The remainder can be rounded up to 360 for a longitude just west of 0.
    column = np.minimum(np.mod(np.asarray(longitudes, float), 360) / 360 * per_row // 1, per_row - 1)
    _, box = np.unique(row * 1e7 + column, return_inverse=True)
    return box.astype(np.intp)
