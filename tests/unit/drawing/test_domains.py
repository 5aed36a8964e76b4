"""Domains and projections: where points of the globe are on a map, by formulas of one's own."""

import math

import numpy as np
import pytest
from evalflow.drawing.domains import Domain, View, domain_named
from evalflow.drawing.names import EXTENTS

PROJECTIONS = ["platecarree", "orthographic", "rotatedlatlon", "azimuthalequidist"]
RADIUS = 6371229.0


def by_hand(projection, centre, lat, lon):
    """Return x and y in metres, by the formulas of Snyder (1987), Map Projections: A Working Manual."""
    lat0 = math.radians(centre[1])
    phi, step = math.radians(lat), math.radians((lon - centre[0] + 180) % 360 - 180)
    if projection == "platecarree":
        return RADIUS * step, RADIUS * phi
    east = math.cos(phi) * math.sin(step)
    north = math.cos(lat0) * math.sin(phi) - math.sin(lat0) * math.cos(phi) * math.cos(step)
    toward = math.sin(lat0) * math.sin(phi) + math.cos(lat0) * math.cos(phi) * math.cos(step)
    if projection == "orthographic":
        return (RADIUS * east, RADIUS * north) if toward >= 0 else (math.nan, math.nan)
    if projection == "azimuthalequidist":
        angle = math.acos(toward)
        factor = angle / math.sin(angle) if angle else 1
        return RADIUS * factor * east, RADIUS * factor * north
    return RADIUS * math.atan2(east, toward), RADIUS * math.asin(north)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("extent", [None, (-16, 25, 30, 65), (170, -160, -20, 20), (-130, -60, 20, 55)])
def test_points_are_where_formulas_put_them(projection, extent):
    domain = Domain("x", extent, projection)
    for lat, lon in [(47.0, 8.0), (-33.0, 151.0), (10.0, 179.5), (5.0, -179.5), (60.0, -100.0)]:
        x, y = domain.project(np.array([lat]), np.array([lon]))
        np.testing.assert_allclose([x[0], y[0]], by_hand(projection, domain.centre, lat, lon), rtol=1e-6, atol=1)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("extent", [None, (-16, 25, 30, 65), (170, -160, -20, 20), (-180, 180, 60, 90)])
def test_pixels_lead_to_points_and_back(projection, extent):
    view = View(Domain("x", extent, projection))
    latitudes, longitudes = view.points()
    column, row = view.to_pixels(latitudes, longitudes)
    there = np.isfinite(latitudes)
    rows, columns = np.nonzero(there)
    assert np.abs(row[there] - rows).max() < 0.02
    # At the seam of a whole globe left and right are one place.
    apart = np.abs(column[there] - columns)
    assert np.minimum(apart, np.abs(apart - view.width)).max() < 0.02


def test_a_map_of_the_globe_is_a_disc():
    latitudes, _ = View(domain_named("globe"), 400, 400).points()
    assert np.isfinite(latitudes).mean() == pytest.approx(math.pi / 4, abs=0.01)
    assert np.isnan(latitudes[0, 0])
    assert np.isfinite(latitudes[200, 200])


@pytest.mark.parametrize("name", EXTENTS)
def test_every_domain_with_a_name_fits_into_the_size(name):
    view = View(domain_named(name))
    assert max(view.width / 900, view.height / 700) == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("name", [name for name, extent in EXTENTS.items() if extent])
def test_the_corners_of_an_extent_are_on_the_map(name):
    west, east, south, north = EXTENTS[name]
    view = View(domain_named(name))
    column, row = view.to_pixels(np.array([south, south, north, north]), np.array([west, east, west, east]))
    assert column.min() > -1 and column.max() < view.width
    assert row.min() > -1 and row.max() < view.height


@pytest.mark.parametrize("extent", [(170, -160, -20, 20), (170, 200, -20, 20), (-190, -160, -20, 20)])
def test_an_extent_across_the_date_line(extent):
    domain = Domain("x", extent, "platecarree")
    assert domain.span == 30
    assert domain.centre == (-175.0, 0.0)
    _, longitudes = View(domain).points()
    assert np.all((longitudes > 169.9) | (longitudes < -159.9))


@pytest.mark.parametrize(("south", "north", "pole"), [(60, 90, 90), (-90, -60, -90)])
def test_an_extent_around_a_pole_has_it_in_the_middle(south, north, pole):
    view = View(Domain("x", (-180, 180, south, north), "orthographic"))
    latitudes, _ = view.points()
    assert abs(latitudes[view.height // 2, view.width // 2] - pole) < 0.2
    assert abs(latitudes[view.height // 2, 0]) == pytest.approx(60, abs=0.2)


def test_rotated_coordinates_keep_the_middle_straight():
    domain = Domain("x", (-10, 30, 40, 60), "rotatedlatlon")
    x, y = domain.project(np.array([50.0, 51.0]), np.array([10.0, 10.0]))
    np.testing.assert_allclose(x, [0, 0], atol=1)
    np.testing.assert_allclose(y, [0, RADIUS * math.radians(1)], atol=1)
