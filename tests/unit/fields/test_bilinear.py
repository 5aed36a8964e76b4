"""Bilinear mapping, against scipy's interpolator on latitude and longitude and against a projection's own coordinates."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.grids import EARTH_RADIUS_KM, Grid
from evalflow.fields.points.neighbours import find_mapping
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Proj
from scipy.interpolate import RegularGridInterpolator
from support.grids import global_grid, lat_lon, projected, scattered


def random_field(grid: Grid, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=grid.size).astype(np.float32)


@pytest.mark.parametrize("columns", [np.arange(5, 15.01, 0.5), np.arange(172, 190, 1.5), np.arange(-180, -160, 1.0)])
@pytest.mark.parametrize("upside_down", [False, True])
def test_as_scipy_interpolates_in_a_limited_area(columns, upside_down):
    rows = np.array([43, 43.5, 44.5, 45, 47.0])  # as a Gaussian grid has them: at unequal distances
    source = lat_lon(rows[::-1] if upside_down else rows, columns)
    west, east = columns[0], columns[-1]
    target = scattered(600, seed=1, box=(west - 3, east + 3, 41, 49), kind="stations")
    values = random_field(source)
    field = values.reshape(source.shape)[::-1] if upside_down else values.reshape(source.shape)
    longitudes = (target.longitudes - west + 180) % 360 - 180 + west
    oracle = RegularGridInterpolator((rows, columns), field.astype(float), bounds_error=False)
    expected = oracle(np.column_stack([target.latitudes, longitudes]))
    # No largest distance: only what the four points cover.
    filled = find_mapping(source, target, method="bilinear", max_distance=None).apply(values)
    np.testing.assert_allclose(filled, expected, rtol=1e-5, atol=1e-5)
    assert 50 < np.isnan(filled).sum() < 550


@pytest.mark.parametrize("step", [2.5, 4.0])
def test_across_the_seam_and_over_the_poles(step):
    """The oracle sees the grid three times round, and beyond each pole the rows of the other side."""
    source = global_grid(step, poles=False)
    values = random_field(source)
    field = values.reshape(source.shape)[::-1].astype(float)  # from the south
    half = field.shape[1] // 2
    rows = np.arange(-90 + step / 2, 90, step)
    above, below = np.roll(field[-1:], half, axis=1), np.roll(field[:1], half, axis=1)
    field = np.concatenate([below, field, above])
    rows = np.concatenate([[rows[0] - step], rows, [rows[-1] + step]])
    columns = np.arange(-360, 720, step)
    oracle = RegularGridInterpolator((rows, columns), np.concatenate([field] * 3, axis=1))
    target = scattered(1500, seed=2, kind="stations")
    target = Grid(
        np.append(target.latitudes, [89.9, 89.9, -89.99, -89, 3, 90]),
        np.append(target.longitudes, [10, 190, 77, -179.99, 179.99, 0]),
        "stations",
    )
    filled = find_mapping(source, target, method="bilinear").apply(values)
    expected = oracle(np.column_stack([target.latitudes, target.longitudes]))
    np.testing.assert_allclose(filled, expected, rtol=1e-5, atol=1e-5)


def test_an_odd_number_of_columns_has_another_side_too():
    source = lat_lon(np.arange(85, -86, -10.0), np.arange(0, 360, 24.0))  # 15 columns
    target = Grid([90, 88, 88], [0, 0, 180], "stations")
    values = np.where(source.latitudes > 80, source.longitudes / 24, 0).astype(np.float32) + 20
    filled = find_mapping(source, target, method="bilinear").apply(values)
    # 0 at 0°E; opposite lie 168°E (7) and 192°E, which is −168 (−7): at 180° their mean.
    np.testing.assert_allclose(filled, [20, 20, 20], atol=1e-5)
    values = np.where(source.latitudes > 80, np.abs(source.longitudes) / 24, 0).astype(np.float32)
    filled = find_mapping(source, target, method="bilinear").apply(values)
    np.testing.assert_allclose(filled, [3.5, 0.3 * 7, 0.7 * 7], atol=1e-5)


@pytest.mark.parametrize("centre", [(46.8, 8.2), (-30.0, 179.9), (89.95, 40.0), (-90.0, 0.0)])
def test_on_a_projected_grid_by_the_projection(centre):
    """The number of row and column are linear along a cell: mapped, they are the projection's own coordinates."""
    source = projected(21, 31, 12.0, centre)
    plane = Proj(proj="aeqd", lat_0=centre[0], lon_0=centre[1], R=EARTH_RADIUS_KM * 1000)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 800)) * [[200], [140]]  # km; the grid ends at 180 and 120
    longitudes, latitudes = plane(x * 1000, y * 1000, inverse=True)
    target = Grid(latitudes, longitudes, "stations")
    mapping = find_mapping(source, target, method="bilinear", max_distance=None)
    row, column = np.divmod(np.arange(source.size), 31)
    inside = (np.abs(x) < 180) & (np.abs(y) < 120)
    edge = (np.abs(np.abs(x) - 180) < 0.1) | (np.abs(np.abs(y) - 120) < 0.1)
    np.testing.assert_array_equal(mapping.covered[~edge], inside[~edge])
    inside &= ~edge
    np.testing.assert_allclose(mapping.apply(column)[inside] * 12 - 180, x[inside], atol=0.02)
    np.testing.assert_allclose(mapping.apply(row)[inside] * 12 - 120, y[inside], atol=0.02)


