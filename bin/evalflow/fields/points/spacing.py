"""How far the points of a grid are apart.

Apart from grids.py because scipy takes long to import.
"""

import numpy as np
from scipy.spatial import cKDTree

from evalflow.fields.grids import Grid, arc_km, unit_vectors

_NEIGHBOURS = 4


def spacing(grid: Grid, points: np.ndarray | None = None) -> np.ndarray:
    """Return how far each point is from others: the median distance to its four neighbours.

    On a grid of two dimensions the neighbours are those before and after in its row and column (at
    an edge the one that is there counts twice), elsewhere the four nearest points.

    Parameters
    ----------
    points : indices of those that are asked for, which saves searches; None: all

    Returns
    -------
    float32 [n], km; NaN where a grid has one point only
    """
    vectors = unit_vectors(grid.latitudes, grid.longitudes)
    if grid.shape is not None and min(grid.shape) > 1:
        chords = _of_rows_and_columns(vectors.reshape(*grid.shape, 3))
        chords = chords if points is None else chords[:, points]
    else:
        chords = _of_nearest(vectors, vectors if points is None else vectors[points])
    return arc_km(np.median(chords, axis=0)).astype(np.float32)


def _of_rows_and_columns(vectors: np.ndarray) -> np.ndarray:
    """Return chords [4, n] to the neighbours in row and column."""
    chords = []
    for axis in (0, 1):
        gaps = np.linalg.norm(np.diff(vectors, axis=axis), axis=-1)
        first, last = np.take(gaps, [0], axis), np.take(gaps, [-1], axis)
        chords += [np.concatenate([first, gaps], axis), np.concatenate([gaps, last], axis)]
    return np.stack([part.ravel() for part in chords])


def _of_nearest(vectors: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return chords [up to 4, n] from some of the points to those nearest to them."""
    count = min(_NEIGHBOURS, len(vectors) - 1)
    if count < 1:
        return np.full((1, len(asked)), np.nan)
    # A tree that is not balanced is built in half the time, and as fast to search where points are
    # spread evenly.
    distances, _ = cKDTree(vectors, balanced_tree=False).query(asked, k=count + 1)
    return distances[:, 1:].T
