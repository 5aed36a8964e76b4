"""Where the messages and fields of a GRIB file are, by the lengths of their sections.

ecCodes' Python interface reads every message whole, whatever `headers_only` says. The sections say
themselves how long they are (WMO Manual on Codes I.2, FM 92), so that only the headers of a file
are read from the disk here; what they mean is ecCodes' business.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalflow.errors import UserError

_WINDOW = 4096
"""Bytes read at a time: the headers of most messages fit in.

Text before the first message is no longer either.
"""
_MARK, _END = b"GRIB", b"7777"
_LARGE = 0x800000
"""In the length of a GRIB1 message: it counts 120 bytes (ECMWF's, where 24 bits are too few)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field as it lies in a file.

    Attributes
    ----------
    number : of its message in the file, the first is 1
    pieces : (offset, length) of the parts of the file that it is made of: of a whole message one,
        of a field among several in a message of GRIB2 those of its sections
    header : its message up to the description of the product (GRIB2) or the grid (GRIB1), as
        ecCodes reads it
    grid : the section that describes its grid
    """

    number: int
    pieces: tuple[tuple[int, int], ...]
    header: bytes
    grid: bytes


class _Window:
    """A file of which small parts are read, in order."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self._descriptor, self._start, self._content = descriptor, 0, b""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes, fewer at the end of the file."""
        begin = offset - self._start
        if begin < 0 or begin + length > len(self._content):
            self._start, begin = offset, 0
            self._content = os.pread(self._descriptor, max(length, _WINDOW), offset)
        return self._content[begin : begin + length]

    def number(self, offset: int, length: int) -> int:
        """Return an unsigned number."""
        return int.from_bytes(self.read(offset, length), "big")


def _find(file: _Window, start: int, end: int) -> int | None:
    """Return where the first message at or after `start` begins, or None.

    Text that says GRIB begins none.
    """
    while start < end:
        chunk = file.read(start, _WINDOW)
        at = chunk.find(_MARK)
        if at < 0:
            start += max(len(chunk) - len(_MARK) + 1, 1)
        elif file.read(start + at, 8)[7:8] in (b"\1", b"\2"):
            return start + at
        else:
            start += at + 1
    return None


def is_grib(path: Path) -> bool:
    """Tell whether a file begins with a GRIB message, after at most a few lines of bulletins."""
    with open(path, "rb", buffering=0) as raw:
        return _find(_Window(path, raw.fileno()), 0, _WINDOW) is not None


def scan(path: Path) -> Iterator[Part]:
    """Yield the fields of a GRIB file, in their order.

    Raises
    ------
    UserError
        Where a message is cut off or its sections do not fit in.
    """
    with open(path, "rb", buffering=0) as raw:
        file = _Window(path, raw.fileno())
        start, number = 0, 0
        while (at := _find(file, start, file.size)) is not None:
            number += 1
            read = _fields_of_grib1 if file.read(at + 7, 1) == b"\1" else _fields_of_grib2
            length, parts = read(file, at, number)
            yield from parts
            start = at + length


def content(descriptor: int, pieces: tuple[tuple[int, int], ...]) -> bytes:
    """Return a field as a message of its own.

    Parameters
    ----------
    descriptor : of the open file
    pieces : as `Part` has them
    """
    if len(pieces) == 1:
        return os.pread(descriptor, pieces[0][1], pieces[0][0])
    first, *sections = [os.pread(descriptor, length, offset) for offset, length in pieces]
    total = sum(length for _, length in pieces) + len(_END)
    return b"".join([first[:8], total.to_bytes(8, "big"), *sections, _END])


def _damaged(file: _Window, at: int, number: int) -> UserError:
    return UserError(f"{file.path}: message {number}, at byte {at}, is cut off or damaged")


def _fields_of_grib1(file: _Window, at: int, number: int) -> tuple[int, list[Part]]:
    """Return the length of a message and the one field in it."""
    product = file.number(at + 8, 3)
    flags = file.number(at + 15, 1)
    header = 8 + product
    grid = file.number(at + header, 3) if flags & 0x80 else 0
    length = _length_of_grib1(file, at, header + grid, flags)
    if product < 28 or (flags & 0x80 and grid < 32) or header + grid > length or not _ends(file, at, length):
        raise _damaged(file, at, number)
    start = file.read(at, header + grid)
    # Without a description of the grid it is known by its number in a catalogue of the centre.
    return length, [Part(number, ((at, length),), start, start[header:] or start[12:13] + start[14:15])]


def _length_of_grib1(file: _Window, at: int, values: int, flags: int) -> int:
    length = file.number(at + 4, 3)
    if length & _LARGE:
        if flags & 0x40:
            values += file.number(at + values, 3)  # the bitmap
        padding = file.number(at + values, 3)
        if padding < 120:
            return (length & ~_LARGE) * 120 - padding + 4
    return length


def _ends(file: _Window, at: int, length: int) -> bool:
    return file.read(at + length - len(_END), len(_END)) == _END


def _fields_of_grib2(file: _Window, at: int, number: int) -> tuple[int, list[Part]]:
    """Return the length of a message and the fields in it: its sections may be repeated."""
    length = file.number(at + 8, 8)
    end = at + length - len(_END)
    if length < 20 or at + length > file.size:
        raise _damaged(file, at, number)
    sections: dict[int, tuple[int, int]] = {}
    fields = []
    offset = at + 16
    while offset < end:
        size, kind = file.number(offset, 4), file.number(offset + 4, 1)
        if size < 5 or offset + size > end:
            raise _damaged(file, at, number)
        # A bitmap of kind 254 is the last one that was defined in this message.
        if kind != 6 or 6 not in sections or file.number(offset + 5, 1) != 254:
            sections[kind] = offset, size
        if kind == 7:
            if not {1, 3, 4, 5, 6} <= sections.keys():
                raise _damaged(file, at, number)
            fields.append(_field_of_grib2(file, at, number, sections))
        offset += size
    if not fields or not _ends(file, at, length):
        raise _damaged(file, at, number)
    if len(fields) == 1:
        fields = [Part(number, ((at, length),), fields[0].header, fields[0].grid)]
    return length, fields


def _field_of_grib2(file: _Window, at: int, number: int, sections: dict[int, tuple[int, int]]) -> Part:
    pieces = ((at, 16), *(sections[kind] for kind in sorted(sections)))
    header = b"".join([file.read(at, 16), *(file.read(*sections[kind]) for kind in (1, 2, 3, 4) if kind in sections)])
    return Part(number, pieces, header, file.read(*sections[3]))
