"""What is in GRIB files: one description per field, from the headers alone.

The proof that a forecast is whole and the readers use the same index. A field is told from others
by its numbers, never by a short name (`10fg` becomes `10fg3` where steps get longer) nor by how its
time is coded.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.grib.codes import GribError
from evalflow.fields.grib.headers import Keys, keys_of, required
from evalflow.fields.grib.scan import Part, is_grib, scan
from evalflow.fields.grib.times import GRIB1_MOMENTS, grib1_times, grib2_times

_LOCAL = 192
"""Numbers from here on are a centre's own (GRIB2)."""
_LOCAL_TABLE = 128
"""Tables from here on are a centre's own (GRIB1)."""
_ECMWF = 98
_ECMWF_IN_GRIB2 = 192
"""Discipline in which ECMWF keeps the tables and numbers of GRIB1."""
# The same quantity over another time has another number in ECMWF's tables: (table, number) → that
# of the first.
TWINS: dict[tuple[int, ...], tuple[int, ...]] = {
    (128, 123): (128, 49), (228, 28): (128, 49),  # 10fg6, 10fg3 → 10fg
    (128, 121): (128, 201), (228, 26): (128, 201),  # mx2t6, mx2t3 → mx2t
    (128, 122): (128, 202), (228, 27): (128, 202),  # mn2t6, mn2t3 → mn2t
    (228, 222): (228, 226), (228, 224): (228, 226),  # mxtpr3, mxtpr6 → mxtpr
    (228, 223): (228, 227), (228, 225): (228, 227),  # mntpr3, mntpr6 → mntpr
}  # fmt: skip
_GRIB1_STATISTICS = {2: "range", 3: "mean", 4: "sum", 5: "difference"}
_GRIB2_STATISTICS = {0: "mean", 1: "sum", 2: "maximum", 3: "minimum", 4: "difference", 5: "rms", 6: "deviation"}
# Templates of GRIB2 that say no more than where, when and of which member.
_PLAIN_TEMPLATES = {0, 1, 8, 11}
# What else can tell fields apart: kinds of probability, constituents, waves, tiles, satellites.
_MORE = (
    "derivedForecast", "percentileValue", "probabilityType", "forecastProbabilityNumber",
    "scaleFactorOfLowerLimit", "scaledValueOfLowerLimit", "scaleFactorOfUpperLimit", "scaledValueOfUpperLimit",
    "constituentType", "aerosolType", "scaleFactorOfFirstSize", "scaledValueOfFirstSize",
    "scaleFactorOfFirstWavelength", "scaledValueOfFirstWavelength",
    "directionNumber", "waveDirectionNumber", "frequencyNumber", "waveFrequencyNumber",
    "periodNumber", "tileClassification", "tileIdentification", "attributeOfTile",
    "satelliteSeries", "satelliteNumber", "instrumentType", "channelNumber",
)  # fmt: skip
_MORE_OF_GRIB1 = ("forecastProbabilityNumber", "directionNumber", "frequencyNumber", "clusterNumber")
_MARS_TYPES = {17: "ensemble mean", 18: "ensemble deviation"}


