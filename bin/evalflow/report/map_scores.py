"""The scores at points as the pages read them: `score_maps.nc` of the folder of results."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.scores.table import METRICS

FILE = "score_maps.nc"


@dataclass(frozen=True)
class Stratum:
    """What a map is of; `lead_time` in hours."""

    param: str
    score: str
    lead_time: float
    season: str
    init_hour: str


class MapsOfTruth:
    """The maps against one truth.

    Attributes
    ----------
    label : of the truth
    grid : where the points are
    sources : source_ids, in the order of the file
    """

    def __init__(self, group: netCDF4.Dataset) -> None:
        self._group = group
        group.set_auto_mask(False)
        self.label = str(group.truth)
        self.grid = Grid(
            group["latitude"][:], group["longitude"][:], "stations" if int(group.at_stations) else "unstructured"
        )
        self.sources: list[str] = group["source"][:].tolist()
        self._axes = {name: group[name][:].tolist() for name in ("step", "season", "init_hour")}

    def strata(self) -> Iterator[Stratum]:
        """Yield what there are maps of."""
        for name in self._group.variables:
            param, _, score = name.rpartition(".")
            if score in METRICS:
                for lead in self._axes["step"]:
                    for season in self._axes["season"]:
                        for hour in self._axes["init_hour"]:
                            yield Stratum(param, score, lead, season, hour)

    def _place(self, stratum: Stratum) -> tuple[int, int, int]:
        return (
            self._axes["step"].index(stratum.lead_time),
            self._axes["season"].index(stratum.season),
            self._axes["init_hour"].index(stratum.init_hour),
        )

    def units(self, stratum: Stratum) -> str:
        """Return the unit of a score."""
        return str(self._group[f"{stratum.param}.{stratum.score}"].units)

    def count(self, stratum: Stratum) -> np.ndarray:
        """Return the number of pairs, [points]."""
        return self._group[f"{stratum.param}.n"][self._place(stratum)]

    def blocks(self, stratum: Stratum) -> int:
        """Return the number of blocks of ten days with data."""
        return int(self._group[f"{stratum.param}.blocks"][self._place(stratum)])

    def values(self, stratum: Stratum, source: str) -> np.ndarray:
        """Return a score in its unit, float32 [points]; NaN where there is none."""
        place = (self.sources.index(source), *self._place(stratum))
        return self._group[f"{stratum.param}.{stratum.score}"][place]

    def p_values(self, stratum: Stratum, source: str) -> np.ndarray:
        """Return the p value of "there is no difference to the reference", [points]; NaN where there is no test."""
        name = f"{stratum.param}.{stratum.score}.p_value"
        if name not in self._group.variables:
            return np.full(self.grid.size, np.nan, np.float32)
        return self._group[name][(self.sources.index(source), *self._place(stratum))]


class ScoreMaps:
    """The maps in a folder of results, which are open until `close`.

    Attributes
    ----------
    made_from : digest of what they were made from
    reference : source_id that differences are to, or nothing
    notes : what is missing and why, a line each
    truths : the maps against each truth

    Raises
    ------
    UserError
        Where the file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        try:
            self._file = netCDF4.Dataset(path)
            self.made_from, self.reference = str(self._file.made_from), str(self._file.reference)
            self.notes = str(self._file.notes).splitlines()
            groups = [self._file, *self._file.groups.values()]
            self.truths = [MapsOfTruth(group) for group in groups if "truth" in group.ncattrs()]
        except (OSError, AttributeError, IndexError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({error}); remove it and launch again") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def maps_made_from(folder: Path) -> str:
    """Return the digest of what the maps were made from, or nothing where there are none."""
    try:
        with netCDF4.Dataset(folder / FILE) as file:
            return str(file.made_from)
    except (OSError, AttributeError):
        return ""
