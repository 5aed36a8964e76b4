"""Where the points of GRIB messages are: against PROJ, Gauss–Legendre nodes and what is written out by hand."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
from evalflow.errors import UserError
from evalflow.fields.grib.codes import eccodes
from evalflow.fields.grib.grids import angle_of_winds, grid_of, turn_winds
from evalflow.fields.grib.index import Message, read_index
from evalflow.fields.grib.values import Values
from evalflow.fields.grid_files import GridFiles
from evalflow.fields.grids import Grid
from evalflow.fields.specs import GridFile
from support.grib_files import LATITUDES, LONGITUDES, T_2M, grib, unstructured, write
from support.trial_files import trial_file

UUID = "17643da2-5749-59b6-44d2-54a3cd6e2bc0"


@pytest.fixture
def only(tmp_path):
    """Return a function that writes a message and reads its index."""

    def run(content: bytes, name: str = "a.grib") -> Message:
        (message,) = read_index([write(tmp_path / name, content)])
        return message

    return run


def places(grid: Grid) -> np.ndarray:
    return np.stack([grid.latitudes, grid.longitudes])


# --- latitudes and longitudes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("westward", [0, 1])
@pytest.mark.parametrize("northward", [0, 1])
@pytest.mark.parametrize("by_column", [0, 1])
@pytest.mark.parametrize(("edition", "alternating"), [(1, 0), (2, 0), (2, 1)])  # GRIB1 has no such flag
def test_every_order_of_a_regular_grid(only, westward, northward, by_column, alternating, edition):
    """A value's place follows from the flags: the field is the longitude, so the order can be read from the values."""
    south, north, west, east = 50.0, 52.0, 358.0, 361.0
    columns = np.arange(west, east + 1) - 360
    rows = np.arange(north, south - 1, -1)
    columns, rows = columns[:: -1 if westward else 1], rows[:: -1 if northward else 1]
    expected = []
    slow, fast = (columns, rows) if by_column else (rows, columns)
    for number, outer in enumerate(slow):
        for inner in fast[::-1] if alternating and number % 2 else fast:
            expected.append((inner, outer) if by_column else (outer, inner))
    keys = {
        "latitudeOfFirstGridPointInDegrees": rows[0], "latitudeOfLastGridPointInDegrees": rows[-1],
        "longitudeOfFirstGridPointInDegrees": columns[0] % 360, "longitudeOfLastGridPointInDegrees": columns[-1] % 360,
        "iScansNegatively": westward, "jScansPositively": northward, "jPointsAreConsecutive": by_column,
        **({"alternativeRowScanning": alternating} if edition == 2 else {}),
    }  # fmt: skip
    grid = grid_of(only(grib(edition=edition, **keys, **T_2M)), Values())
    np.testing.assert_allclose(places(grid).T, expected, atol=1e-9)
    assert grid.kind == "regular"
    assert grid.shape == (None if alternating else (4, 3) if by_column else (3, 4))


def test_the_small_grid_of_the_tests(only):
    grid = grid_of(only(grib(**T_2M)), Values())
    np.testing.assert_allclose(places(grid), [LATITUDES, LONGITUDES], atol=1e-9)


def test_a_global_grid_from_0_to_360(only):
    keys = {
        "Ni": 36, "Nj": 19, "latitudeOfFirstGridPointInDegrees": 90, "latitudeOfLastGridPointInDegrees": -90,
        "longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 350,
        "iDirectionIncrementInDegrees": 10, "jDirectionIncrementInDegrees": 10,
    }  # fmt: skip
    grid = grid_of(only(grib(**keys, **T_2M)), Values())
    assert grid.longitudes[:36].tolist() == [*range(0, 180, 10), *range(-180, 0, 10)]
    assert grid.latitudes[::36].tolist() == list(range(90, -91, -10))


def test_one_grid_is_read_once(only, tmp_path):
    first, second = only(grib(**T_2M), "a.grib"), only(grib(shortName="2d", step=6), "b.grib")
    assert grid_of(first, Values()) is grid_of(second, Values())


@pytest.mark.parametrize("northward", [False, True])
def test_regular_gaussian_latitudes_are_legendre_nodes(only, northward):
    first, last = (-87.863799, 87.863799) if northward else (87.863799, -87.863799)
    keys = {
        "jScansPositively": int(northward),
        "latitudeOfFirstGridPointInDegrees": first,
        "latitudeOfLastGridPointInDegrees": last,
    }
    grid = grid_of(only(grib(sample="regular_gg_sfc_grib2", **keys, **T_2M)), Values())
    nodes = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(64)[0]))
    assert grid.kind == "gaussian" and grid.shape == (64, 128)
    np.testing.assert_allclose(grid.latitudes[::128], nodes if northward else nodes[::-1], atol=1e-6)
    np.testing.assert_allclose(grid.longitudes[:128] % 360, np.arange(128) * 360 / 128, atol=1e-6)


