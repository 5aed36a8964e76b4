"""Points of grids, their weights, identity and spacing."""

import numpy as np
import pytest
from evalflow.fields.grids import EARTH_RADIUS_KM, Grid, arc_km, join, unit_vectors
from evalflow.fields.points.spacing import spacing
from hypothesis import example, given
from hypothesis import strategies as st


def regular(latitudes, longitudes, **more) -> Grid:
    north, east = np.meshgrid(latitudes, longitudes, indexing="ij")
    return Grid(north, east, "regular", north.shape, **more)


@given(st.lists(st.floats(-1000, 1000), min_size=1))
@example([-180.00000000000003])  # of which the remainder is 360
def test_longitudes_are_between_180_west_and_east(longitudes):
    grid = Grid(np.zeros(len(longitudes)), np.array(longitudes), "unstructured")
    assert (grid.longitudes >= -180).all() and (grid.longitudes < 180).all()
    for angle in (np.sin, np.cos):
        np.testing.assert_allclose(angle(np.deg2rad(grid.longitudes)), angle(np.deg2rad(longitudes)), atol=1e-9)


def test_a_grid_never_changes():
    latitudes = np.array([1.0, 2.0])
    grid = Grid(latitudes, [3, 4], "unstructured", elevation=[5, 6])
    with pytest.raises(ValueError):
        grid.latitudes[0] = 9
    latitudes[0] = 1.5  # the caller's own array stays the caller's
    assert latitudes.flags.writeable and grid.elevation.dtype == np.float32 and grid.size == 2


@pytest.mark.parametrize(
    "parts",
    [
        ([1, 2], [3], "unstructured"),
        ([1, 2], [3, 4], "regular", (2, 2)),
        ([1, 2], [3, 4], "unstructured", None, [1]),
        ([1, 2], [3, 4], "stations", None, None, ("a",)),
        ([1, 91], [3, 4], "unstructured"),
        ([1, np.nan], [3, 4], "unstructured"),
        ([1, 2], [3, np.inf], "unstructured"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts):
    with pytest.raises(ValueError):
        Grid(*parts)


def test_digest_is_of_what_the_grid_is():
    grid = regular([50, 51], [-180, 0, 90])
    same = [
        regular([50, 51], [180, 360, 450]),
        regular([50 + 1e-7, 51], [-180, 0, 90]),
        regular([50, 51], [179.9999999, 0, 90]),  # rounded it is 180, which is -180
        regular([50, 51], [-180, 0, 90], elevation=np.arange(6)),
    ]
    assert {other.digest for other in same} == {grid.digest}
    others = [
        regular([50, 51], [-180, 0, 90.001]),
        regular([51, 50], [-180, 0, 90]),
        Grid(grid.latitudes, grid.longitudes, "unstructured"),
        Grid(grid.latitudes, grid.longitudes, "stations", names=tuple("abcdef")),
        Grid(grid.latitudes, grid.longitudes, "stations", names=tuple("abcdeg")),
        regular([50, 51], [-180, 0, 90], area=np.arange(6)),
    ]
    assert len({grid.digest, *(other.digest for other in others)}) == 7


def test_weights():
    grid = regular([0, 60, 90], [0, 1])
    np.testing.assert_allclose(grid.weights(), [1, 1, 0.5, 0.5, 0, 0], atol=1e-15)
    assert (grid.weights() >= 0).all()
    np.testing.assert_allclose(Grid([0, 60], [0, 0], "gaussian").weights(), [1, 0.5])
    for kind in ("projected", "unstructured", "stations"):
        assert Grid([0, 60], [0, 0], kind).weights().tolist() == [1, 1]
    assert Grid([0, 60], [0, 0], "regular", area=[3, 4]).weights().tolist() == [3, 4]


def test_some_points():
    grid = Grid([1, 2, 3], [4, 5, 6], "stations", elevation=[7, 8, 9], names=("a", "b", "c"), area=[1, 2, 3])
    for points in (np.array([True, False, True]), np.array([0, 2])):
        part = grid.take(points)
        assert part.latitudes.tolist() == [1, 3] and part.longitudes.tolist() == [4, 6]
        assert part.names == ("a", "c") and part.elevation.tolist() == [7, 9] and part.area.tolist() == [1, 3]
    assert regular([1, 2], [3, 4]).take(np.array([0])).shape is None


def test_grids_together():
    first, second = Grid([1, 2], [3, 4], "unstructured", elevation=[1, 2]), Grid([5], [6], "gaussian", elevation=[3])
    both = join([first, second])
    assert both.latitudes.tolist() == [1, 2, 5] and both.elevation.tolist() == [1, 2, 3] and both.kind == "unstructured"
    assert join([first]) is first
    assert join([first, Grid([5], [6], "gaussian")]).elevation is None  # lapse rates need all of them


def test_distances_on_the_sphere():
    places = unit_vectors(np.array([0.0, 0.0, 90.0, 50.0, 50.0]), np.array([0.0, 180.0, 12.0, 179.9, -179.9]))
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 1)
    assert arc_km(np.linalg.norm(places[0] - places[1])) == pytest.approx(np.pi * EARTH_RADIUS_KM)
    assert arc_km(np.linalg.norm(places[0] - places[2])) == pytest.approx(np.pi / 2 * EARTH_RADIUS_KM)
    # Across the date line: 0.2 degrees on the 50th parallel.
    across = np.deg2rad(0.2) * EARTH_RADIUS_KM * np.cos(np.deg2rad(50))
    assert arc_km(np.linalg.norm(places[3] - places[4])) == pytest.approx(across, rel=1e-5)


# --- spacing ----------------------------------------------------------------------------------------------------------


def test_spacing_of_a_regular_grid():
    grid = regular(np.arange(40, 61, 1.0), np.arange(0, 20, 1.0))
    found = spacing(grid).reshape(grid.shape)
    degree = np.deg2rad(1) * EARTH_RADIUS_KM
    # Two neighbours in the row at cos φ, two in the column: the median is the mean of both distances.
    expected = degree * (1 + np.cos(np.deg2rad(grid.latitudes.reshape(grid.shape)))) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found.dtype == np.float32


def test_spacing_of_scattered_points_is_that_there():
    """Dense inside, wide outside, as a model with a nest has it."""
    dense = np.stack(np.meshgrid(np.arange(0, 0.1, 0.01), np.arange(0, 0.1, 0.01), indexing="ij")).reshape(2, -1)
    wide = np.stack(np.meshgrid(np.arange(-5, 6, 1.0), np.arange(10, 21, 1.0), indexing="ij")).reshape(2, -1)
    grid = Grid(np.concatenate([dense[0], wide[0]]), np.concatenate([dense[1], wide[1]]), "unstructured")
    found = spacing(grid)
    degree = np.deg2rad(1) * EARTH_RADIUS_KM
    np.testing.assert_allclose(np.median(found[:100]), 0.01 * degree, rtol=1e-3)
    np.testing.assert_allclose(np.median(found[100:]), degree, rtol=1e-2)


def test_spacing_across_the_date_line_and_of_few_points():
    grid = Grid([0, 0, 0], [179, -180, -179], "unstructured")
    np.testing.assert_allclose(spacing(grid)[1], np.deg2rad(1) * EARTH_RADIUS_KM, rtol=1e-6)
    assert np.isnan(spacing(Grid([0], [0], "stations"))).all()
    assert spacing(Grid([0, 0], [0, 1], "stations"))[0] == pytest.approx(np.deg2rad(1) * EARTH_RADIUS_KM)
