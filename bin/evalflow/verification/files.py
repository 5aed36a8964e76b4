"""NetCDF files that steps of verification write."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import netCDF4

from evalflow.store.files import new_in_place_of, new_in_store


@contextmanager
def new_netcdf(final: Path) -> Iterator[netCDF4.Dataset]:
    """Yield a file to write, which then gets its final name; what has that name already stays.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    with new_in_store(final) as temporary:
        try:
            with netCDF4.Dataset(temporary, "w") as file:
                yield file
        except RuntimeError as error:  # the library's word for a disk that is full
            raise OSError(errno.EIO, f"{error}; is the disk full?", str(final)) from error


def write_result(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file that then replaces what is at `path`.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    with new_in_place_of(path) as temporary:
        try:
            write(temporary)
        except RuntimeError as error:  # the word of NetCDF's library for a disk that is full
            raise OSError(errno.EIO, f"{error}; is the disk full?", str(path)) from error
