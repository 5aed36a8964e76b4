"""One field at one time, in whatever format: what the proof of a forecast looks at."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class Stored(Protocol):
    """Where a field is kept: asked only where somebody is to read of it."""

    def name(self) -> str:
        """Return what people call the field, with its level."""

    def grid_name(self) -> str:
        """Return what people call its grid."""

    def is_written(self) -> bool:
        """Tell whether anything was written: arrays have places for times that never came."""

    def is_missing(self) -> bool:
        """Tell whether it has no value at any point.

        Raises
        ------
        UserError
            Where its values cannot be decoded.
        """


@dataclass(frozen=True, slots=True)
class Entry:
    """A field at a time.

    Attributes
    ----------
    what : tells it from other fields: its numbers, level, statistic and member, or its name in
        files that have names
    grid : tells its grid from others
    reference_time : the init time that it says itself; that of the forecast where it says none
    lead_time : from the reference time to its valid time
    where : its place, for messages
    stored : where it is kept
    """

    what: Hashable
    grid: Hashable
    reference_time: datetime
    lead_time: timedelta
    where: str
    stored: Stored

    @property
    def valid_time(self) -> datetime:
        """Return the moment that it is of, or the end of the interval."""
        return self.reference_time + self.lead_time