@dataclass(frozen=True, slots=True)
class Field:
    """What a field is, apart from when, where and of which member.

    Attributes
    ----------
    edition : of GRIB
    numbers : (discipline, category, number) in GRIB2, (table, number) in GRIB1
    centre : that the numbers belong to, None where they are those of the WMO
    statistic : over time: `sum`, `mean`, `maximum`, …; None: of one moment
    first, second : surfaces as (code, value): of GRIB2 in SI units; `second` is None where there is
        none
    more : other keys that tell fields apart, as pairs
    """

    edition: int
    numbers: tuple[int, ...]
    centre: int | None
    statistic: str | None
    first: tuple[int, float]
    second: tuple[int, float] | None = None
    more: tuple[tuple[str, int | str], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One field in a file.

    Attributes
    ----------
    path : the file
    number : of the message in the file, from 1
    pieces : (offset, length) of its parts in the file
    field : what it is
    reference_time : the init time that it says itself
    lead_time : from the reference time to the moment, or to the end of the interval
    interval : length of the interval that a statistic is over; None: of one moment
    member : number in the ensemble, or None where the message says none
    grid : SHA-256 of the section that describes the grid
    """

    path: Path
    number: int
    pieces: tuple[tuple[int, int], ...]
    field: Field
    reference_time: datetime
    lead_time: timedelta
    interval: timedelta | None
    member: int | None
    grid: str

    @property
    def valid_time(self) -> datetime:
        """Return the moment that it is of, or the end of the interval."""
        return self.reference_time + self.lead_time

    @property
    def where(self) -> str:
        """Return file and message, for error messages."""
        return f"{self.path}: message {self.number}"


def read_index(
    files: Iterable[Path],
    wanted: Callable[[bytes], bool] | None = None,
    damage: list[str] | None = None,
    unknown: list[str] | None = None,
) -> list[Message]:
    """Return what is in GRIB files, in the order of files and messages.

    Files that are no GRIB are passed over.

    Parameters
    ----------
    files : GRIB 1 or 2, or anything else
    wanted : decides by a header, before it is decoded, whether the field is of interest
    damage : gets a line for each file that is cut off or damaged, of which what lies before that is
        returned; None: such a file is an error
    unknown : gets a line for each message that is whole and cannot be described, which is then
        passed over; without it, such a message is an error

    Raises
    ------
    UserError
        Where a message is cut off, damaged, or has a time that does not exist.
    """
    found = []
    for path in files:
        if not is_grib(path):
            continue
        try:
            for part in scan(path):
                if wanted is None or wanted(part.header):
                    found += _described(path, part, unknown)
        except UserError as error:
            if damage is None:
                raise
            damage.append(f"{error}; what begins there is left out")
    return found


def _described(path: Path, part: Part, unknown: list[str] | None) -> list[Message]:
    """Return a message as a list of one, or none where it cannot be described and `unknown` takes a line on it."""
    try:
        return [_describe(path, part)]
    except UserError as error:
        if unknown is None:
            raise
        unknown.append(str(error))
        return []


def _describe(path: Path, part: Part) -> Message:
    try:
        with keys_of(part.header) as keys:
            edition = part.header[7]
            field, member = (_field_of_grib1 if edition == 1 else _field_of_grib2)(keys)
            reference_time, lead_time, interval = (grib1_times if edition == 1 else grib2_times)(keys)
    except (GribError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: message {part.number} cannot be read: {error}") from None
    return Message(
        path, part.number, part.pieces, field, reference_time, lead_time, interval, member, _digest(part.grid)
    )


@functools.lru_cache(maxsize=64)
def _digest(section: bytes) -> str:
    return hashlib.sha256(section).hexdigest()


def _field_of_grib1(keys: Keys) -> tuple[Field, int | None]:
    """Return what a field of GRIB1 is, and its member."""
    table, number = required(keys, "table2Version"), required(keys, "indicatorOfParameter")
    centre, indicator = keys("centre"), required(keys, "timeRangeIndicator")
    more: list[tuple[str, int | str]] = [(key, value) for key in _MORE_OF_GRIB1 if (value := keys(key))]
    kind = _MARS_TYPES.get((centre == _ECMWF and keys("marsType")) or 0)
    if kind:
        more.append(("type", kind))
    numbers: tuple[int, ...] = (table, number)
    if centre == _ECMWF:
        numbers = TWINS.get(numbers, numbers)
    # Both halves of a layer are in one number of two bytes; of a level it is the level.
    level = keys("topLevel"), keys("bottomLevel")
    field = Field(
        edition=1,
        numbers=numbers,
        centre=centre if table >= _LOCAL_TABLE else None,
        statistic=None if indicator in GRIB1_MOMENTS else _GRIB1_STATISTICS.get(indicator, f"indicator {indicator}"),
        first=(required(keys, "indicatorOfTypeOfLevel"), float(level[0] or 0)),
        second=None if level[0] == level[1] else (0, float(level[1] or 0)),
        more=tuple(more),
    )
    return field, keys("perturbationNumber")


def _field_of_grib2(keys: Keys) -> tuple[Field, int | None]:
    """Return what a field of GRIB2 is, and its member."""
    numbers = tuple(required(keys, key) for key in ("discipline", "parameterCategory", "parameterNumber"))
    more = []
    if keys("productDefinitionTemplateNumber") not in _PLAIN_TEMPLATES:
        more = [(key, value) for key in _MORE if (value := keys(key)) is not None]
    centre = keys("centre")
    if centre == _ECMWF and numbers[0] == _ECMWF_IN_GRIB2:
        numbers = (numbers[0], *TWINS.get(numbers[1:], numbers[1:]))
    statistic = keys("typeOfStatisticalProcessing")
    field = Field(
        edition=2,
        numbers=numbers,
        centre=centre if max(numbers) >= _LOCAL else None,
        statistic=None if statistic is None else _GRIB2_STATISTICS.get(statistic, f"statistic {statistic}"),
        first=_surface(keys, "First") or (255, 0.0),
        second=_surface(keys, "Second"),
        more=tuple(more),
    )
    return field, keys("perturbationNumber")


def _surface(keys: Keys, which: str) -> tuple[int, float] | None:
    code = keys(f"typeOf{which}FixedSurface")
    if code in (None, 255):
        return None
    value = keys(f"scaledValueOf{which}FixedSurface")
    factor = keys(f"scaleFactorOf{which}FixedSurface")
    # A surface without a value, such as the ground, is written with 0 or with a missing value. The
    # division is exact enough that 20 with factor 1 and 2 with factor 0 are one height.
    value, factor = value or 0, factor or 0
    return code, value / 10**factor if factor >= 0 else float(value * 10**-factor)
