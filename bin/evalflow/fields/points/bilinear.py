"""Find the four points of a structured grid around each point of another, and their shares."""

import numpy as np

from evalflow.fields.grids import Grid, unit_vectors
from evalflow.fields.points.lattice import Lattice, find_lattice
from evalflow.fields.points.mapping import Mapping, from_points

_OUTSIDE = 1e-3
"""How far outside a cell (in its width) a point may lie: coordinates are rounded."""

_NEWTON_STEPS = 10


def find_corners(source: Grid, target: Grid, nearest: np.ndarray, covered: np.ndarray) -> Mapping:
    """Return the bilinear mapping from a source of rows and columns.

    On latitude–longitude and Gaussian grids it is linear in latitude and in longitude, goes on
    across the seam, and across a pole that has no row towards the points on its other side. On
    other grids (projected, rotated) it is linear along the cell's sides as they are seen from the
    target point. Outside the outer rows and columns there is nothing.

    Parameters
    ----------
    source, target : the grids; the source has a shape
    nearest : the source point that is nearest to each target point [n]
    covered : whether that is near enough [n]
    """
    lattice = find_lattice(source)
    points, shares = _on_lattice(lattice, target) if lattice else _in_bent_cells(source, target, nearest)
    inside = covered & (shares.min(axis=1) >= 0)
    points = np.where(inside[:, None], points, -1)
    shares = np.where(inside[:, None], shares, 0.25)
    return from_points(source.size, points, shares)


