"""Atoms: whatever the regions are, sums over atoms make up the sum of each region."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.points.atoms import Atoms, cut_atoms, outside
from evalflow.fields.points.regions import RegionSpec, read_region
from hypothesis import given
from hypothesis import strategies as st
from support.grids import global_grid, scattered


class Some:
    """A region of points by their latitude, which here is their number."""

    def __init__(self, name: str, points: set[int], digest: str | None = None) -> None:
        self.name, self.points, self.origin = name, points, f"{name}.shp"
        self.digest = digest or f"{sorted(points)}"

    def contains(self, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
        return np.isin(latitudes, list(self.points))


def cut(count: int, *regions: Some) -> Atoms:
    return cut_atoms(regions, np.arange(count), np.zeros(count))


def test_by_hand():
    atoms = cut(6, Some("a", {0, 1, 4}, "2"), Some("b", {1, 2}, "1"))
    # Patterns (b, a): neither 3, 5; a alone 0, 4; b alone 2; both 1.
    assert atoms.order.tolist() == [3, 5, 0, 4, 2, 1]
    assert atoms.starts.tolist() == [0, 2, 4, 5]
    assert atoms.sizes.tolist() == [2, 2, 1, 1]
    assert {name: mask.tolist() for name, mask in atoms.members.items()} == {
        "all": [True, True, True, True],
        "a": [False, True, False, True],
        "b": [False, False, True, True],
    }
    sums = atoms.sums(atoms.sort(np.array([1.0, 2, 4, 8, 16, 32])))
    assert sums.tolist() == [40, 17, 4, 2]
    assert {name: atoms.of_region(name, sums) for name in atoms.members} == {"all": 63, "a": 19, "b": 6}
    assert {name: atoms.points_of(name) for name in atoms.members} == {"all": 6, "a": 3, "b": 2}


def test_without_regions_the_domain_is_one_atom():
    atoms = cut(4)
    assert (atoms.order.tolist(), atoms.starts.tolist(), list(atoms.members)) == ([0, 1, 2, 3], [0], ["all"])


sets = st.lists(st.sets(st.integers(0, 39)), max_size=9)


@given(sets=sets, count=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_sum_of_a_region_is_that_of_its_points(sets, count, seed):
    regions = [Some(f"r{number}", points) for number, points in enumerate(sets)]
    atoms = cut(count, *regions)
    values = np.random.default_rng(seed).normal(size=(2, count))
    sums = atoms.sums(atoms.sort(values))
    for region in regions:
        inside = [point for point in range(count) if point in region.points]
        np.testing.assert_allclose(atoms.of_region(region.name, sums), values[:, inside].sum(axis=1), atol=1e-12)
        assert atoms.points_of(region.name) == len(inside)
    np.testing.assert_allclose(atoms.of_region("all", sums), values.sum(axis=1), atol=1e-12)
    assert sorted(atoms.order) == list(range(count))
    assert (atoms.sizes > 0).all()
    # As few atoms as there are different sets of regions; in an atom points keep their order.
    assert atoms.count == len({tuple(point in region.points for region in regions) for point in range(count)})
    for part in np.split(atoms.order, atoms.starts[1:]):
        assert (np.diff(part) > 0).all()


@given(sets=st.lists(st.sets(st.integers(0, 29)), min_size=1, max_size=6), seed=st.randoms(use_true_random=False))
def test_names_and_order_of_regions_do_not_matter(sets, seed):
    regions = [Some(f"r{number}", points) for number, points in enumerate(sets)]
    renamed = [Some(f"x{number}", points) for number, points in enumerate(sets)]
    seed.shuffle(renamed)
    one, other = cut(30, *regions), cut(30, *renamed)
    np.testing.assert_array_equal(one.order, other.order)
    np.testing.assert_array_equal(one.starts, other.starts)
    assert one.digest == other.digest
    for region in regions:
        np.testing.assert_array_equal(one.members[region.name], other.members["x" + region.name[1:]])


def test_the_digest_is_of_points_and_polygons():
    one = cut(6, Some("a", {0, 1}, "1"))
    assert one.digest != cut(6, Some("a", {0, 1}, "2")).digest
    assert one.digest != cut(6, Some("a", {0, 1, 2}, "1")).digest
    assert one.digest != cut(7, Some("a", {0, 1}, "1")).digest
    assert one.digest != cut(6, Some("a", {0, 1}, "1"), Some("b", set(), "2")).digest


def test_a_hundred_regions():
    regions = [Some(f"r{number}", set(range(number, 2000, number + 2))) for number in range(100)]
    atoms = cut(2000, *regions)
    values = np.arange(2000.0)
    sums = atoms.sums(atoms.sort(values))
    for region in regions:
        assert atoms.of_region(region.name, sums) == sum(region.points)


def test_a_region_without_points_is_told():
    regions = [Some("a", {0}), Some("far", {99})]
    atoms = cut(6, *regions)
    assert outside(atoms, regions) == ["region far (far.shp) holds none of the 6 points of the domain"]
    assert atoms.points_of("far") == 0
    assert atoms.of_region("far", atoms.sums(np.ones(6))) == 0


def test_a_domain_without_points_is_refused():
    with pytest.raises(UserError, match="^the domain holds no point: there is nothing to verify$"):
        cut(0)


def test_saved_and_loaded(tmp_path):
    atoms = cut(6, Some("zürich", {0, 1, 4}), Some("b", {1, 2}))
    atoms.save(tmp_path / "atoms")
    loaded = Atoms.load(tmp_path / "atoms")
    np.testing.assert_array_equal(loaded.order, atoms.order)
    np.testing.assert_array_equal(loaded.starts, atoms.starts)
    assert {name: mask.tolist() for name, mask in loaded.members.items()} == {
        name: mask.tolist() for name, mask in atoms.members.items()
    }
    assert (loaded.digests, loaded.digest) == (atoms.digests, atoms.digest)
    (tmp_path / "atoms").write_bytes(b"PK")
    with pytest.raises(UserError, match="atoms: is no file of atoms that can be read .*; remove it, it is made again$"):
        Atoms.load(tmp_path / "atoms")


@pytest.mark.parametrize("grid", [global_grid(5), scattered(3000)])
def test_regions_of_the_earth(grid):
    """The sums of boxes on a globe, one of them across the date line, against a comparison of coordinates."""
    boxes = {
        "europe": (-10, 40, 35, 70),
        "pacific": (150, -120, -30, 30),
        "alps": (5, 16, 43, 49),
        "tropics": (0, 360, -20, 20),
    }
    regions = [read_region(RegionSpec(name, box=sides)) for name, sides in boxes.items()]
    atoms = cut_atoms(regions, grid.latitudes, grid.longitudes)
    weights = grid.weights()
    sums = atoms.sums(atoms.sort(weights))
    for name, (west, east, south, north) in boxes.items():
        across = (grid.longitudes - west) % 360 <= ((east - west) % 360 or 360)
        inside = across & (grid.latitudes >= south) & (grid.latitudes <= north)
        np.testing.assert_allclose(atoms.of_region(name, sums), weights[inside].sum())
