"""What the files of a forecast hold, whatever their format and whether evalflow knows the params.

The libraries of NetCDF and Zarr are heavy. They are imported where there is such a file, as in
`open`; most models write GRIB.
"""

import importlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.archives import format_of
from evalflow.fields.entries import Entry
from evalflow.fields.grib.contents import grib_entries

_ARRAYS = "evalflow.fields.arrays.contents"


def entries_of(files: Iterable[Path], init_time: datetime, notes: list[str]) -> list[Entry]:
    """Return an entry for each field and time in files; other files are passed over.

    Parameters
    ----------
    files : as `archives.files_below` finds them
    init_time : of the forecast, naive, UTC
    notes : gets a line for what cannot be read and may be of no interest: an HDF5 file that is no
        NetCDF, a message of GRIB of an unknown kind

    Raises
    ------
    UserError
        Where a GRIB file is cut off or damaged: what was to be in it is lost.
    """
    found: list[Entry] = []
    for path in files:
        kind = format_of(path)
        if kind == "grib":
            found += grib_entries([path], notes)
        elif kind in ("netcdf", "zarr"):
            try:
                found += importlib.import_module(_ARRAYS).array_entries(path, init_time)
            except UserError as error:
                notes.append(str(error))
    return found