def _outer(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the products of two pairs of shares [n, 2] as the four of a cell [n, 4]."""
    return (first[:, :, None] * second[:, None, :]).reshape(-1, 4)


def _pair(along: np.ndarray) -> np.ndarray:
    return np.stack([1 - along, along], axis=1)


def _on_lattice(lattice: Lattice, target: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return points and shares [n, 4]; shares are negative where a target point lies in no cell."""
    rows, row_along, row_shift = _between_rows(lattice, target.latitudes)
    columns, column_along, inside = [], [], np.ones(target.size, bool)
    for side in (0, 1):
        # Beyond a pole the same row goes on at the opposite longitude.
        one = _between_columns(lattice, target.longitudes + np.where(row_shift[:, side], 180, 0))
        columns.append(one[0])
        column_along.append(_pair(one[1]))
        inside &= one[2]
    points = np.concatenate([lattice.points[rows[:, [side]], columns[side]] for side in (0, 1)], axis=1)
    row_shares = _pair(row_along)
    shares = np.concatenate([row_shares[:, [side]] * column_along[side] for side in (0, 1)], axis=1)
    inside &= (row_along >= 0) & (row_along <= 1)
    return points, np.where(inside[:, None], shares, -1)


def _clip(along: np.ndarray) -> np.ndarray:
    """Return positions in a cell, those just outside its sides on them."""
    near = (along > -_OUTSIDE) & (along < 1 + _OUTSIDE)
    return np.where(near, along.clip(0, 1), along)


def _between_rows(lattice: Lattice, latitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two rows of each point [n, 2], its place between them, and rows beyond a pole."""
    rows = lattice.latitudes
    first = np.clip(np.searchsorted(rows, latitudes, side="right") - 1, 0, len(rows) - 2)
    along = _clip((latitudes - rows[first]) / (rows[first + 1] - rows[first]))
    pair, beyond = np.stack([first, first + 1], axis=1), np.zeros((len(latitudes), 2), bool)
    if lattice.periodic:
        last = len(rows) - 1
        north = (along > 1) & (2 * (90 - rows[-1]) < 2.01 * (rows[-1] - rows[-2]))
        south = (along < 0) & (2 * (90 + rows[0]) < 2.01 * (rows[1] - rows[0]))
        pair[north], pair[south] = last, 0
        beyond[north, 1], beyond[south, 0] = True, True
        along[north] = (latitudes[north] - rows[-1]) / (2 * (90 - rows[-1]))
        along[south] = (latitudes[south] + 180 + rows[0]) / (2 * (90 + rows[0]))
    return pair, along, beyond


def _between_columns(lattice: Lattice, longitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two columns of each point [n, 2], its place between them, and if it has one."""
    columns = lattice.longitudes
    count = len(columns)
    ends = np.append(columns, columns[0] + 360)
    turned = (longitudes - columns[0]) % 360 + columns[0]
    if not lattice.periodic:
        beyond = turned > (columns[-1] + ends[-1]) / 2  # nearer to the first column than to the last
        turned = np.where(beyond, turned - 360, turned)
    first = np.clip(np.searchsorted(columns, turned, side="right") - 1, 0, count - 1 if lattice.periodic else count - 2)
    along = _clip((turned - ends[first]) / (ends[first + 1] - ends[first]))
    inside = (along >= 0) & (along <= 1)
    return np.stack([first, (first + 1) % count], axis=1), along, inside


def _in_bent_cells(source: Grid, target: Grid, nearest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points and shares [n, 4] from the cell around each target point.

    The cell is one of the four at the nearest point of the source.

    Cells are seen from the target point, where great circles are straight (gnomonic projection).
    Shares are negative where the target point lies in none of the four cells.
    """
    rows, columns = source.shape or (0, 0)
    vectors = unit_vectors(source.latitudes, source.longitudes)
    east, north, up = _axes(target)
    best = np.full(target.size, np.inf)
    points, shares = np.zeros((target.size, 4), np.int64), np.full((target.size, 4), -1.0)
    for down in (0, 1):
        for left in (0, 1):
            row, column = nearest // columns - down, nearest % columns - left
            there = (row >= 0) & (row < rows - 1) & (column >= 0) & (column < columns - 1)
            first = np.where(there, row * columns + column, 0)
            corners = first[:, None] + np.array([0, 1, columns, columns + 1])
            seen = vectors[corners]
            height = np.einsum("nkc,nc->nk", seen, up)
            there &= height.min(axis=1) > 0.1
            height = np.where(height > 0.1, height, 1)
            x, y = np.einsum("nkc,nc->nk", seen, east) / height, np.einsum("nkc,nc->nk", seen, north) / height
            down_along, right_along = _place_in_cell(x, y)
            outside = np.max([-down_along, down_along - 1, -right_along, right_along - 1], axis=0)
            outside = np.where(there & np.isfinite(outside), outside, np.inf)
            better = (outside < best) & (outside < _OUTSIDE)
            best = np.where(better, outside, best)
            found = _outer(_pair(down_along.clip(0, 1)), _pair(right_along.clip(0, 1)))
            points, shares = np.where(better[:, None], corners, points), np.where(better[:, None], found, shares)
    return points, shares


def _axes(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the directions east, north and up at each point, [n, 3] each.

    At a pole, they are those of the longitude that it has.
    """
    up = unit_vectors(grid.latitudes, grid.longitudes)
    lam = np.deg2rad(grid.longitudes)
    east = np.stack([-np.sin(lam), np.cos(lam), np.zeros_like(lam)], axis=-1)
    return east, np.cross(up, east), up


def _place_in_cell(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the origin lies in cells with corners (x, y) [n, 4]: 0 to 1 is inside.

    The bilinear form a + b s + c t + d s t = 0 is solved for s (along rows) and t (along columns)
    by Newton's method.
    """
    places = np.stack([x, y])
    a, b = places[..., 0], places[..., 2] - places[..., 0]
    c, d = places[..., 1] - places[..., 0], places[..., 0] - places[..., 1] - places[..., 2] + places[..., 3]
    s, t = np.full(len(x), 0.5), np.full(len(x), 0.5)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(_NEWTON_STEPS):
            rest = a + b * s + c * t + d * s * t
            by_s, by_t = b + d * t, c + d * s
            area = by_s[0] * by_t[1] - by_s[1] * by_t[0]
            s, t = (
                s - (rest[0] * by_t[1] - rest[1] * by_t[0]) / area,
                t - (by_s[0] * rest[1] - by_s[1] * rest[0]) / area,
            )
    return s, t
