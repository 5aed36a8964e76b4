"""Time series at places: nearest points of stations, means over regions."""

from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from evalflow.documents import Document
from evalflow.errors import UserError
from evalflow.fields.grids import Grid, arc_km, unit_vectors
from evalflow.fields.points.neighbours import REACH, STATION_REACH_KM
from evalflow.fields.points.regions import Region, RegionSpec, read_region
from evalflow.fields.points.spacing import spacing
from evalflow.reading.entries import RegionEntry
from evalflow.showcase.products import possible_leads
from evalflow.showcase.reading import Fields
from evalflow.showcase.spec import StationFound
from evalflow.store.files import read_json, write_new

_CANDIDATES = 8
"""Nearest points that are looked at: of a field on several grids, some are missing by construction."""
_BAND = (10.0, 90.0)
"""Percentiles of an ensemble's members between which its band is drawn."""

Line = list[float | None]


class PointEntry(Document):
    """The point that stands for a station.

    Attributes
    ----------
    lat, lon : degrees
    distance_km : from the station
    elevation : m, where it is known
    """

    lat: float
    lon: float
    distance_km: float
    elevation: float | None = None


class ParamSeries(Document):
    """The values of one param, in its own unit: per place a value for each lead time.

    Attributes
    ----------
    lead_times : hours
    values : at each station, then of each region; None where there is none
    low, high : 10th and 90th percentile of members; nothing where there are none
    """

    lead_times: list[float]
    values: list[list[float | None]]
    low: list[list[float | None]] | None = None
    high: list[list[float | None]] | None = None


class SeriesFile(Document):
    """Time series of one forecast, or of the truth at its valid times.

    Attributes
    ----------
    points : of each station, or None where it is outside
    params : param → values
    notes : what was left out, a line each
    """

    points: list[PointEntry | None]
    params: dict[str, ParamSeries]
    notes: list[str]


def read_regions(entries: list[RegionEntry], problems: list[str]) -> list[Region]:
    """Return the regions that can be read; each other one adds a line to `problems`."""
    found = []
    for entry in entries:
        try:
            found.append(read_region(RegionSpec(entry.name, entry.box, entry.file)))
        except UserError as error:
            problems.append(f"showcase: {error}")
    return found


