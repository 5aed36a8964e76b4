"""Time series at places: the nearest point that has a value, means over regions, bands of ensembles."""

from datetime import timedelta

import numpy as np
import pytest
import shapely
from evalflow.fields.grids import Grid, join
from evalflow.fields.points.regions import Region
from evalflow.showcase.meteograms import (
    Line,
    Meteogram,
    correction,
    draw_meteogram,
    is_corrected,
    unknown_characters,
)
from evalflow.showcase.series import ParamSeries, Places, PointEntry, SeriesMaker
from evalflow.showcase.spec import StationFound
from PIL import Image
from support.showcases import START

H = timedelta(hours=1)
LATS, LONS = (part.ravel() for part in np.meshgrid(np.arange(40.0, 51), np.arange(0.0, 11), indexing="ij"))
GRID = Grid(LATS, LONS, "regular", (11, 11), elevation=100 * (LATS - 40))
VALUES = (LATS + LONS / 100).astype(np.float32)
WEST = Region("west", (shapely.box(-0.5, 39.5, 1.5, 50.5),), "a box")


def station(lat, lon, **fields):
    return StationFound(name="x", lat=lat, lon=lon, **fields)


def test_the_nearest_point():
    places = Places(GRID, [station(44.2, 3.4), station(44.6, 3.6), station(50.9, 10.9), station(53.0, 3.0)], [])
    np.testing.assert_allclose(places.pick(VALUES), [44.03, 45.04, 50.10, np.nan], rtol=1e-6)
    first, _, _, outside = places.points(VALUES)
    assert (first.lat, first.lon, first.elevation) == (44, 3, 400)
    # 0.2° north and 0.4° east at 44° north, on a sphere of 6371.229 km.
    assert first.distance_km == pytest.approx(111.2 * np.hypot(0.2, 0.4 * np.cos(np.deg2rad(44.1))), rel=0.001)
    assert outside is None


def test_a_missing_point_gives_way_to_the_next_that_has_a_value_on_the_other_grid():
    fine = Grid(LATS / 10 + 40, LONS / 10 + 4, "unstructured")
    both = join([GRID, fine])
    values = np.concatenate([np.where((LATS > 43.5) & (LATS < 45.5), np.nan, 1.0), np.full(fine.size, 2.0)])
    places = Places(both, [station(44.01, 4.01)], [])
    assert places.pick(values.astype(np.float32))[0] == 2
    values[:] = np.nan
    assert np.isnan(places.pick(values.astype(np.float32))[0])


def test_means_over_regions_are_weighted_by_area():
    places = Places(GRID, [], [WEST])
    weights = np.cos(np.deg2rad(np.arange(40.0, 51)))
    expected = np.average(np.arange(40.0, 51), weights=weights) + 0.005
    np.testing.assert_allclose(places.pick(VALUES), [expected], rtol=1e-6)
    assert np.isnan(places.pick(np.full(GRID.size, np.nan, np.float32))[0])


def test_a_region_without_a_point_is_missing():
    places = Places(GRID, [], [Region("sea", (shapely.box(30, 0, 31, 1),), "a box")])
    assert np.isnan(places.pick(VALUES)[0])


def test_the_band_is_from_the_tenth_to_the_ninetieth_percentile():
    maker = SeriesMaker([station(44, 3)], [])
    members = [np.full(GRID.size, value, np.float32) for value in range(11)]
    maker.add("T_2M", 6 * H, GRID, [np.full(GRID.size, 5, np.float32), *members])
    maker.finish("T_2M", [0 * H, 6 * H])
    series = maker.params["T_2M"]
    assert (series.lead_times, series.values) == ([0, 6], [[None, 5.0]])
    assert (series.low, series.high) == ([[None, 1.0]], [[None, 9.0]])


def test_amounts_have_the_lead_times_that_they_can_have():
    maker = SeriesMaker([station(44, 3)], [])
    maker.add("TOT_PREC6", 12 * H, GRID, [VALUES])
    maker.finish("TOT_PREC6", [0 * H, 3 * H, 6 * H, 12 * H])
    assert maker.params["TOT_PREC6"].lead_times == [6, 12]


def series(*values):
    return ParamSeries(lead_times=[0, 6, 12][: len(values)], values=[list(values)])


def a_line(label="one", elevation=300.0, place=0, **params):
    point = PointEntry(lat=47, lon=8, distance_km=1, elevation=elevation)
    return Line(label, place, 0, point, params or {"T_2M": series(280.0, 281.0, None)}, 0)


def meteogram(*lines, **fields):
    about = {"name": "here", "where": "47.00°N 8.00°E", "elevation": 500.0, "init_time": START, "lapse_rate": "auto"}
    return Meteogram(**(about | {"params": ["T_2M"], "lines": list(lines)} | fields))


def test_temperatures_are_corrected_to_the_elevation_of_the_station():
    # 200 m higher than the point: 0.0065 K/m × 200 m = 1.3 K colder.
    assert correction(meteogram(a_line()), a_line()) == pytest.approx(-1.3)


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ([a_line()], {"lapse_rate": "false"}),
        ([a_line()], {"elevation": None}),
        ([a_line(), a_line(elevation=None)], {}),
        ([Line("region", 0, 0, None, {"T_2M": series(280.0)}, 0)], {}),
    ],
)
def test_all_are_corrected_or_none(lines, fields):
    found = meteogram(*lines, **fields)
    assert not is_corrected(found)
    assert all(correction(found, line) == 0 for line in lines)


def test_a_source_without_temperature_does_not_count():
    assert is_corrected(meteogram(a_line(), a_line(elevation=None, PMSL=series(101000.0))))


@pytest.mark.parametrize(
    "label", ["plain", "$x_1$ \\frac", "東京 forecast", "a" * 300, "line\nbreak\ttab", "_hidden", "%"]
)
def test_any_label_can_be_drawn(tmp_path, label):
    lines = [a_line(label), a_line("truth", place=None), a_line("two", place=9)]
    draw_meteogram(tmp_path / "a.png", meteogram(*lines, name=label))
    image = Image.open(tmp_path / "a.png").convert("RGB")
    colours = {colour for _, colour in image.getcolors(1 << 24)}
    assert image.width == 990
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x16, 0x19, 0x1D)} <= colours


def test_bands_and_params_without_values_are_drawn(tmp_path):
    band = ParamSeries(lead_times=[0, 6], values=[[280.0, 282.0]], low=[[279.0, 280.0]], high=[[281.0, 285.0]])
    found = meteogram(a_line(T_2M=band), params=["T_2M", "PMSL"])
    draw_meteogram(tmp_path / "a.png", found)
    assert Image.open(tmp_path / "a.png").height > 400


def test_characters_that_no_font_has():
    assert unknown_characters("Zürich łódź −5 °C") == ""
    assert unknown_characters("東京 x 京") == "東京"
