"""Which points are verified, and who takes points away; the regular verification grid."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.fields.points.domain import find_domain, regular_grid
from evalflow.fields.points.neighbours import find_mapping
from evalflow.fields.points.regions import RegionSpec, read_region
from support.grids import global_grid, lat_lon, projected

TARGET = Grid(np.zeros(8), np.arange(8.0), "unstructured")


def covering(*points: int) -> np.ndarray:
    return np.isin(np.arange(8), points)


SOURCES = {"wide": covering(0, 1, 2, 3, 4, 5, 6), "east": covering(2, 3, 4, 5, 6, 7), "odd": covering(1, 2, 3, 5, 7)}


def test_common_is_what_all_cover():
    domain = find_domain("common", TARGET, SOURCES)
    assert np.flatnonzero(domain.points).tolist() == [2, 3, 5]
    assert domain.complete == ("east", "odd", "wide")
    assert domain.left_out() == []
    assert domain.table() == [
        "domain common: 3 of 8 points",
        "source  covers  takes away  it alone",
        "east         6           2         1",  # 0, 1; without it 1 too
        "odd          5           3         2",  # 0, 4, 6; without it 4 and 6 too
        "wide         7           1         1",  # 7
    ]


def test_only_what_the_truth_covers_is_verified():
    domain = find_domain("common", TARGET, SOURCES, truth=covering(0, 1, 2, 3, 4))
    assert np.flatnonzero(domain.points).tolist() == [2, 3]
    assert domain.available == 5
    assert [(one.source, one.lacks) for one in domain.coverage] == [("east", 2), ("odd", 2), ("wide", 0)]


def test_a_named_domain_stays_as_it_is_and_who_covers_less_is_left_out():
    domain = find_domain("truth", TARGET, SOURCES, truth=covering(0, 1, 2, 3, 4, 5, 6))
    assert domain.size == 7
    assert domain.complete == ("wide",)
    assert domain.left_out() == [
        "east covers 5 of the 7 points of the domain truth and is left out of it; "
        "`domain: common` compares where all sources are",
        "odd covers 4 of the 7 points of the domain truth and is left out of it; "
        "`domain: common` compares where all sources are",
    ]


def test_a_box():
    box = read_region(RegionSpec("middle", box=(2, 3, -1, 1)))
    domain = find_domain(box, TARGET, SOURCES)
    assert (domain.name, np.flatnonzero(domain.points).tolist()) == ("middle", [2, 3])
    assert domain.complete == ("east", "odd", "wide")
    assert find_domain(read_region(RegionSpec("west", box=(1, 3, -1, 1))), TARGET, SOURCES).complete == ("odd", "wide")


def test_the_digest_is_of_the_points():
    one = find_domain("common", TARGET, SOURCES)
    # Another source that covers more changes nothing; one that covers less does.
    assert find_domain("common", TARGET, SOURCES | {"more": covering(*range(8))}).digest == one.digest
    assert find_domain("common", TARGET, SOURCES | {"less": covering(2, 3)}).digest != one.digest
    nine = Grid(np.zeros(9), np.arange(9.0), "unstructured")
    assert (
        find_domain("common", nine, {name: np.append(mask, False) for name, mask in SOURCES.items()}).digest
        != one.digest
    )


def test_without_sources_all_of_the_truth():
    assert find_domain("common", TARGET, {}).size == 8


def test_no_overlap():
    with pytest.raises(
        UserError,
        match=r"^domain common: none of the truth's 8 points is covered by all sources \(a 2, b 1\); "
        "leave a source out, or name a domain$",
    ):
        find_domain("common", TARGET, {"a": covering(0, 1), "b": covering(7)})
    box = read_region(RegionSpec("far", box=(100, 110, 40, 50)))
    with pytest.raises(
        UserError, match=r"^domain far \(box \[100, 110, 40, 50\]\) holds none of the truth's 8 points$"
    ):
        find_domain(box, TARGET, SOURCES)
    with pytest.raises(UserError, match="^the truth covers none of the 8 points of the verification grid$"):
        find_domain("truth", TARGET, SOURCES, truth=np.zeros(8, bool))


def test_the_truth_s_mask_is_not_changed():
    truth = covering(*range(8))
    find_domain(read_region(RegionSpec("b", box=(2, 3, -1, 1))), TARGET, SOURCES, truth=truth)
    assert truth.all()


def test_a_limited_area_within_a_global_truth():
    truth = global_grid(1.0)
    sources = {"global": global_grid(0.9), "area": projected(60, 60, 15)}
    covered = {name: find_mapping(source, truth).covered for name, source in sources.items()}
    domain = find_domain("common", truth, covered)
    assert covered["global"].all()
    np.testing.assert_array_equal(domain.points, covered["area"])
    assert 40 < domain.size < 200
    assert find_domain("truth", truth, covered).complete == ("global",)


# The verification grid


def test_the_grid_of_weatherbench():
    grid = regular_grid(1.5)
    assert grid.shape == (121, 240)
    assert grid.kind == "regular"
    np.testing.assert_allclose(grid.latitudes.reshape(grid.shape)[:, 0], np.linspace(90, -90, 121))
    np.testing.assert_allclose(grid.longitudes.reshape(grid.shape)[0] % 360, np.arange(240) * 1.5)
    np.testing.assert_allclose(
        np.average(np.sin(np.radians(grid.latitudes)) ** 2, weights=grid.weights()), 1 / 3, atol=2e-4
    )


def test_a_truth_of_the_same_grid_is_it():
    truth = lat_lon(np.linspace(-90, 90, 121), np.arange(0, 360, 1.5))
    values = np.random.default_rng(0).normal(size=truth.size).astype(np.float32)
    mapped = find_mapping(truth, regular_grid(1.5)).apply(values).reshape(121, 240)
    np.testing.assert_array_equal(mapped[1:-1], values.reshape(121, 240)[::-1][1:-1])


@pytest.mark.parametrize("spacing", [0, -1, 0.01, 7, 180, float("nan"), float("inf")])
def test_a_spacing_that_does_not_fit(spacing):
    with pytest.raises(
        UserError, match=r"^verification_grid: regular: .* is no spacing; allowed: degrees from 0.05 to 90 of which"
    ):
        regular_grid(spacing)