class Places:
    """Where stations and regions are on a grid."""

    def __init__(self, grid: Grid, stations: list[StationFound], regions: list[Region]) -> None:
        self.grid, self.stations = grid, stations
        self._candidates, self._km, self._reach = self._near()
        self._regions = [np.flatnonzero(region.contains(grid.latitudes, grid.longitudes)) for region in regions]
        self._weights = grid.weights()

    def _near(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the nearest points of each station, how far they are and how far they reach [stations, 8]."""
        grid, count = self.grid, min(_CANDIDATES, self.grid.size)
        places = unit_vectors(
            np.array([one.lat for one in self.stations]), np.array([one.lon for one in self.stations])
        )
        if not self.stations:
            empty = np.zeros((0, count))
            return empty.astype(int), empty, empty
        tree = cKDTree(unit_vectors(grid.latitudes, grid.longitudes), balanced_tree=False, compact_nodes=False)
        chords, points = tree.query(places, k=count)
        chords, points = chords.reshape(-1, count), points.reshape(-1, count)
        if grid.kind == "stations":
            reach = np.full(points.shape, STATION_REACH_KM)
        else:
            each, place = np.unique(points, return_inverse=True)
            reach = REACH * np.nan_to_num(spacing(grid, each), nan=0)[place].reshape(points.shape)
        return points, arc_km(chords), reach

    def chosen(self, values: np.ndarray) -> np.ndarray:
        """Return the point of each station: the nearest that has a value and reaches; -1: none."""
        good = (self._km <= self._reach) & ~np.isnan(values[self._candidates])
        first = np.argmax(good, axis=1)
        rows = np.arange(len(first))
        return np.where(good.any(axis=1), self._candidates[rows, first], -1)

    def pick(self, values: np.ndarray) -> np.ndarray:
        """Return the values (float64) at each station, then the mean of each region; NaN: none."""
        chosen = self.chosen(values)
        at_stations = np.where(chosen >= 0, values[chosen], np.nan).astype(np.float64)
        means = [self._mean(values, points) for points in self._regions]
        return np.concatenate([at_stations, means])

    def _mean(self, values: np.ndarray, points: np.ndarray) -> float:
        there = points[~np.isnan(values[points])]
        weights = self._weights[there]
        return float(np.average(values[there].astype(np.float64), weights=weights)) if weights.sum() > 0 else np.nan

    def points(self, values: np.ndarray) -> list[PointEntry | None]:
        """Return the point of each station, by a field that shows which points there are."""
        found: list[PointEntry | None] = []
        for number, point in enumerate(self.chosen(values)):
            if point < 0:
                found.append(None)
                continue
            height = None if self.grid.elevation is None else float(self.grid.elevation[point])
            found.append(
                PointEntry(
                    lat=round(float(self.grid.latitudes[point]), 5),
                    lon=round(float(self.grid.longitudes[point]), 5),
                    distance_km=round(float(self._km[number][self._candidates[number] == point][0]), 3),
                    elevation=None if height is None or np.isnan(height) else round(height, 1),
                )
            )
        return found


class SeriesMaker:
    """Collects the series of one item, field by field.

    Attributes
    ----------
    points : of the stations, once a field has shown them
    """

    def __init__(self, stations: list[StationFound], regions: list[Region]) -> None:
        self.stations, self.regions = stations, regions
        self.points: list[PointEntry | None] | None = None
        self.params: dict[str, ParamSeries] = {}
        self._places: dict[str, Places] = {}
        self._rows: dict[str, dict[timedelta, list[np.ndarray]]] = {}

    def add(self, param: str, lead_time: timedelta, grid: Grid, fields: list[np.ndarray]) -> None:
        """Add a field.

        Parameters
        ----------
        fields : the field, then those of the members whose mean it is
        """
        if grid.digest not in self._places:
            self._places[grid.digest] = Places(grid, self.stations, self.regions)
        places = self._places[grid.digest]
        if self.points is None:
            self.points = places.points(fields[0])
        row = [places.pick(fields[0])]
        if len(fields) > 2:
            members = np.stack([places.pick(one) for one in fields[1:]])
            row += list(np.nanpercentile(members, _BAND, axis=0)) if not np.isnan(members).all() else []
        self._rows.setdefault(param, {})[lead_time] = row

    def finish(self, param: str, lead_times: list[timedelta]) -> None:
        """Say that all fields of a param have come."""
        rows = self._rows.pop(param, {})
        if not rows:
            return
        leads = possible_leads(param, lead_times)
        count = len(self.stations) + len(self.regions)
        lines = [self._line(rows, leads, place, count) for place in range(max(map(len, rows.values())))]
        low, high = (lines[1], lines[2]) if len(lines) == 3 else (None, None)
        hours = [lead.total_seconds() / 3600 for lead in leads]
        self.params[param] = ParamSeries(lead_times=hours, values=lines[0], low=low, high=high)

    def _line(
        self, rows: dict[timedelta, list[np.ndarray]], leads: list[timedelta], place: int, count: int
    ) -> list[list[float | None]]:
        missing = np.full(count, np.nan)
        table = [rows[lead][place] if lead in rows and place < len(rows[lead]) else missing for lead in leads]
        return [[None if np.isnan(value) else float(f"{value:.7g}") for value in line] for line in np.transpose(table)]

    def file(self, fields: Fields) -> SeriesFile:
        """Return all series."""
        return SeriesFile(
            points=self.points or [None] * len(self.stations),
            params=self.params,
            notes=list(dict.fromkeys(fields.notes)),
        )


def write_series(path: Path, series: SeriesFile) -> None:
    """Put series into the store."""
    write_new(path, series.to_json() + "\n")


def read_series(path: Path) -> SeriesFile | None:
    """Return the series of a file, or None where there is none that is whole."""
    data = read_json(path)
    try:
        return SeriesFile.model_validate(data) if data else None
    except ValueError:
        return None
