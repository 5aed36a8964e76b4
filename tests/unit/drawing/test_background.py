"""Coastlines and borders: known places, seams, the far side of the globe."""

import numpy as np
import pytest
from evalflow.drawing.background import draw_background, draw_lines, lines, pieces
from evalflow.drawing.domains import Domain, View, domain_named

PROJECTIONS = ["platecarree", "orthographic", "rotatedlatlon", "azimuthalequidist"]


def near(mask, view, lat, lon, pixels=4):
    """Return whether a pixel is set near a point."""
    column, row = view.to_pixels(np.array([lat]), np.array([lon]))
    column, row = round(float(column[0])), round(float(row[0]))
    return bool(mask[max(row - pixels, 0) : row + pixels + 1, max(column - pixels, 0) : column + pixels + 1].any())


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_coasts_and_borders_are_where_they_are(projection):
    view = View(Domain("x", (-12, 20, 35, 60), projection))
    coasts, borders = draw_background(view)
    assert near(coasts, view, 50.07, -5.71)  # Land's End
    assert near(coasts, view, 43.7, 7.27)  # Nice
    assert near(borders, view, 47.59, 7.59)  # where France, Germany and Switzerland meet
    assert not near(borders, view, 50.07, -5.71)
    for mask in (coasts, borders):
        assert not near(mask, view, 47.0, 2.5)  # the middle of France
        assert not near(mask, view, 46.0, -8.0)  # the Bay of Biscay
    assert 0.001 < coasts.mean() < 0.05
    assert borders.any()


def test_no_line_runs_along_the_date_line_or_around_the_pole():
    # Chukotka and Antarctica are cut at 180° in the file.
    view = View(Domain("x", (170, -170, -88, 72), "platecarree"), 900, 900)
    coasts, borders = draw_background(view)
    middle = view.width // 2
    for mask in (coasts, borders):
        assert mask[:, middle - 1 : middle + 2].any(axis=1).sum() < 40
    globe = View(Domain("x", (-180, 180, -90, 90), "platecarree"))
    assert not draw_background(globe)[0][-2:].any()


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("extent", [None, (160, -160, -30, 30), (-180, 180, 50, 90)])
def test_no_line_crosses_the_map_at_a_seam(projection, extent):
    view = View(Domain("x", extent, projection))
    for some in lines():
        for line in some:
            for part in pieces(view, line):
                assert np.abs(np.diff(part, axis=0)).max() < 0.11 * view.width


def test_the_far_side_of_the_globe_is_not_drawn():
    view = View(domain_named("globe"))
    assert pieces(view, (np.array([-33.0, -34.0]), np.array([151.0, 152.0]))) == []
    assert len(pieces(view, (np.array([47.0, 48.0]), np.array([8.0, 9.0])))) == 1


def test_a_long_line_follows_its_curve():
    view = View(Domain("x", (-60, 60, 40, 80), "orthographic"))
    mask = draw_lines(view, [(np.array([60.0, 60.0]), np.array([-50.0, 50.0]))])
    for lon in (-50, -25, 0, 25, 50):
        assert near(mask, view, 60, lon, 1)
