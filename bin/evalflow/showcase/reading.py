"""What is drawn of: the fields of a forecast, of the truth at its valid times, or of what is made of the truth."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.derived import DerivedArchive
from evalflow.fields.grids import Grid
from evalflow.fields.members import OneMember
from evalflow.fields.open import open_truth
from evalflow.fields.params import Param, param_named
from evalflow.fields.quality import problem_with_field
from evalflow.fields.reader import NotThere
from evalflow.reading.opening import has_lead_times, has_param, last_day_before, open_source, truth_spec
from evalflow.showcase.spec import Item, ShowcaseSpec
from evalflow.store.layout import init_time_of

_SINCE_START = "TOT_PREC"


class Fields(Protocol):
    """Fields by param and lead time."""

    @property
    def notes(self) -> list[str]:
        """Return what was left out, a line each."""

    def has(self, param: str) -> bool:
        """Return whether there is a param."""

    def grid(self, param: str) -> Grid:
        """Return the points of a param."""

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return the values (float32 [points]), or None where there are none that can be right."""

    def members(self, param: str, lead_time: timedelta) -> list[np.ndarray]:
        """Return the values of the members of an ensemble whose mean this is."""


def _checked(values: np.ndarray, param: Param, where: str, notes: list[str]) -> np.ndarray | None:
    if np.isnan(values).all():
        return None
    problem = problem_with_field(values, param)
    if problem:
        notes.append(f"{where}: {problem}; the field is left out")
        return None
    return values


class ForecastFields:
    """The fields of a forecast."""

    def __init__(self, reader: OneMember) -> None:
        self._reader = reader
        self._leads: dict[str, set[timedelta]] = {}
        self._own_notes: list[str] = []

    @property
    def notes(self) -> list[str]:
        """Return what the reader and this have left out."""
        return [*self._reader.notes, *self._own_notes]

    def has(self, param: str) -> bool:
        """Return whether there is a param at any lead time."""
        return has_lead_times(self._reader, param)

    def grid(self, param: str) -> Grid:
        """Return the points of a param."""
        return self._reader.grid(param)

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return the values, or None."""
        if param not in self._leads:
            self._leads[param] = set(self._reader.lead_times(param))
        if lead_time not in self._leads[param]:
            return None
        try:
            values = self._reader.read(param, lead_time)
        except UserError as error:
            self._own_notes.append(str(error))
            return None
        return _checked(values, param_named(param), self._reader.describe(param, lead_time), self._own_notes)

    def members(self, param: str, lead_time: timedelta) -> list[np.ndarray]:
        """Return the members of a mean."""
        return self._reader.read_members(param, lead_time)


def can_draw(archive: DerivedArchive, param: str) -> bool:
    """Return whether an archive has a param that can be read; verification says why it cannot."""
    try:
        return has_param(archive, param)
    except UserError:
        return False


class TruthFields:
    """The truth at the valid times of a forecast; amounts since the start are those since the init time."""

    def __init__(self, archive: DerivedArchive, init_time: datetime) -> None:
        self._archive, self._init_time = archive, init_time
        self._notes: list[str] = []

    @property
    def notes(self) -> list[str]:
        """Return what was left out."""
        return self._notes

    def has(self, param: str) -> bool:
        """Return whether the archive has a param that can be read."""
        return can_draw(self._archive, param)

    def grid(self, param: str) -> Grid:
        """Return the points of a param."""
        return self._archive.grid(param)

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return the values, or None."""
        return self.read_at(param, self._init_time + lead_time)

    def read_at(self, param: str, time: datetime) -> np.ndarray | None:
        """Return the values of any valid time, or None."""
        try:
            if param == _SINCE_START:
                values = self._archive.read_sum(self._init_time, time)
            else:
                values = self._archive.read(param, time)
        except UserError as error:
            self._notes.append(str(error))
            return None
        # A few stations may well have one value.
        few = self._archive.grid(param).kind == "stations"
        known = replace(param_named(param), may_be_constant=True) if few else param_named(param)
        return _checked(values, known, self._archive.describe(param, time), self._notes)

    def members(self, param: str, lead_time: timedelta) -> list[np.ndarray]:
        """Return none."""
        return []


class PersistenceFields(TruthFields):
    """The truth at the init time, or at the last time not after it at the valid hour."""

    def __init__(self, archive: DerivedArchive, init_time: datetime, daily: bool) -> None:
        super().__init__(archive, init_time)
        self._start, self._daily = init_time, daily

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return the truth of another time."""
        time = last_day_before(self._start, self._start + lead_time) if self._daily else self._start
        return None if param == _SINCE_START else self.read_at(param, time)


class Opened:
    """Opens what items are drawn of; a truth is opened once."""

    def __init__(self, spec: ShowcaseSpec) -> None:
        self.spec = spec
        self._truths: dict[int, DerivedArchive] = {}

    def archive(self, number: int) -> DerivedArchive:
        """Return the reader of a truth.

        Raises
        ------
        UserError
            Where it cannot be opened.
        """
        if number not in self._truths:
            self._truths[number] = open_truth(truth_spec(self.spec.truths[number], self.spec.grids, self.spec.folders))
        return self._truths[number]

    def truth(self, number: int, init_time: datetime) -> TruthFields:
        """Return the fields of a truth at the valid times of a forecast."""
        return TruthFields(self.archive(number), init_time)

    def fields(self, item: Item) -> Fields | None:
        """Return the fields of an item; None where there is no such forecast.

        Raises
        ------
        UserError
            Where it cannot be read.
        """
        init_time = init_time_of(item.init_time)
        if item.truth is not None:
            return self.truth(item.truth, init_time)
        source = self.spec.sources[item.source or 0]
        if source.builtin:
            return PersistenceFields(self.archive(0), init_time, source.builtin == "persistence_24h")
        try:
            return ForecastFields(open_source(source, init_time, self.spec.grids))
        except NotThere:
            return None
