"""What GRIB files hold, param or not, for the proof that a forecast is whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evalflow.fields.entries import Entry
from evalflow.fields.grib import codes
from evalflow.fields.grib.codes import GribError, integer
from evalflow.fields.grib.index import Message, read_index
from evalflow.fields.grib.values import Values

_FIRST = ("latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees")


@dataclass(frozen=True)
class _Message:
    """A message, and what reads it."""

    message: Message
    values: Values

    def name(self) -> str:
        """Return ecCodes' short name, or the numbers where it has none, with level and member."""
        with codes.message(self.values.raw(self.message)) as handle:
            name, level = codes.text(handle, "shortName"), integer(handle, "level")
        numbers = "/".join(map(str, self.message.field.numbers))
        name = name if name not in ("", "unknown", "~") else f"number {numbers}"
        member = "" if self.message.member is None else f", member {self.message.member}"
        return f"{name} ({level or 0}{member})"

    def grid_name(self) -> str:
        """Return type, size and first point of the grid."""
        with codes.message(self.values.raw(self.message)) as handle:
            columns, rows = integer(handle, "Ni"), integer(handle, "Nj")
            size = f"{columns} × {rows}" if columns and rows else f"{integer(handle, 'numberOfDataPoints') or 0}"
            try:
                first = " ".join(f"{codes.number(handle, key):g}" for key in _FIRST)
            except GribError:
                first = ""
            return f"{codes.text(handle, 'gridType')} of {size} points" + (f" from {first}" if first else "")

    def is_written(self) -> bool:
        """Tell that it was written: messages are."""
        return True

    def is_missing(self) -> bool:
        """Tell whether the field has no value at any point."""
        return self.values.is_missing_everywhere(self.message)


def grib_entries(files: Iterable[Path], notes: list[str]) -> list[Entry]:
    """Return what is in GRIB files.

    Parameters
    ----------
    notes : gets a line for each message that is whole and cannot be described

    Raises
    ------
    UserError
        Where a file is cut off or damaged.
    """
    values = Values()
    found = []
    for path in files:
        # Beside good ones, a message of a kind that nobody knows is a note, a damaged file is not.
        for message in read_index([path], unknown=notes):
            found.append(
                Entry(
                    (message.field, message.member),
                    message.grid,
                    message.reference_time,
                    message.lead_time,
                    message.where,
                    _Message(message, values),
                )
            )
    return found
