"""ecCodes with its own tables only, and beside other libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.grib_files import T_2M, grib, write

BIN = Path(__file__).resolve().parents[3] / "bin"


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(BIN), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "variable", ["ECCODES_DEFINITION_PATH", "GRIB_DEFINITION_PATH", "ECCODES_EXTRA_DEFINITION_PATH"]
)
def test_a_shell_s_own_definitions_do_not_matter(tmp_path, variable):
    """A `boot.def` that ecCodes cannot read ends the process with SIGABRT where it is used."""
    write(tmp_path / "definitions" / "boot.def", b"this is no definition {{{\n")
    file = write(tmp_path / "a.grib", grib(**T_2M), grib(edition=1, **T_2M))
    code = (
        "from pathlib import Path\n"
        "from evalflow.fields.grib.index import read_index\n"
        "from evalflow.fields.grib.values import Values\n"
        f"found = read_index([Path({str(file)!r})])\n"
        "print([Values().short_name(message) for message in found], Values().read(found[1])[:2])\n"
    )
    settings = {variable: str(tmp_path / "definitions"), "ECCODES_FAIL_IF_LOG_MESSAGE": "1", "ECCODES_DEBUG": "1"}
    done = run(code, **settings)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "['2t', '2t'] [0. 1.]", "")
    # Without the cure they do harm: else this test would say nothing.
    plain = f"import eccodes; print(eccodes.codes_grib_new_from_file(open({str(file)!r}, 'rb')))"
    assert run(plain, **settings).stderr


def test_other_libraries_may_be_imported_afterwards():
    """findlibs makes ecCodes' PROJ visible to all: pyproj then finds no database, and may crash."""
    use = "; ".join(
        [
            "import evalflow.fields.grib.codes",
            "import pyproj, netCDF4, scipy.spatial, shapely",
            "print([round(x, 3) for x in pyproj.Transformer.from_crs(2056, 4326).transform(2600000, 1200000)])",
        ]
    )
    done = run(use)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[46.951, 7.439]", "")


def test_nothing_heavy_is_imported_with_the_room():
    heavy = ("numpy", "eccodes", "netCDF4", "zarr", "scipy", "pyproj", "shapely", "pyarrow")
    done = run(f"import sys, evalflow.fields; print([name for name in {heavy!r} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
    done = run(f"import sys, evalflow.fields.open; print([name for name in {heavy!r} if name in sys.modules])")
    assert done.stdout.strip() == "['numpy']", done.stderr