def test_reduced_gaussian_rows_have_the_numbers_of_points_that_the_message_lists(only):
    message = only(grib(sample="reduced_gg_pl_32_grib2", **T_2M))
    grid = grid_of(message, Values())
    handle = eccodes.codes_grib_new_from_samples("reduced_gg_pl_32_grib2")
    counts = eccodes.codes_get_array(handle, "pl")
    eccodes.codes_release(handle)
    nodes = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(64)[0]))[::-1]
    np.testing.assert_allclose(grid.latitudes, np.repeat(nodes, counts), atol=1e-6)
    longitudes = np.concatenate([np.arange(count) * 360 / count for count in counts])
    np.testing.assert_allclose(grid.longitudes % 360, longitudes, atol=1e-6)
    assert grid.kind == "gaussian" and grid.shape is None and grid.size == counts.sum()


@pytest.mark.parametrize(
    ("sample", "keys"),
    [
        ("regular_gg_sfc_grib2", {"iScansNegatively": 1}),
        ("regular_gg_sfc_grib2", {"jPointsAreConsecutive": 1}),
        ("reduced_gg_pl_32_grib2", {"jScansPositively": 1}),  # ecCodes would read memory that is not its own
        ("reduced_gg_pl_32_grib2", {"alternativeRowScanning": 1}),
    ],
)
def test_orders_that_eccodes_gets_wrong_are_refused(only, sample, keys):
    message = only(grib(sample=sample, **T_2M, **keys))
    with pytest.raises(UserError, match="message 1: its re.*_gg is scanned in an order that is not supported"):
        grid_of(message, Values())


# --- projections ------------------------------------------------------------------------------------------------------

LAMBERT = {
    "gridType": "lambert", "Nx": 5, "Ny": 4, "shapeOfTheEarth": 6, "LaDInDegrees": 47, "LoVInDegrees": 10,
    "latitudeOfFirstGridPointInDegrees": 45, "longitudeOfFirstGridPointInDegrees": 5, "DxInMetres": 50_000,
    "DyInMetres": 40_000, "Latin1InDegrees": 47, "Latin2InDegrees": 47, "numberOfDataPoints": 20,
}  # fmt: skip
LAMBERT_PROJ = "+proj=lcc +lat_1=47 +lat_2=47 +lat_0=47 +lon_0=10 +R=6371229"


def in_order(
    proj: str, first: tuple[float, float], size: tuple[int, int], spacing: tuple[int, int], flags
) -> np.ndarray:
    """Return latitudes and longitudes, point by point as the flags of scanning say."""
    westward, northward, by_column, alternating = flags
    projection = pyproj.Proj(proj)
    x, y = projection(*first)
    (columns, rows), found = size, []
    for outer in range(columns if by_column else rows):
        inner = list(range(rows if by_column else columns))
        for place in inner[::-1] if alternating and outer % 2 else inner:
            i, j = (outer, place) if by_column else (place, outer)
            longitude, latitude = projection(
                x + i * spacing[0] * (-1 if westward else 1),
                y + j * spacing[1] * (1 if northward else -1),
                inverse=True,
            )
            found.append((latitude, longitude))
    return np.array(found).T


@pytest.mark.parametrize("westward", [0, 1])
@pytest.mark.parametrize("northward", [0, 1])
@pytest.mark.parametrize("by_column", [0, 1])
@pytest.mark.parametrize("alternating", [0, 1])
def test_every_order_of_a_lambert_grid(only, westward, northward, by_column, alternating):
    """ecCodes takes the first point for the south-western one, whatever the flags say: it is that of the first value."""
    flags = (westward, northward, by_column, alternating)
    names = ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive", "alternativeRowScanning")
    message = only(grib(**LAMBERT, **dict(zip(names, flags, strict=True)), **T_2M))
    expected = in_order(LAMBERT_PROJ, (5, 45), (5, 4), (50_000, 40_000), flags)
    grid = grid_of(message, Values())
    np.testing.assert_allclose(places(grid), expected, atol=1e-5)
    assert grid.kind == "projected"
    assert grid.shape == (None if alternating else (5, 4) if by_column else (4, 5))


