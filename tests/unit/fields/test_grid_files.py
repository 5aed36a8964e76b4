"""Grids from the files that `grids:` names."""

import netCDF4
import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.grid_files import GridFiles
from evalflow.fields.specs import GridFile
from support.field_files import write_netcdf
from support.grib_files import T_2M, grib, unstructured, write


def test_an_icon_grid_file(tmp_path):
    """Its coordinates are in radians, its cells have areas, and vertices and edges are in it too."""
    radian = {"units": "radian"}
    path = write_netcdf(
        tmp_path / "icon_grid.nc",
        {
            "clon": (("cell",), np.deg2rad([6.0, 7.0, 8.0]), radian),
            "clat": (("cell",), np.deg2rad([46.0, 47.0, 48.0]), radian),
            "vlat": (("vertex",), np.zeros(4), radian),
            "cell_area": (("cell",), np.array([1e6, 2e6, 3e6]), {"units": "m2"}),
            "topography_c": (("cell",), np.array([100.0, 200.0, 300.0], "f4"), {"units": "m"}),
        },
    )
    grid = GridFiles([GridFile(path, points=3)]).find(3)
    np.testing.assert_allclose([grid.latitudes, grid.longitudes], [[46, 47, 48], [6, 7, 8]])
    assert grid.area.tolist() == [1e6, 2e6, 3e6] and grid.elevation.tolist() == [100, 200, 300]


def test_degrees_and_standard_names(tmp_path):
    path = write_netcdf(
        tmp_path / "grid.nc",
        {
            "x": (("n",), np.array([6.0, 7.0]), {"units": "degrees_east", "standard_name": "longitude"}),
            "y": (("n",), np.array([46.0, 47.0]), {"units": "degrees_north", "standard_name": "latitude"}),
        },
    )
    grid = GridFiles([GridFile(path, points=2)]).find(2)
    assert grid.latitudes.tolist() == [46, 47] and grid.area is None and grid.elevation is None


def test_a_grid_that_is_not_named(tmp_path):
    assert GridFiles().find(3, "some-uuid") is None
    assert GridFiles([GridFile(tmp_path / "a", points=4)]).find(3, None) is None


@pytest.mark.parametrize("content", [None, b"text", b"", "grib", "netcdf"])
def test_files_that_do_not_do_are_named(tmp_path, content):
    path = tmp_path / "grid"
    if content == "grib":
        write(path, grib(range(3), **unstructured(3), **T_2M))
    elif content == "netcdf":
        netCDF4.Dataset(path, "w").close()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        GridFiles([GridFile(path, points=3)]).find(3)
    reason = {
        None: "cannot be read: No such file", "grib": "has no coordinates of 3 points", "netcdf": "has no coordinates of 3 points"
    }.get(content, "neither GRIB nor NetCDF")  # fmt: skip
    assert f"{path}: named in `grids`, but {reason}" in str(caught.value)
