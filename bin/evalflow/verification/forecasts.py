"""A forecast in files, brought to the points of the domain."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from evalflow.fields.grids import Grid
from evalflow.fields.members import OneMember
from evalflow.fields.params import param_named
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.quality import problem_with_field


class FromFiles:
    """A forecast in files, at the points of the domain.

    Parameters
    ----------
    forecast : its reader
    find_points : returns how the points are filled from a grid
    """

    def __init__(self, forecast: OneMember, find_points: Callable[[Grid], Mapping]) -> None:
        self._forecast, self._find_points = forecast, find_points
        self._left_out: list[str] = []
        self._mappings: dict[str, Mapping] = {}
        self._elevations: dict[str, np.ndarray | None] = {}

    @property
    def notes(self) -> list[str]:
        """Return what was left out or repaired, a line each."""
        return [*self._forecast.notes, *self._left_out]

    def read(self, param: str, lead_time: timedelta) -> np.ndarray | None:
        """Return a field (float32 [points]), or None if there is none at this lead time."""
        if lead_time not in self._forecast.lead_times(param):
            return None
        mapping = self._mapping(param)
        values = mapping.apply(self._forecast.read(param, lead_time))
        problem = problem_with_field(values, param_named(param))
        if problem:
            self._left_out.append(f"{self._forecast.describe(param, lead_time)}: {problem}; the field is left out")
            return None
        return values

    def packing(self, param: str, lead_time: timedelta) -> float:
        """Return how far two values of a field are apart in the files; 0: not packed."""
        return self._forecast.packing(param, lead_time)

    def elevation(self, param: str) -> np.ndarray | None:
        """Return the forecast's elevation (m, float32 [points]) where it is known."""
        if param not in self._elevations:
            elevation = self._forecast.grid(param).elevation
            self._elevations[param] = None if elevation is None else self._mapping(param).apply(elevation)
        return self._elevations[param]

    def _mapping(self, param: str) -> Mapping:
        """Return how the points are filled with a param; tell the reader which of its own are used."""
        if param not in self._mappings:
            self._mappings[param] = self._find_points(self._forecast.grid(param))
            self._forecast.use_only(param, self._mappings[param].used)
        return self._mappings[param]
