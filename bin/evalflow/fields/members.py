"""Members of ensembles: one of them, or the mean of all."""

from datetime import timedelta

import numpy as np

from evalflow.fields.derived import DerivedForecast

MEAN = "mean"


class OneMember:
    """A forecast without members: one member of an ensemble, or the mean over all.

    The mean of a derived param is the mean of the members' own: the speed of the mean wind would be
    too low.

    Parameters
    ----------
    reader : derives params per member
    member : `000` or `control`, other digits, or `mean`; anything else must be what the files are
        of
    """

    def __init__(self, reader: DerivedForecast, member: str | None = None) -> None:
        self._reader, self._member = reader, member
        self._own_notes: dict[str, int] = {}
        self.params, self.lead_times = reader.params, reader.lead_times
        self.grid, self.describe, self.accumulation = reader.grid, reader.describe, reader.accumulation
        self.use_only, self.files, self.packing = reader.use_only, reader.files, reader.packing

    @property
    def notes(self) -> list[str]:
        """Return the reader's notes, and how many members were missing."""
        own = [
            f"{param}: {count} fields of single members are missing in means"
            for param, count in self._own_notes.items()
        ]
        return self._reader.notes + own

    def members(self, param: str) -> list[str]:
        """Return no members."""
        return []

    def read(self, param: str, lead_time: timedelta, member: str | None = None) -> np.ndarray:
        """Return the values (float32 [points]) at a lead time.

        A member whose field is missing everywhere takes no part in a mean; a point that any other
        lacks is missing.

        Raises
        ------
        UserError
            Where they cannot be had, or there is no such member.
        """
        if self._member != MEAN:
            return self._reader.read(param, lead_time, self._member)
        members: list[str | None] = [*self._reader.members(param)] or [None]
        total, count = None, 0
        for one in members:
            values = self._reader.read(param, lead_time, one)
            if np.isnan(values).all():
                self._own_notes[param] = self._own_notes.get(param, 0) + 1
                continue
            total = values.astype(np.float64) if total is None else total + values
            count += 1
        return values if total is None else (total / count).astype(np.float32)

    def read_members(self, param: str, lead_time: timedelta) -> list[np.ndarray]:
        """Return the values (float32 [points]) of all members, where this is their mean; else nothing.

        Raises
        ------
        UserError
            Where they cannot be had.
        """
        members = self._reader.members(param) if self._member == MEAN else []
        return [self._reader.read(param, lead_time, one) for one in members]
