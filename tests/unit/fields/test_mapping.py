"""Mapping between grids, against distances computed one by one and averages worked by hand."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.grids import Grid, join
from evalflow.fields.points.lattice import find_lattice, with_shape
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.points.neighbours import find_mapping
from evalflow.fields.points.spacing import spacing
from hypothesis import given
from hypothesis import strategies as st
from support.grids import global_grid, haversine_km, lat_lon, projected, scattered

NAN = np.float32(np.nan)


def nearest_by_hand(source: Grid, target: Grid, reach: np.ndarray) -> np.ndarray:
    distances = haversine_km(target, source)
    nearest = distances.argmin(axis=1)
    return np.where(distances.min(axis=1) <= reach[nearest], nearest, -1)


def same_places(grid: Grid, points: np.ndarray, others: np.ndarray) -> bool:
    """Whether numbers of points name the same places: those of a row at a pole are one."""
    apart = [
        haversine_km(grid.take(np.array([a])), grid.take(np.array([b])))[0, 0]
        for a, b in zip(points, others, strict=True)
        if a != b
    ]
    return bool((points < 0).tolist() == (others < 0).tolist() and all(km < 1e-6 for km in apart))


def taken(mapping: Mapping) -> np.ndarray:
    """Which source point fills each target point, seen from outside: values are the points' numbers."""
    filled = mapping.apply(np.arange(mapping.source_size))
    return np.where(np.isnan(filled), -1, filled).astype(int)


def stations(count: int, seed: int, box=(-180, 180, -90, 90)) -> Grid:
    return scattered(count, seed, box, "stations")


