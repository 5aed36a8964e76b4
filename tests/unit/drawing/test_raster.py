"""Fields as pixels: colours at known points, in each projection, at the date line, at the poles, at the edges."""

import time

import numpy as np
import pytest
from evalflow.drawing.colours import scale_of
from evalflow.drawing.domains import Domain, View
from evalflow.drawing.raster import Raster
from evalflow.fields.grids import Grid, join

PROJECTIONS = ["platecarree", "orthographic", "rotatedlatlon", "azimuthalequidist"]
COLD, WARM, HOT = 263.15, 283.15, 303.15  # -10, 10 and 30 °C


def regular(west, east, south, north, step):
    """Return a grid of latitudes and longitudes with its rows and columns."""
    lons, lats = np.meshgrid(np.arange(west, east, step), np.arange(south, north + step / 2, step))
    return Grid(lats.ravel(), lons.ravel(), "regular", lats.shape)


WORLD = regular(-180, 180, -90, 90, 1)


def quarters(grid):
    """Return a field that says where its points are: cold in the west, hot in the east, warm in the far south."""
    east = np.where(grid.longitudes < 0, COLD, HOT)
    return np.where(grid.latitudes < -60, WARM, east).astype(np.float32)


def colour_at(image, view, lat, lon):
    column, row = view.to_pixels(np.array([lat]), np.array([lon]))
    return tuple(image[round(float(row[0])), round(float(column[0]))])


def colour_of(value):
    scale = scale_of("T_2M")
    return tuple(scale.palette[scale.classes(np.array([value], np.float32))[0]])


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize(
    ("extent", "points"),
    [
        ((-30, 30, 20, 60), [(40, -5, COLD), (40, 5, HOT), (55, -1, COLD), (55, 1, HOT)]),
        ((160, -160, -20, 20), [(0, 175, HOT), (0, -175, COLD), (15, 179.4, HOT), (-15, -179.4, COLD)]),
        ((-180, 180, 50, 90), [(89, 90, HOT), (89, -90, COLD), (85, 179, HOT), (85, -179, COLD)]),
        ((-180, 180, -90, -50), [(-89, 90, WARM), (-55, 90, HOT), (-55, -90, COLD)]),
        (None, [(45, 12, HOT), (45, -12, COLD), (20, 3, HOT), (20, -3, COLD)]),
    ],
)
def test_colours_are_where_values_are(projection, extent, points):
    view = View(Domain("x", extent, projection))
    image = Raster(WORLD, view).image(quarters(WORLD), scale_of("T_2M"))
    for lat, lon, value in points:
        assert colour_at(image, view, lat, lon) == colour_of(value), (lat, lon)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_global_field_leaves_no_hole(projection):
    view = View(Domain("x", None, projection), 300, 300)
    image = Raster(WORLD, view).image(quarters(WORLD), scale_of("T_2M"))
    latitudes, _ = view.points()
    np.testing.assert_array_equal(image[..., 3] > 0, np.isfinite(latitudes))


def test_beside_a_limited_area_nothing_is_drawn():
    grid = regular(0, 10.01, 40, 50, 0.5)
    view = View(Domain("x", (-10, 20, 30, 60), "platecarree"))
    image = Raster(grid, view).image(np.full(grid.size, WARM, np.float32), scale_of("T_2M"))
    for lat, lon in [(45, 5), (40.1, 0.1), (49.9, 9.9), (45, -0.3)]:
        assert colour_at(image, view, lat, lon) == colour_of(WARM), (lat, lon)
    for lat, lon in [(45, -1.5), (38, 5), (52, 5), (35, 15)]:
        assert colour_at(image, view, lat, lon)[3] == 0, (lat, lon)


