"""Keys of GRIB headers by ecCodes' names, fast where the layout is plain.

ecCodes takes about 0.4 ms to open a header, because it builds all keys that there can be. A
forecast has thousands. Nearly all of its messages in GRIB2 are of four templates (a moment or an
interval, of an ensemble or not), whose layout is fixed (WMO Manual on Codes I.2, templates 4.0,
4.1, 4.8 and 4.11): their keys are unpacked here. Everything else is ecCodes' business.
"""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from evalflow.fields.grib import codes
from evalflow.fields.grib.codes import eccodes

Keys = Callable[[str], int | None]
"""From a name of ecCodes to a number, or None where there is none, or a missing value."""

STEPS = ("startStep", "endStep")
"""Keys that ecCodes computes from all that a message says of its time: here in seconds."""
_STEP = re.compile(r"(-?\d+)([smh]?)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "": 3600}
_PRODUCT = struct.Struct(">HBBBBBHBBIBBIBBI")  # octets 8 to 34
_PRODUCT_KEYS = (
    "productDefinitionTemplateNumber", "parameterCategory", "parameterNumber", "", "", "", "", "",
    "indicatorOfUnitForForecastTime", "forecastTime",
    "typeOfFirstFixedSurface", "scaleFactorOfFirstFixedSurface", "scaledValueOfFirstFixedSurface",
    "typeOfSecondFixedSurface", "scaleFactorOfSecondFixedSurface", "scaledValueOfSecondFixedSurface",
)  # fmt: skip
_SIGNED = {  # name → (bytes, whether all bits set mean missing)
    "forecastTime": (4, False),
    "scaleFactorOfFirstFixedSurface": (1, True),
    "scaleFactorOfSecondFixedSurface": (1, True),
}
_MISSING_IF_ALL_SET = ("scaledValueOfFirstFixedSurface", "scaledValueOfSecondFixedSurface")
_INTERVAL = struct.Struct(">7xB4xBxBI")
_INTERVAL_KEYS = (
    "numberOfTimeRanges", "typeOfStatisticalProcessing", "indicatorOfUnitForTimeRange", "lengthOfTimeRange",
)  # fmt: skip
_ENSEMBLE, _INTERVALS = {1, 11}, {8, 11}
_LENGTHS = {0: 34, 1: 37, 8: 58, 11: 61}
"""Template → octets of its section: of an interval with one time range."""


@contextmanager
def keys_of(header: bytes) -> Iterator[Keys]:
    """Give what looks up keys in a header as `scan.Part` has it."""
    plain = _plain_keys(header) if header[7] == 2 else None
    if plain is not None:
        yield plain.get
        return
    with codes.message(header, headers_only=True) as handle:
        yield partial(_key_of, handle)


def required(keys: Keys, name: str) -> int:
    """Return the value of a key.

    Raises
    ------
    ValueError
        Where there is none: the message is of a template that ecCodes does not know, or damaged.
    """
    value = keys(name)
    if value is None:
        raise ValueError(f"it has no {name}")
    return value


def _key_of(handle: int, key: str) -> int | None:
    if key in STEPS:
        # As text, because other ways fail where one of several time ranges has no unit.
        match = _STEP.fullmatch(codes.text(handle, key))
        if match is None:
            raise ValueError(f"its {key} is no time: {codes.text(handle, key)}")
        return int(match[1]) * _SECONDS[match[2]]
    if key == "typeOfStatisticalProcessing" and (codes.integer(handle, "numberOfTimeRanges") or 0) > 1:
        return int(
            eccodes.codes_get_array(handle, key)[0]
        )  # the outermost; asked for one number, ecCodes says the last
    return codes.integer(handle, key)


def _plain_keys(header: bytes) -> dict[str, int | None] | None:
    """Return the keys of a message of GRIB2 that is of one of the plain templates, else None."""
    identification = struct.unpack_from(">H5xHBBBBB", header, 16 + 5)
    product = header[start_of_product(header) :]
    template = int.from_bytes(product[7:9], "big")
    coordinates = int.from_bytes(product[5:7], "big")  # of model levels, 4 bytes each, at the end
    if template not in _LENGTHS or _LENGTHS[template] + 4 * coordinates != len(product):
        return None
    unsigned: dict[str, int] = dict(zip(_PRODUCT_KEYS, _PRODUCT.unpack_from(product, 7), strict=True))
    keys: dict[str, int | None] = dict(unsigned)
    for name, (size, can_be_missing) in _SIGNED.items():
        keys[name] = _signed(unsigned[name], 8 * size, can_be_missing)
    for name in _MISSING_IF_ALL_SET:
        if keys[name] == 0xFFFFFFFF:
            keys[name] = None
    if template in _ENSEMBLE:
        keys["perturbationNumber"] = product[35]
    if template in _INTERVALS:
        start = 37 if template in _ENSEMBLE else 34
        keys |= zip(_INTERVAL_KEYS, _INTERVAL.unpack_from(product, start), strict=True)
    centre, year, month, day, hour, minute, second = identification
    keys |= {
        "discipline": header[6],
        "centre": centre,
        "dataDate": year * 10000 + month * 100 + day,
        "dataTime": hour * 100 + minute,
        "second": second,
    }
    return keys


def start_of_product(header: bytes) -> int:
    """Return where section 4, the last one of a header, starts."""
    start = 16
    while header[start + 4] != 4:
        start += int.from_bytes(header[start : start + 4], "big")
    return start


def _signed(number: int, bits: int, can_be_missing: bool) -> int | None:
    """Return the value of a number whose first bit is its sign."""
    sign = 1 << (bits - 1)
    if can_be_missing and number == 2 * sign - 1:
        return None
    return number if number < sign else sign - number