SOURCES = {
    "global with poles": global_grid(7.5),
    "global without poles": global_grid(7.5, poles=False),
    "limited area": projected(12, 14, 30),
    "across the date line": lat_lon(np.arange(-20, 20, 2.0), np.arange(170, 194, 2.0)),
    "scattered": scattered(700, seed=1),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_nearest_point_is_that_of_all_distances(name):
    source, target = SOURCES[name], stations(900, seed=2)
    everywhere = find_mapping(source, target, max_distance=None)
    assert not everywhere.averaged.any()
    expected = nearest_by_hand(source, target, np.full(source.size, np.inf))
    assert same_places(source, taken(everywhere), expected)


@pytest.mark.parametrize("limit", [40.0, 700.0])
@pytest.mark.parametrize("name", SOURCES)
def test_a_largest_distance_in_km_leaves_out_what_is_farther(name, limit):
    source, target = SOURCES[name], stations(900, seed=3)
    mapping = find_mapping(source, target, max_distance=limit)
    expected = nearest_by_hand(source, target, np.full(source.size, limit))
    assert same_places(source, taken(mapping), expected)
    np.testing.assert_array_equal(mapping.covered, expected >= 0)


@pytest.mark.parametrize("poles", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_a_global_grid_covers_the_globe_seam_and_poles_included(poles, flat):
    source = global_grid(5, poles=poles)
    if flat:  # as an archive that knows no rows has it
        source = Grid(source.latitudes, source.longitudes, "unstructured")
    anywhere, near_poles = stations(1000, seed=4), stations(500, seed=5, box=(-180, 180, 80, 90))
    target = Grid(
        [*anywhere.latitudes, *near_poles.latitudes, *-near_poles.latitudes, 90, -90, 0, 0],
        [*anywhere.longitudes, *near_poles.longitudes, *near_poles.longitudes, 12, 0, 179.9999, -180],
        "stations",
    )
    mapping = find_mapping(source, target)
    assert mapping.covered.all()
    distances = haversine_km(target, source)
    np.testing.assert_allclose(distances[np.arange(target.size), taken(mapping)], distances.min(axis=1), atol=1e-6)


def test_longitudes_of_either_range_are_one():
    target = global_grid(10)
    shifted = Grid(target.latitudes, target.longitudes % 360, "regular", target.shape)
    np.testing.assert_array_equal(taken(find_mapping(shifted, target)), np.arange(target.size))


def test_a_limited_area_within_a_global_truth():
    source, target = projected(30, 40, 10), stations(1500, seed=6, box=(3, 14, 43, 51))
    mapping = find_mapping(source, target)
    expected = nearest_by_hand(source, target, np.full(source.size, 15.0))
    off = (
        np.abs(haversine_km(target, source).min(axis=1) - 15) < 0.2
    )  # the grid's own spacing is 10 km but for its projection
    assert off.sum() < 10
    np.testing.assert_array_equal(taken(mapping)[~off], expected[~off])
    assert 0 < mapping.covered.sum() < target.size


def test_one_kilometre_inside_thirty_outside():
    """A point counts where the grid is: 1.5 km around its fine part, 45 km around its coarse part, nothing beyond."""
    inner = projected(40, 40, 1)
    ring = projected(9, 9, 30)
    outer = ring.take(haversine_km(ring, inner).min(axis=1) > 25)
    source = join([inner, outer])
    east = haversine_km(Grid([46.8], [8.2], "unstructured"), Grid([46.8], [9.2], "unstructured"))[0, 0]
    km = np.array([0.3, 18.0, 20.6, 25.0, 50.0, 120.0, 150.0, 166.0, 190.0])  # from the centre, eastwards
    target = Grid(np.full(km.size, 46.8), 8.2 + km / east, "stations")
    mapping = find_mapping(source, target)
    near = haversine_km(target, source)
    chosen = near.argmin(axis=1)
    fine = chosen < inner.size
    # 25 km: 5.5 km from the fine part, which reaches 1.5 km, and nearer to it than to the coarse one: nothing fills it.
    np.testing.assert_array_equal(fine, [True, True, True, True, False, False, False, False, False])
    assert list(mapping.covered) == [True, True, True, False, True, True, True, False, False]
    assert near.min(axis=1)[7] > 45 > near.min(axis=1)[6] - 15
    np.testing.assert_array_equal(taken(mapping)[mapping.covered], chosen[mapping.covered])


def test_a_coarse_source_of_scattered_points_reaches_as_far_as_its_points_are_apart():
    source, target = scattered(60, seed=9), stations(800, seed=10)
    apart = np.median(np.sort(haversine_km(source, source), axis=1)[:, 1:5], axis=1)
    expected = nearest_by_hand(source, target, 1.5 * apart)
    mapping = find_mapping(source, target)
    np.testing.assert_array_equal(taken(mapping), expected)
    assert (haversine_km(target, source).min(axis=1)[mapping.covered] > 1000).any()


def test_points_that_are_there_twice_stay_two_in_the_same_grid():
    """Also where a rounding puts one of them across the date line."""
    source = Grid([10, 10, 20, 20], [-180, -180, 30, 30], "unstructured")
    target = Grid([10, 10, 20, 20], [-180, 179.99999, 30, 30.00001], "unstructured")
    assert list(find_mapping(source, target).apply(np.arange(4))) == [0, 1, 2, 3]


def test_a_missing_source_point_is_missing_where_it_is_taken():
    source, target = scattered(50, seed=7), stations(200, seed=8)
    mapping = find_mapping(source, target, max_distance=None)
    values = np.arange(50, dtype=np.float32)
    values[13] = NAN
    np.testing.assert_array_equal(np.isnan(mapping.apply(values)), taken(mapping) == 13)


def test_stations_take_the_nearest_point_and_never_an_average():
    source = projected(80, 80, 1)
    stations = Grid([46.8, 46.85, 46.7], [8.2, 8.21, 8.1], "stations", names=("A", "B", "C"))
    mapping = find_mapping(source, stations)
    assert not mapping.averaged.any()
    np.testing.assert_array_equal(taken(mapping), nearest_by_hand(source, stations, np.full(source.size, 1.5)))


def test_a_forecast_at_a_station_counts_for_its_place_alone():
    forecast = Grid([46.80, 47.5, 46.0], [8.2, 7.0, 9.0], "stations", names=("A", "B", "C"))
    truth = Grid([47.5, 46.81, 46.1], [7.0, 8.2, 9.0], "stations", names=("b", "a", "d"))  # 0, 1.1 and 11 km away
    assert list(taken(find_mapping(forecast, truth))) == [1, 0, -1]
    assert list(taken(find_mapping(forecast, truth, max_distance=20))) == [1, 0, 2]


# Averages


def test_boxes_of_a_regular_grid_by_hand():
    """2 × 2 cells of 2°, points every 0.5°: what lies on an edge belongs to both sides by halves."""
    source = lat_lon(np.arange(-1, 3.01, 0.5), np.arange(-1, 3.01, 0.5))
    target = lat_lon([0.0, 2.0], [0.0, 2.0])
    values = np.random.default_rng(0).normal(size=source.shape).astype(np.float32)
    mapping = find_mapping(source, target, weights=np.ones(source.size))
    assert mapping.averaged.all()
    halves = np.array([0.5, 1, 1, 1, 0.5])
    share = np.outer(halves, halves)
    expected = [
        np.average(values[rows, columns], weights=share)
        for rows in (slice(0, 5), slice(4, 9))
        for columns in (slice(0, 5), slice(4, 9))
    ]
    np.testing.assert_allclose(mapping.apply(values.ravel()), expected, rtol=1e-6)


def test_an_average_is_weighted_by_area_unless_told_otherwise():
    source, target = lat_lon(np.arange(48.5, 61.5), np.arange(0.5, 13.5)), lat_lon([51, 59], [4, 12])
    values = source.latitudes.astype(np.float32)
    rows = np.arange(48.5, 55)
    rows, halves = rows[rows < 55], np.ones(7)
    expected = np.average(rows, weights=np.cos(np.radians(rows)) * halves)
    np.testing.assert_allclose(find_mapping(source, target).apply(values)[0], expected, rtol=1e-6)
    even = find_mapping(source, target, weights=np.ones(source.size)).apply(values)[0]
    np.testing.assert_allclose(even, rows.mean(), rtol=1e-6)


def test_conservative_remapping_to_a_coarser_grid_keeps_the_mean_of_the_globe():
    """The mean of 1° cells by areas equals that of 6° cells by the areas of all that is in them, seam and poles included."""
    source, target = global_grid(1.0), global_grid(6.0)
    values = (np.cos(np.radians(source.longitudes + 40)) * 5 + source.latitudes / 9 + 280).astype(np.float32)
    mapping = find_mapping(source, target)
    assert mapping.averaged.all()
    filled, weight = mapping.apply(values).astype(float), mapping._full
    boxes = np.unique(mapping.box, return_index=True)[1]
    total = np.average(values.astype(float), weights=np.cos(np.radians(source.latitudes)).clip(0))
    np.testing.assert_allclose(np.average(filled[boxes], weights=weight), total, rtol=1e-6)
    np.testing.assert_allclose(weight.sum(), np.cos(np.radians(source.latitudes)).clip(0).sum())
    assert len(set(filled[np.abs(target.latitudes) == 90].round(4))) == 2  # a pole is one point


def test_missing_below_half():
    source, target = lat_lon(np.arange(0, 4) * 0.1, np.arange(0, 8) * 0.1), lat_lon([0.15, 0.55], [0.15, 0.55])
    mapping = find_mapping(source, target, weights=np.ones(source.size))
    assert list(mapping.averaged) == [True, True, False, False]
    values = np.arange(32, dtype=np.float32).reshape(4, 8)
    values[:2, :4] = NAN  # half of the first box
    filled = mapping.apply(values.ravel())
    assert filled[0] == np.nanmean(values[:, :4])
    values[2, 0] = NAN  # more than half
    filled = mapping.apply(values.ravel())
    assert np.isnan(filled[0])
    assert filled[1] == values[:, 4:].mean()


def test_the_share_that_is_there_is_of_weights_not_of_points():
    source, target = lat_lon(np.arange(0, 4) * 0.1, np.arange(0, 8) * 0.1), lat_lon([0.15, 0.55], [0.15, 0.55])
    weights = np.where(source.latitudes < 0.05, 5.0, 1.0)  # the first row weighs 20 of 32
    mapping = find_mapping(source, target, weights=weights)
    values = np.ones(32, np.float32)
    values[8:] = NAN
    assert list(np.isnan(mapping.apply(values)[:2])) == [False, False]
    values = np.ones(32, np.float32)
    values[:8] = NAN
    assert list(np.isnan(mapping.apply(values)[:2])) == [True, True]


@pytest.mark.parametrize(("step", "averaged"), [(0.5, False), (0.6, True), (1.5, True), (0.25, False)])
def test_averages_begin_where_the_target_is_more_than_twice_coarser(step, averaged):
    source = lat_lon(np.arange(40, 50.01, 0.25), np.arange(0, 12.01, 0.25))
    target = lat_lon(np.arange(42, 48.01, step), np.arange(2, 10.01, step))
    mapping = find_mapping(source, target)
    assert mapping.averaged.all() == averaged
    assert mapping.averaged.any() == averaged


def test_boxes_of_scattered_points_by_all_distances():
    source, target = projected(70, 70, 2), projected(9, 9, 12)
    mapping = find_mapping(source, target)
    assert mapping.averaged.all()
    distances = haversine_km(source, target)
    owner = np.where(distances.min(axis=1) <= 12 * np.sqrt(0.5) * 1.001, distances.argmin(axis=1), -1)
    values = np.random.default_rng(1).normal(size=source.size).astype(np.float32)
    expected = [values[owner == point].astype(float).mean() for point in range(target.size)]
    np.testing.assert_allclose(mapping.apply(values), expected, rtol=1e-5, atol=1e-6)
    assert set(np.unique(owner)) > {-1}  # there is something outside, which no box takes


def test_boxes_near_a_pole_are_narrow_and_one_without_a_point_takes_the_nearest():
    source, target = scattered(1500, seed=11, box=(-180, 180, 60, 90)), global_grid(5)
    target = target.take(target.latitudes > 69)
    target = Grid(target.latitudes, target.longitudes, "regular", (5, 72))
    mapping = find_mapping(source, target, weights=np.ones(source.size), max_distance=None)
    values = np.random.default_rng(2).normal(size=source.size).astype(np.float32)
    filled = mapping.apply(values)
    nearest = haversine_km(target, source).argmin(axis=1)
    apart = np.median(np.sort(haversine_km(source, source), axis=1)[:, 1:5], axis=1)
    coarse = spacing(target) > 2.02 * apart[nearest]
    empty = 0
    for point in range(target.size):
        north, east = target.latitudes[point], target.longitudes[point]
        across = np.abs((source.longitudes - east + 180) % 360 - 180) <= 2.5
        inside = (np.abs(source.latitudes - north) <= 2.5) & (across | (north == 90))
        empty += coarse[point] and not inside.any()
        assert mapping.averaged[point] == (coarse[point] and inside.any())
        expected = values[inside].astype(float).mean() if mapping.averaged[point] else values[nearest[point]]
        np.testing.assert_allclose(filled[point], expected, rtol=1e-5, atol=1e-6)
    assert empty > 3
    assert mapping.averaged.sum() > 100


def test_an_edge_of_a_limited_target_that_is_rounded():
    """The outer columns of the source lie on the outer edges of the target, but for rounding: each counts by half."""
    source = lat_lon(np.arange(40, 42.01, 0.5), np.arange(5, 11.01, 0.5))
    source = Grid(source.latitudes, source.longitudes - 1e-9, "regular", source.shape)
    target = lat_lon([41.0, 43.0], [6.0, 8.0, 10.0])
    values = (source.longitudes < 5.1).astype(np.float32)
    halves = np.array([0.5, 1, 1, 1, 0.5])
    filled = find_mapping(source, target, weights=np.ones(source.size)).apply(values)
    np.testing.assert_allclose(filled[0], 0.5 / halves.sum(), rtol=1e-6)


def test_a_fine_part_is_averaged_and_a_coarse_part_is_not():
    inner, ring = projected(60, 60, 1), projected(11, 11, 30)
    source = join([inner, ring.take(haversine_km(ring, inner).min(axis=1) > 20)])
    target = projected(19, 19, 16)
    mapping = find_mapping(source, target)
    centre = np.arange(target.size).reshape(19, 19)[9, 9]
    assert mapping.averaged[centre]
    assert not mapping.averaged[0]
    values = np.where(np.arange(source.size) < inner.size, 1, 5).astype(np.float32)
    assert mapping.apply(values)[centre] == 1
    assert mapping.apply(values)[0] == 5


def test_the_border_of_a_limited_area_in_a_coarser_truth():
    """A coarse point whose centre the area does not reach takes no average of the few points at its edge."""
    source = lat_lon(np.arange(45, 48.001, 0.02), np.arange(5, 10.001, 0.02))
    target = lat_lon(np.arange(43, 50.01, 0.5), np.arange(3, 12.01, 0.5))
    mapping = find_mapping(source, target)
    inside = (np.abs(target.latitudes - 46.5) < 1.52) & (np.abs(target.longitudes - 7.5) < 2.52)
    np.testing.assert_array_equal(mapping.covered, inside)
    assert mapping.averaged[inside].all()


# Laws

grids = st.one_of(
    st.sampled_from(list(SOURCES.values())),
    st.builds(scattered, st.integers(1, 60), st.integers(0, 5)),
    st.builds(projected, st.integers(2, 6), st.integers(2, 6), st.sampled_from([5.0, 60.0])),
)
distances = st.sampled_from(["auto", None, 300.0])


@given(source=grids, target=grids, limit=distances, value=st.floats(-1e6, 1e6, width=32))
def test_a_constant_stays_constant(source, target, limit, value):
    mapping = find_mapping(source, target, max_distance=limit)
    filled = mapping.apply(np.full(source.size, value, np.float32))
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[mapping.covered], np.float32(value))
    assert np.isnan(filled[~mapping.covered]).all()


@given(grid=grids, limit=distances, seed=st.integers(0, 99))
def test_to_the_same_grid_nothing_changes(grid, limit, seed):
    random = np.random.default_rng(seed)
    field = np.where(random.random(grid.size) < 0.3, np.nan, random.normal(size=grid.size)).astype(np.float32)
    mapping = find_mapping(grid, grid, max_distance=limit)
    np.testing.assert_array_equal(mapping.apply(field), field)
    single = Grid(grid.latitudes.astype(np.float32), grid.longitudes.astype(np.float32), grid.kind, grid.shape)
    np.testing.assert_array_equal(find_mapping(single, grid, max_distance=limit).apply(field), field)


@given(source=grids, target=grids, seed=st.integers(0, 9))
def test_an_average_lies_between_the_values(source, target, seed):
    values = np.random.default_rng(seed).normal(size=source.size).astype(np.float32)
    values[::3] = NAN
    filled = find_mapping(source, target).apply(values)
    there = filled[~np.isnan(filled)]
    if there.size:
        assert there.min() >= np.nanmin(values) - 1e-6
        assert there.max() <= np.nanmax(values) + 1e-6


@given(seed=st.integers(0, 9), flip=st.booleans())
def test_the_order_of_source_points_does_not_matter(seed, flip):
    source, target = global_grid(5), global_grid(15)
    order = np.random.default_rng(seed).permutation(source.size)
    values = np.random.default_rng(seed).normal(size=source.size).astype(np.float32)
    one = find_mapping(source, target).apply(values)
    mixed = Grid(source.latitudes[order], source.longitudes[order], "regular")
    if flip:  # another order that has rows and columns
        mixed = Grid(source.latitudes[::-1], source.longitudes[::-1], "regular", source.shape)
        order = np.arange(source.size)[::-1]
    away = np.abs(target.latitudes) < 75  # nearer the poles, only rows tell the spacing
    np.testing.assert_allclose(find_mapping(mixed, target).apply(values[order])[away], one[away], rtol=1e-5, atol=1e-6)


# Files, and parts


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("step", [3.0, 0.7])
def test_saved_and_loaded_it_is_the_same(tmp_path, method, step):
    source, target = (
        lat_lon(np.arange(40, 50, 0.5), np.arange(0, 12, 0.5)),
        lat_lon(np.arange(38, 52, step), [1, 7, 11]),
    )
    mapping = find_mapping(source, target, method=method)
    mapping.save(tmp_path / "mapping")
    loaded = Mapping.load(tmp_path / "mapping")
    values = np.random.default_rng(0).normal(size=source.size).astype(np.float32)
    np.testing.assert_array_equal(loaded.apply(values), mapping.apply(values))
    assert [path.name for path in tmp_path.iterdir()] == ["mapping"]


def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path):
    path = tmp_path / "mapping"
    find_mapping(scattered(9), scattered(5)).save(path)
    whole = path.read_bytes()
    evil = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93."  # what a pickle may do
    damaged = whole.replace(b"box_weights", b"box_weighty")
    for content in (b"", evil, whole[:-100], whole[: len(whole) // 2], damaged):
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=f"^{path}: is no mapping that can be read .*; remove it, it is made again$"
        ):
            Mapping.load(path)
    with open(path, "wb") as file:
        np.savez(file, version=np.int64(99))
    with pytest.raises(UserError, match="is a mapping of version 99, and 1 is needed"):
        Mapping.load(path)


@given(seed=st.integers(0, 20))
def test_a_part_of_the_targets_in_another_order(seed):
    source, target = (
        lat_lon(np.arange(45, 48, 0.1), np.arange(5, 10, 0.1)),
        lat_lon(np.arange(44, 49, 0.5), np.arange(4, 11, 0.5)),
    )
    mapping = find_mapping(source, target)
    random = np.random.default_rng(seed)
    part = random.permutation(target.size)[: random.integers(1, target.size)]
    values = random.normal(size=source.size).astype(np.float32)
    values[random.integers(0, source.size, 500)] = NAN
    np.testing.assert_array_equal(mapping.at(part).apply(values), mapping.apply(values)[part])
    mask = np.isin(np.arange(target.size), part)
    np.testing.assert_array_equal(mapping.at(mask).apply(values), mapping.apply(values)[mask])
    assert len(mapping.at(part).box_points) <= len(mapping.box_points)


def test_values_of_another_length_are_a_mistake_of_the_program():
    with pytest.raises(ValueError, match="source of 9 points"):
        find_mapping(scattered(9), scattered(5)).apply(np.zeros(8))


# Rows and columns


def test_a_lattice_is_seen_in_flat_points_rows_or_columns_first():
    rows_first = global_grid(10)
    order = np.arange(rows_first.size).reshape(rows_first.shape).T.ravel()
    columns_first = Grid(rows_first.latitudes[order], rows_first.longitudes[order], "unstructured")
    flat = Grid(rows_first.latitudes, rows_first.longitudes, "unstructured")
    assert with_shape(flat).shape == rows_first.shape
    assert with_shape(columns_first).shape == rows_first.shape[::-1]
    np.testing.assert_allclose(spacing(with_shape(columns_first)), spacing(rows_first)[order], rtol=1e-6)
    for grid in (scattered(60), projected(5, 6, 3).take(np.arange(30)), rows_first.take(np.arange(100))):
        assert with_shape(grid).shape is None


@pytest.mark.parametrize("columns", [np.arange(0, 360, 4.0), np.arange(170, 202, 4.0), np.arange(-30, 60, 4.0) % 360])
def test_a_lattice_is_in_order_whatever_its_grid_s_is(columns):
    grid = lat_lon([30.0, 10.0, -20.0], columns)
    lattice = find_lattice(grid)
    np.testing.assert_allclose(lattice.latitudes, [-20, 10, 30])
    np.testing.assert_allclose(np.diff(lattice.longitudes), 4)
    assert lattice.periodic == (len(columns) == 90)
    np.testing.assert_allclose(grid.latitudes[lattice.points[:, 3]], [-20, 10, 30])
    np.testing.assert_allclose((grid.longitudes[lattice.points[1]] - lattice.longitudes + 180) % 360, 180)
