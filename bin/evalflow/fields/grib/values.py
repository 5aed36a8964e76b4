"""Values of GRIB messages that the index found."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.grib import codes
from evalflow.fields.grib.codes import GribError, eccodes, integer
from evalflow.fields.grib.index import Message
from evalflow.fields.grib.scan import content

_MISSING = float(np.finfo(np.float32).max)
_TO_FLOAT32 = ("grid_simple", "grid_ccsds")
"""Packings that ecCodes decodes to float32 directly; the others by way of float64."""


class Values:
    """Reads values of messages. It keeps the file that it read from last open."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._packings: dict[tuple[Path, tuple[tuple[int, int], ...]], float] = {}
        self._file: BinaryIO | None = None

    def raw(self, message: Message) -> bytes:
        """Return a field as a message of its own."""
        if self._file is None or self._path != message.path:
            self._file = open(message.path, "rb", buffering=0)  # noqa: SIM115  the one before is closed when it is dropped
            self._path = message.path
        return content(self._file.fileno(), message.pieces)

    def read(self, message: Message) -> np.ndarray:
        """Return the values of a field: float32 [n], in the unit of the file, missing is NaN.

        Raises
        ------
        UserError
            Where ecCodes cannot decode them.
        """
        try:
            with codes.message(self.raw(message)) as handle:
                self._packings[message.path, message.pieces] = _packing(handle)
                return _decode(handle)
        except GribError as error:
            raise UserError(f"{message.where} cannot be decoded: {error}") from None

    def packing(self, message: Message) -> float:
        """Return how far two values that a field can hold are apart, in the unit of the file; 0: not packed."""
        key = message.path, message.pieces
        if key not in self._packings:
            with codes.message(self.raw(message)) as handle:
                self._packings[key] = _packing(handle)
        return self._packings[key]

    def is_missing_everywhere(self, message: Message) -> bool:
        """Tell whether a field has no value at any point."""
        return bool(np.isnan(self.read(message)).all())

    def short_name(self, message: Message) -> str:
        """Return ecCodes' short name of a field, for people to read."""
        with codes.message(self.raw(message)) as handle:
            return codes.text(handle, "shortName")


def _decode(handle: int) -> np.ndarray:
    if integer(handle, "bitmapPresent") and not integer(handle, "numberOfCodedValues"):
        # ecCodes can decode a field without any value, but complains on standard error.
        return np.full(integer(handle, "numberOfDataPoints") or 0, np.nan, dtype=np.float32)
    eccodes.codes_set(handle, "missingValue", _MISSING)
    direct = codes.text(handle, "packingType") in _TO_FLOAT32
    values = eccodes.codes_get_array(handle, "values", ktype=np.float32 if direct else np.float64)
    values = values.astype(np.float32, copy=False)
    values[values == np.float32(_MISSING)] = np.nan
    return values


def _packing(handle: int) -> float:
    """Return the step of packed values: 2^E 10^-D (WMO Manual on Codes I.2, regulation 92.9.4)."""
    binary, decimal = integer(handle, "binaryScaleFactor"), integer(handle, "decimalScaleFactor")
    if binary is None or decimal is None or not integer(handle, "bitsPerValue"):
        return 0.0
    return 2.0**binary * 10.0**-decimal
