"""What every reader of fields offers, whatever its format."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.grids import Grid


class NotThere(UserError):
    """The archive has nothing of an init time: missing values to count, no user's mistake."""


class Reader(Protocol):
    """A source of fields.

    Values are float32 arrays of one dimension, the points of `grid(param)`; missing is NaN. Names
    of params are canonical (`params.param_named`), values are in the param's own unit. Times are
    naive and in UTC. Precipitation whose name in the file says the hours is `TOT_PREC<N>`, any
    other `TOT_PREC`; of both `accumulation` says what time they are sums of.

    Attributes
    ----------
    notes : one line for each thing that was left out or repaired, for the user to see
    """

    notes: list[str]

    def params(self) -> set[str]:
        """Return the params that are held directly: what is derived from them is not among them."""

    def members(self, param: str) -> list[str]:
        """Return the ensemble members (`000`, …) of a param; none: it is no ensemble."""

    def grid(self, param: str) -> Grid:
        """Return the points that values of a param belong to."""

    def files(self, params: Iterable[str], times: Iterable[Any]) -> list[Path]:
        """Return the files that hold values of some params and times: of a Zarr store its chunks.

        Where one of them has another size or mtime, values may have been replaced. What comes from
        no file (a command) has none.
        """

    def packing(self, param: str, time: Any) -> float:
        """Return how far two values that the file can hold are apart, in the param's unit.

        It is 0 where values are not packed, and where there are none.
        """

    def describe(self, param: str, time: Any = None) -> str:
        """Return where a param (at a time) comes from, for messages: file, variable, units."""


class Forecast(Reader, Protocol):
    """The forecast of one init time, by lead time."""

    def lead_times(self, param: str) -> list[timedelta]:
        """Return the lead times of a param, sorted."""

    def read(self, param: str, lead_time: timedelta, member: str | None = None) -> np.ndarray:
        """Return the values at a lead time."""

    def accumulation(self, param: str, lead_time: timedelta) -> timedelta | None:
        """Return the length of the time, ending at a lead time, that the values are a sum of.

        It ends at the lead time. It is the lead time itself where they are sums since the start,
        and None where they are no sums.

        Raises
        ------
        UserError
            Where the values are sums and the files do not say of what time.
        """


class Archive(Reader, Protocol):
    """Analyses or observations, by valid time."""

    def valid_times(self, param: str) -> list[datetime] | None:
        """Return the valid times of a param, sorted; None: a service or command is to be asked."""

    def read(self, param: str, valid_time: datetime, member: str | None = None) -> np.ndarray:
        """Return the values at a valid time: all missing where the archive has no such time."""

    def read_many(
        self, params: Iterable[str], valid_times: Iterable[datetime], member: str | None = None
    ) -> Iterator[tuple[str, datetime, np.ndarray]]:
        """Yield (param, valid time, values), each once.

        The order is the one that reads each chunk or file of the archive once. What the archive has
        not is not yielded.
        """

    def accumulation(self, param: str, valid_time: datetime) -> timedelta | None:
        """Return the length of the time that the values at a valid time are a sum of, or None."""


def member_index(members: list[str], member: str | None, where: str) -> int:
    """Return the place of a member among those that there are: 0 where the source is no ensemble.

    Parameters
    ----------
    members : names as `Reader.members` has them
    member : the one asked for; None and `control` mean `000`
    where : names the source in the message

    Raises
    ------
    UserError
        Where there is no such member.
    """
    wanted = "000" if member in (None, "control") else member
    if wanted in members:
        return members.index(wanted)
    if wanted == "000" and len(members) < 2:
        return 0
    there = f"there are {members[0]} to {members[-1]}" if members else "it is no ensemble"
    raise UserError(f"{where}: no member {wanted}; {there}")
