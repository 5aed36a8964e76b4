"""Files of archives: patterns, folders, and what a file is."""

import re
from datetime import datetime

import netCDF4
import pytest
import zarr
from evalflow.errors import UserError
from evalflow.fields.archives import check_pattern, files_at, files_below, files_by_time, format_of
from support.grib_files import T_2M, grib, write

TIME = datetime(2024, 3, 5, 6, 30)


@pytest.fixture
def archive_folder(tmp_path):
    for name in (
        "2024030506/a.grib", "2024030506/b.grib", "2024030506/.hidden", "2024030512/a.grib", "20240305/deep/er/c.nc",
        "202403.parquet", "202404.parquet", "2024/065/x.csv", "notes.txt", "100%/f2024",
    ):  # fmt: skip
        write(tmp_path / name, b"")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%Y%m%d%H/*.grib", ["2024030506/a.grib", "2024030506/b.grib"]),
        ("%Y%m%d%H", ["2024030506/a.grib", "2024030506/b.grib"]),  # a folder means the files in it
        ("%Y%m%d%H/a*", ["2024030506/a.grib"]),
        ("%Y%m.parquet", ["202403.parquet"]),
        ("%Y/%j/*.csv", ["2024/065/x.csv"]),
        ("%Y%m%d/**/*.nc", ["20240305/deep/er/c.nc"]),
        ("100%%/f%Y", ["100%/f2024"]),
        ("%Y%m%d%H%M/*", []),
    ],
)
def test_files_of_a_time(archive_folder, pattern, expected):
    assert [str(path.relative_to(archive_folder)) for path in files_at(archive_folder, pattern, TIME)] == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%Y%m%d%H/*.grib", [["2024030506/a.grib", "2024030506/b.grib"], ["2024030512/a.grib"]]),
        ("%Y%m.parquet", [["202403.parquet"], ["202404.parquet"]]),
        ("%Y%m%d/**/*.nc", [["20240305/deep/er/c.nc"]]),
        ("*/a.grib", [["2024030506/a.grib", "2024030512/a.grib"]]),
        ("nothing%Y", []),
    ],
)
def test_all_files_by_time(archive_folder, pattern, expected):
    found = files_by_time(archive_folder, pattern)
    assert [[str(path.relative_to(archive_folder)) for path in group] for group in found] == expected


def test_times_are_in_order_whatever_comes_first_in_a_name(tmp_path):
    for name in ("31.12.2023", "01.02.2024", "15.01.2024"):
        write(tmp_path / name, b"")
    assert [group[0].name for group in files_by_time(tmp_path, "%d.%m.%Y")] == [
        "31.12.2023",
        "15.01.2024",
        "01.02.2024",
    ]


def test_all_files_below(archive_folder):
    assert files_at(archive_folder / "2024030506", None, TIME) == [
        archive_folder / "2024030506/a.grib",
        archive_folder / "2024030506/b.grib",
    ]
    assert files_below(archive_folder / "notes.txt") == [archive_folder / "notes.txt"]
    zarr.create_group(archive_folder / "2024030506/out.zarr", zarr_format=2).create_array("x", shape=(3,), dtype="f4")
    assert (
        files_below(archive_folder / "2024030506")[-1] == archive_folder / "2024030506/out.zarr"
    )  # one thing, whatever is in it
    assert files_at(archive_folder, "%Y%m%d%H/*.zarr", TIME) == [archive_folder / "2024030506/out.zarr"]


@pytest.mark.parametrize("pattern", ["%Y%m%d%H/*.grib", "%y%j/%H%M%S", "100%%"])
def test_patterns_that_do(pattern):
    check_pattern(pattern, "runs.0.baseline.pattern")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("%B/*", "has %B; allowed: %Y"), ("/data/%Y", "leaves the root"), ("../%Y", "leaves the root")],
)
def test_patterns_that_do_not(pattern, reason):
    with pytest.raises(UserError, match=re.escape(f"runs.0.baseline.pattern: {pattern} {reason}")):
        check_pattern(pattern, "runs.0.baseline.pattern")


def test_what_a_file_is(tmp_path):
    write(tmp_path / "a", grib(**T_2M))
    netCDF4.Dataset(tmp_path / "b", "w").close()
    netCDF4.Dataset(tmp_path / "c", "w", format="NETCDF3_CLASSIC").close()
    zarr.create_group(tmp_path / "d", zarr_format=3)
    zarr.create_group(tmp_path / "e", zarr_format=2)
    write(tmp_path / "f", b"PAR1")
    write(tmp_path / "g.csv", b"station,time\n")
    write(tmp_path / "h", b"GRIB is a format")
    write(tmp_path / "i", b"")
    (tmp_path / "j").mkdir()
    expected = ["grib", "netcdf", "netcdf", "zarr", "zarr", "table", "table", None, None, None]
    assert [format_of(path) for path in sorted(tmp_path.iterdir())] == expected