def test_a_missing_corner_is_missing_unless_it_has_no_share():
    source = lat_lon([45.0, 46, 47], [5.0, 6, 7])
    values = np.ones(9, np.float32)
    values[4] = np.nan
    target = Grid([45.5, 45.0, 46.0, 46.0, 45.0], [5.5, 5.5, 6.0, 5.0, 6.0], "stations")
    filled = find_mapping(source, target, method="bilinear").apply(values)
    assert list(np.isnan(filled)) == [True, False, True, False, False]


def test_the_largest_distance_holds_for_bilinear_too():
    source = lat_lon(np.arange(40, 50.0), np.arange(0, 20.0))
    target = Grid([45.05, 45.5], [10.0, 10.5], "stations")
    assert list(find_mapping(source, target, method="bilinear", max_distance=30).covered) == [True, False]


def test_a_coarse_target_gets_averages_under_bilinear_too():
    source, target = (
        lat_lon(np.arange(40, 50, 0.1), np.arange(0, 10, 0.1)),
        lat_lon(np.arange(42, 49.0), np.arange(2, 9.0)),
    )
    assert find_mapping(source, target, method="bilinear").averaged.all()


@pytest.mark.parametrize("kind", ["unstructured", "stations", "gaussian"])
def test_refused_without_rows_and_columns(kind):
    with pytest.raises(
        UserError, match=rf"^mapping: bilinear needs rows and columns, .* 40 points has none \({kind}\); use nearest$"
    ):
        find_mapping(scattered(40, kind=kind), scattered(5), method="bilinear")


LAW = {"poles": global_grid(15), "no poles": global_grid(20, poles=False), "projected": projected(8, 9, 40.0)}


@given(seed=st.integers(0, 50), name=st.sampled_from(sorted(LAW)))
def test_between_the_values_of_its_corners_and_exact_at_them(seed, name):
    source = LAW[name]
    values = random_field(source, seed)
    filled = find_mapping(source, scattered(80, seed, kind="stations"), method="bilinear").apply(values)
    there = filled[~np.isnan(filled)]
    assert ((there >= values.min() - 1e-6) & (there <= values.max() + 1e-6)).all()
    points = np.random.default_rng(seed).permutation(np.flatnonzero(np.abs(source.latitudes) < 89))[:20]
    target = Grid(source.latitudes[points], source.longitudes[points], "stations")
    exact = find_mapping(source, target, method="bilinear", max_distance=None).apply(values)
    np.testing.assert_allclose(exact, values[points], atol=1e-4)