def test_a_real_lambert_grid():
    """AROME-Arctic's grid, from the parameters in its first message."""
    message = read_index([trial_file("arome_arctic_20180710_sfc.grib")])[0]
    grid = grid_of(message, Values())
    proj = "+proj=lcc +lat_1=77.5 +lat_2=77.5 +lat_0=77.5 +lon_0=-25 +R=6367470"
    expected = in_order(proj, (8.042, 77.968), (100, 100), (2500, 2500), (0, 1, 0, 0))
    np.testing.assert_allclose(places(grid), expected, atol=1e-5)
    assert grid.shape == (100, 100) and grid.kind == "projected"


@pytest.mark.parametrize("northward", [0, 1])
def test_polar_stereographic(only, northward):
    keys = {
        "Nx": 5, "Ny": 4, "latitudeOfFirstGridPointInDegrees": 60, "longitudeOfFirstGridPointInDegrees": 340, "LaDInDegrees": 60,
        "orientationOfTheGridInDegrees": 10, "DxInMetres": 25_000, "DyInMetres": 25_000, "numberOfDataPoints": 20,
        "jScansPositively": northward, "shapeOfTheEarth": 6,
    }  # fmt: skip
    grid = grid_of(only(grib(sample="polar_stereographic_pl_grib2", **keys, **T_2M)), Values())
    proj = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +R=6371229"
    expected = in_order(proj, (-20, 60), (5, 4), (25_000, 25_000), (0, northward, 0, 0))
    np.testing.assert_allclose(places(grid), expected, atol=1e-4)


ROTATED = {
    "Ni": 5, "Nj": 4, "latitudeOfFirstGridPointInDegrees": -1.5, "latitudeOfLastGridPointInDegrees": 1.5,
    "longitudeOfFirstGridPointInDegrees": 358, "longitudeOfLastGridPointInDegrees": 2, "iDirectionIncrementInDegrees": 1,
    "jDirectionIncrementInDegrees": 1, "latitudeOfSouthernPoleInDegrees": -43, "longitudeOfSouthernPoleInDegrees": 10,
    "angleOfRotation": 0, "jScansPositively": 1,
}  # fmt: skip
ROTATED_PROJ = pyproj.Proj("+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=43 +lon_0=10 +R=6371229")


