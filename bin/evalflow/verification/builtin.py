"""Forecasts that are made of the truth: persistence, persistence of the day before, climatology."""

from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from evalflow.errors import UserError
from evalflow.verification.climatology import Climatology
from evalflow.verification.truth import TruthCopy, last_day_before


class AtPoints(Protocol):
    """A forecast at the points of the domain."""

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return a field (float32 [points]), or None if there is none at this lead time."""

    def packing(self, param: str, lead_time: timedelta) -> float:
        """Return how far two values of a field are apart where it comes from; 0: not packed."""


class Persistence:
    """The truth at the init time, or at the last time not after it at the valid hour."""

    def __init__(self, truth: TruthCopy, init_time: datetime, daily: bool) -> None:
        self._truth, self._init_time, self._daily = truth, init_time, daily

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return the truth of another time."""
        return self._truth.read(param, self._time(lead_time))

    def packing(self, param: str, lead_time: timedelta) -> float:
        """Return that of the truth."""
        return self._truth.packing(param, self._time(lead_time))

    def _time(self, lead_time: timedelta) -> datetime:
        return last_day_before(self._init_time, self._init_time + lead_time) if self._daily else self._init_time


class FromClimatology:
    """The mean of a reference period at the valid time's hour and time of the year."""

    def __init__(self, climatology: Climatology, init_time: datetime) -> None:
        self._climatology, self._init_time = climatology, init_time

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return the climatology of the valid time.

        Raises
        ------
        UserError
            Where there is none.
        """
        values = self._climatology.read(param, self._init_time + lead_time)
        if values is None:
            raise UserError("the truth has none of the reference period of this climatology")
        return values

    def packing(self, param: str, lead_time: timedelta) -> float:
        """Return 0: means are not packed."""
        return 0.0
