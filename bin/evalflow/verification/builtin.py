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


class Persistence:
    """The truth at the init time, or at the last time not after it at the valid hour."""

    def __init__(self, truth: TruthCopy, init_time: datetime, daily: bool) -> None:
        self._truth, self._init_time, self._daily = truth, init_time, daily

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return the truth of another time."""
        valid = self._init_time + lead_time
        return self._truth.read(param, last_day_before(self._init_time, valid) if self._daily else self._init_time)


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
