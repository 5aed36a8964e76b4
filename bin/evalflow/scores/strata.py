"""Strata: which pairs of init time and lead time a score is computed of, besides its region."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ALL = "all"
SEASONS = ("DJF", "MAM", "JJA", "SON")
Dimension = Literal["season", "init_hour", "valid_hour"]

Times = Sequence[datetime] | NDArray[np.datetime64]
Durations = Sequence[timedelta] | NDArray[np.timedelta64]


@dataclass(frozen=True)
class Case:
    """An event: the pairs whose valid time lies in it, over its region."""

    name: str
    start: datetime
    end: datetime
    region: str


@dataclass(frozen=True)
class Stratum:
    """Init times of a season and an hour, valid times of an hour, or the pairs of a case.

    Season and init hour are of the init time. Hours have two digits; a valid time of 00:10 belongs
    to hour 00.
    """

    season: str = ALL
    init_hour: str = ALL
    valid_hour: str = ALL
    case: Case | None = None

    def holds(self, init_times: Times, lead_times: Durations) -> NDArray[np.bool_]:
        """Return which pairs belong to the stratum, [inits, leads]."""
        inits = np.asarray(init_times, "datetime64[s]")[:, None]
        valid = inits + np.asarray(lead_times, "timedelta64[s]")
        held = np.ones(valid.shape, bool)
        if self.season != ALL:
            held &= seasons_of(inits) == self.season
        if self.init_hour != ALL:
            held &= hours_of(inits) == int(self.init_hour)
        if self.valid_hour != ALL:
            held &= hours_of(valid) == int(self.valid_hour)
        if self.case:
            held &= (valid >= np.datetime64(self.case.start)) & (valid <= np.datetime64(self.case.end))
        return held


def seasons_of(times: NDArray[np.datetime64]) -> NDArray[np.str_]:
    """Return the season of each time: DJF, MAM, JJA or SON."""
    month = times.astype("datetime64[M]").astype(int) % 12
    return np.array(SEASONS)[(month + 1) % 12 // 3]


def hours_of(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the hour of the day of each time, 0 to 23."""
    return (times - times.astype("datetime64[D]")).astype("timedelta64[h]").astype(int)


def all_strata(init_times: Times, lead_times: Durations, crossed: Iterable[Iterable[Dimension]] = ()) -> list[Stratum]:
    """Return the strata that hold a pair: all, each season and hour, and what is crossed.

    Parameters
    ----------
    crossed
        Lists of dimensions of which every combination is wanted too.
    """
    inits, leads = np.asarray(init_times, "datetime64[s]"), np.asarray(lead_times, "timedelta64[s]")
    present = set(seasons_of(inits))
    values: dict[str, list[str]] = {
        "season": [season for season in SEASONS if season in present],
        "init_hour": [f"{hour:02d}" for hour in np.unique(hours_of(inits))],
        "valid_hour": [f"{hour:02d}" for hour in np.unique(hours_of(inits[:, None] + leads))],
    }
    strata = [Stratum()]
    for dimensions in [("season",), ("init_hour",), ("valid_hour",), *map(tuple, crossed)]:
        for combination in product(*([ALL, *values[dimension]] for dimension in dimensions)):
            chosen = dict(zip(dimensions, combination, strict=True))
            season, init_hour, valid_hour = (chosen.get(dimension, ALL) for dimension in values)
            strata.append(Stratum(season, init_hour, valid_hour))
    strata = list(dict.fromkeys(strata))
    return [stratum for stratum in strata if stratum.holds(inits, leads).any()]