def rotated(latitudes: np.ndarray, longitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes and longitudes of rotated ones (COSMO's pole)."""
    east, north = ROTATED_PROJ(np.deg2rad(longitudes), np.deg2rad(latitudes), inverse=True, radians=True)
    return np.rad2deg(north), np.rad2deg(east)


def test_rotated_latitudes_and_longitudes(only):
    grid = grid_of(only(grib(sample="rotated_ll_pl_grib2", **ROTATED, **T_2M)), Values())
    north, east = np.meshgrid(np.arange(-1.5, 2), np.arange(-2.0, 3), indexing="ij")
    np.testing.assert_allclose(places(grid), rotated(north.ravel(), east.ravel()), atol=1e-5)
    assert grid.kind == "projected" and grid.shape == (4, 5)


def test_grids_without_points(only):
    message = only(grib(sample="sh_ml_grib2", shortName="t"))
    with pytest.raises(UserError, match="message 1: a grid of type sh has no points"):
        grid_of(message, Values())


# --- winds ------------------------------------------------------------------------------------------------------------


def test_angle_of_a_real_lambert_grid():
    """Of a Lambert grid it is sin φ₀ × (λ₀ − λ), exactly."""
    message = read_index([trial_file("arome_arctic_20180710_sfc.grib")])[0]
    grid, angle = grid_of(message, Values()), angle_of_winds(message, Values())
    expected = np.sin(np.deg2rad(77.5)) * np.deg2rad(-25 - grid.longitudes)
    np.testing.assert_allclose(angle, expected, atol=1e-6)


@pytest.mark.parametrize("westward", [0, 1])
@pytest.mark.parametrize("northward", [0, 1])
@pytest.mark.parametrize("by_column", [0, 1])
def test_the_axis_is_that_of_increasing_x_in_every_order(only, westward, northward, by_column):
    flags = {"iScansNegatively": westward, "jScansPositively": northward, "jPointsAreConsecutive": by_column}
    keys = LAMBERT | {"Nx": 9, "Ny": 8, "DxInMetres": 5000, "DyInMetres": 5000, "numberOfDataPoints": 72}
    message = only(grib(**keys, **flags, uvRelativeToGrid=1, **T_2M))
    grid, angle = grid_of(message, Values()), angle_of_winds(message, Values())
    expected = np.sin(np.deg2rad(47)) * np.deg2rad(10 - grid.longitudes)
    np.testing.assert_allclose(angle, expected, atol=1e-5)


def test_winds_of_a_rotated_grid_are_turned(only):
    """An air parcel carried along the rotated axes for an instant must end where the turned wind carries it."""
    keys = ROTATED | {
        "Ni": 41, "Nj": 31, "iDirectionIncrementInDegrees": 0.1, "jDirectionIncrementInDegrees": 0.1, "uvRelativeToGrid": 1,
    }  # fmt: skip
    message = only(grib(sample="rotated_ll_pl_grib2", **keys, **T_2M))
    angle = angle_of_winds(message, Values())
    north, east = np.meshgrid(np.linspace(-1.5, 1.5, 31), np.linspace(-2, 2, 41), indexing="ij")
    north, east = north.ravel(), east.ravel()
    along, across, step = 3.0, -2.0, 1e-5
    before = rotated(north, east)
    moved = rotated(north + step * across, east + step * along / np.cos(np.deg2rad(north)))
    to_north = (moved[0] - before[0]) / step
    to_east = (moved[1] - before[1]) * np.cos(np.deg2rad(before[0])) / step
    found = turn_winds(np.full(north.size, along), np.full(north.size, across), angle)
    np.testing.assert_allclose(found[0], to_east, atol=1e-3)
    np.testing.assert_allclose(found[1], to_north, atol=1e-3)


def test_winds_to_the_east_and_north_are_left_as_they_are(only):
    assert angle_of_winds(only(grib(**LAMBERT, uvRelativeToGrid=0, **T_2M)), Values()) is None
    # On latitudes and longitudes both are the same, whatever the flag says.
    assert angle_of_winds(only(grib(uvRelativeToGrid=1, **T_2M)), Values()) is None


# --- coordinates in another file --------------------------------------------------------------------------------------


def constants(path: Path, points: int = 5) -> tuple[Path, np.ndarray, np.ndarray, np.ndarray]:
    """Write CLAT, CLON and HSURF of an unstructured grid as a weather service does, and return their values."""
    north, east, height = np.linspace(46, 48, points), np.linspace(6, 10, points), np.linspace(200, 3000, points)
    number = {"discipline": 0, "parameterCategory": 191, "typeOfFirstFixedSurface": 1, "bitsPerValue": 24}
    write(
        path,
        grib(height * 0 + 1, **unstructured(points, UUID), discipline=2, parameterCategory=0, parameterNumber=0),
        grib(north, **unstructured(points, UUID), **number, parameterNumber=1),
        grib(east, **unstructured(points, UUID), **number, parameterNumber=2),
        grib(height, **unstructured(points, UUID), parameterCategory=3, parameterNumber=6, typeOfFirstFixedSurface=1),
    )
    return path, north, east, height


def test_an_unstructured_grid_without_coordinates_is_an_error_that_says_the_cure(only):
    message = only(grib(range(5), **unstructured(5, UUID), **T_2M))
    uuid = UUID.replace("-", "")
    text = f"message 1: no coordinates of its grid of 5 points \\(uuid {uuid}\\); name a file that has them in `grids`"
    with pytest.raises(UserError, match=text):
        grid_of(message, Values())
    with pytest.raises(UserError, match=text):
        grid_of(message, Values(), GridFiles([GridFile(Path("absent"), points=6)]).find)


@pytest.mark.parametrize("named", [{"points": 5}, {"uuid": UUID}, {"uuid": UUID.replace("-", "").upper()}])
def test_coordinates_and_elevation_from_a_grib_file(only, tmp_path, named):
    path, north, east, height = constants(tmp_path / "constants.grib2")
    message = only(grib(range(5), **unstructured(5, UUID), **T_2M))
    grid = grid_of(message, Values(), GridFiles([GridFile(path, **named)]).find)
    np.testing.assert_allclose(places(grid), [north, east], atol=1e-5)
    np.testing.assert_allclose(grid.elevation, height, atol=1)
    assert grid.kind == "unstructured"


def test_a_uuid_counts_more_than_a_number_of_points(only, tmp_path):
    path, north, _, _ = constants(tmp_path / "constants.grib2")
    message = only(grib(range(5), **unstructured(5, UUID), **T_2M))
    find = GridFiles([GridFile(tmp_path / "other.grib2", points=5), GridFile(path, uuid=UUID)]).find
    np.testing.assert_allclose(grid_of(message, Values(), find).latitudes, north, atol=1e-5)
