"""ecCodes with its own tables only, and beside other libraries: the one place that imports it.

- Shells set ECCODES_DEFINITION_PATH and its sisters for other programs. Foreign tables give fields
  other names, and a `boot.def` of another version ends the process with SIGABRT. They are taken out
  of this process's environment before ecCodes looks at it, and stay out: a process that reads
  fields has no use for them, nor have those that it starts. What a model is to see is decided where
  the model's environment is made.
- findlibs loads the libraries below ecCodes for all to see (RTLD_GLOBAL), among them a PROJ of
  another version than pyproj's, which then crashes in it. They are loaded for ecCodes alone here:
  `libeccodes.so` finds them by their names.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import findlibs

from evalflow.fields.grib.variables import OF_OTHERS

for _name in OF_OTHERS:
    os.environ.pop(_name, None)
findlibs._load_globally = ctypes.CDLL  # whose default is RTLD_LOCAL

import eccodes  # noqa: E402

GribError = eccodes.CodesInternalError


@contextmanager
def message(content: bytes, *, headers_only: bool = False) -> Iterator[int]:
    """Give the handle of a GRIB message, and release it.

    Parameters
    ----------
    content : the message
    headers_only : whether it ends before its values
    """
    handle = eccodes.codes_new_from_message(content, partial=headers_only)
    try:
        yield handle
    finally:
        eccodes.codes_release(handle)


def integer(handle: int, key: str) -> int | None:
    """Return a number from a message, or None where it has no such key or a missing value."""
    try:
        value = eccodes.codes_get(handle, key, ktype=int)
    except eccodes.KeyValueNotFoundError:
        return None
    return None if value == eccodes.CODES_MISSING_LONG else value


def text(handle: int, key: str) -> str:
    """Return a text from a message, empty where the message has no such key."""
    try:
        return eccodes.codes_get(handle, key, ktype=str)
    except eccodes.KeyValueNotFoundError:
        return ""


def number(handle: int, key: str) -> float:
    """Return a number with a fraction from a message.

    Raises
    ------
    GribError
        Where the message has no such key.
    """
    return eccodes.codes_get(handle, key, ktype=float)