def test_a_point_that_goes_missing_is_a_hole_and_another_does_not_take_its_place():
    grid = regular(0, 10.01, 40, 50, 1)
    view = View(Domain("x", (0, 10, 40, 50), "platecarree"))
    raster = Raster(grid, view)
    values = np.full(grid.size, WARM, np.float32)
    raster.image(values, scale_of("T_2M"))
    values[(grid.latitudes == 45) & (grid.longitudes == 5)] = np.nan
    image = raster.image(values, scale_of("T_2M"))
    assert colour_at(image, view, 45, 5)[3] == 0
    assert colour_at(image, view, 45, 6) == colour_of(WARM)


def test_of_two_grids_the_missing_part_of_one_gives_way_to_the_other():
    fine, coarse = regular(0, 10.01, 40, 50, 0.25), regular(-20, 30.01, 30, 60, 1)
    inside = (coarse.latitudes >= 40) & (coarse.latitudes <= 50) & (coarse.longitudes >= 0) & (coarse.longitudes <= 10)
    values = np.concatenate([np.full(fine.size, HOT), np.where(inside, np.nan, COLD)]).astype(np.float32)
    view = View(Domain("x", (-10, 20, 35, 55), "platecarree"))
    raster = Raster(join([fine, coarse]), view)
    image = raster.image(values, scale_of("T_2M"))
    assert (image[..., 3] == 255).all()
    assert colour_at(image, view, 45, 5) == colour_of(HOT)
    assert colour_at(image, view, 45, -5) == colour_of(COLD)
    rows, columns = np.nonzero(raster.outline())
    latitudes, longitudes = view.points()
    apart = np.maximum(np.abs(latitudes[rows, columns] - 45), np.abs(longitudes[rows, columns] - 5))
    assert rows.size > 500
    assert apart.min() > 4.8 and apart.max() < 6.1


def test_one_grid_has_no_outline():
    raster = Raster(WORLD, View(Domain("x", (0, 10, 40, 50)), 50, 50))
    raster.spread(quarters(WORLD))
    assert not raster.outline().any()


def test_points_that_come_later_are_drawn_too():
    grid = regular(0, 10.01, 40, 50, 1)
    view = View(Domain("x", (0, 10, 40, 50), "platecarree"))
    raster = Raster(grid, view)
    values = np.where(grid.longitudes < 5, WARM, np.nan).astype(np.float32)
    assert colour_at(raster.image(values, scale_of("T_2M")), view, 45, 9)[3] == 0
    values[:] = HOT
    assert colour_at(raster.image(values, scale_of("T_2M")), view, 45, 9) == colour_of(HOT)


def test_nothing_but_missing_values_draws_nothing():
    grid = regular(0, 10, 40, 50, 1)
    image = Raster(grid, View(Domain("x", (0, 10, 40, 50)), 50, 50)).image(
        np.full(grid.size, np.nan, "f4"), scale_of("PS")
    )
    assert not image.any()


def test_stations_are_discs_of_five_pixels():
    grid = Grid(np.array([45.0, 46.0]), np.array([5.0, 5.0]), "stations", names=("A", "B"))
    view = View(Domain("x", (0, 10, 40, 50), "platecarree"))
    drawn = Raster(grid, view).image(np.array([COLD, HOT], np.float32), scale_of("T_2M"))[..., 3] > 0
    assert drawn.sum() == pytest.approx(2 * np.pi * 25, rel=0.5)


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_points_are_drawn(count):
    grid = Grid(np.array([45.0, 45.5])[:count], np.array([5.0, 5.5])[:count], "unstructured")
    view = View(Domain("x", (0, 10, 40, 50)), 100, 100)
    assert Raster(grid, view).image(np.full(count, WARM, np.float32), scale_of("T_2M")).any()


def test_the_index_is_computed_once():
    raster = Raster(WORLD, View(Domain("x", (0, 10, 40, 50)), 300, 300))
    values = quarters(WORLD)
    started = time.perf_counter()
    first = raster.spread(values)
    index_and_frame = time.perf_counter() - started
    started = time.perf_counter()
    np.testing.assert_array_equal(raster.spread(values), first)
    assert time.perf_counter() - started < index_and_frame / 5
