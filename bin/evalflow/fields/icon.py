"""Archives of ICON's forecasts: one GRIB file per lead time and member."""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.grib.index import Message, read_index
from evalflow.fields.grib.params import is_known
from evalflow.fields.grib.reader import GribForecast
from evalflow.fields.grid_files import GridFiles
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import SourceSpec

_SHOWN = 3
"""Files of a forecast that are looked into to see what there is: first, middle, last."""


def forecast(source: SourceSpec, init_time: datetime, files: list[Path]) -> GribForecast:
    """Return the forecast of an init time.

    The archive's layout says which files it is in; `files` does not count.
    """
    catalogue = IconFiles(source.root, init_time, source.member)
    return GribForecast(catalogue, units=source.units, find_grid=GridFiles(source.grids).find)


class IconFiles:
    """One forecast of an ICON archive.

    Its files are `FCST{yy}/{yymmddHH}_*/grib/i{1|2}eff{DD}{HH}{MM}{SS}_{member}`.
    A file has all fields of a lead time and member, a thousand of them. So each is looked into when
    its lead time is first asked for, and of the archive's members only those that are wanted.
    """

    _NAME = re.compile(r"i([12])eff(\d\d)(\d\d)(\d\d)(\d\d)_(\w+)")

    def __init__(self, root: Path, init_time: datetime, member: str) -> None:
        """Find the files of a forecast.

        Parameters
        ----------
        root : holds `FCST{yy}`
        init_time : of the forecast
        member : digits, `mean` (all members with a number) or `median` (a file of its own)

        Raises
        ------
        NotThere
            Where the archive has no such forecast.
        """
        self.notes: list[str] = []
        self._median = member == "median"
        self._files: dict[timedelta, list[tuple[Path, int]]] = defaultdict(list)
        self._messages: dict[timedelta, list[Message]] = {}
        models = set()
        for path in sorted(root.glob(f"FCST{init_time:%y}/{init_time:%y%m%d%H}_*/grib/i[12]eff*")):
            match = self._NAME.fullmatch(path.name)
            if match is None or not _is_wanted(match[6], member) or match[1] not in _models_of(root):
                continue
            models.add(match[1])
            days, hours, minutes, seconds = (int(match[place]) for place in (2, 3, 4, 5))
            lead = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            self._files[lead].append((path, 0 if self._median else int(match[6])))
        if not self._files:
            raise NotThere(f"{root}: no forecast of {init_time:%Y-%m-%d %H:%M} UTC, member {member}")
        if len(models) > 1:
            raise UserError(
                f"{root}: has forecasts of ICON-CH1-EPS and ICON-CH2-EPS; name the folder of one by its model"
            )
        self.times = sorted(self._files)
        self.where = str(self._files[self.times[0]][0][0])

    def messages(self, time: timedelta) -> list[Message]:
        """Return the messages of a lead time. The files' names say of which member they are."""
        if time not in self._messages:
            self._messages[time] = [
                self._of_member(message, member)
                for path, member in self._files.get(time, [])
                for message in read_index([path], wanted=is_known, damage=self.notes)
            ]
        return self._messages[time]

    def _of_member(self, message: Message, member: int) -> Message:
        # The median is written as a percentile, which is no param elsewhere.
        field = replace(message.field, more=()) if self._median else message.field
        return replace(message, field=field, member=member)

    def sample(self) -> list[timedelta]:
        """Return the first lead time, one in the middle and the last one."""
        return sorted({self.times[(len(self.times) - 1) * part // (_SHOWN - 1)] for part in range(_SHOWN)})


def _is_wanted(found: str, member: str) -> bool:
    if member == "mean":
        return found.isdigit()
    return found == ("000" if member == "control" else member.zfill(3))


def _models_of(root: Path) -> str:
    """Return which models the path means, as files have it in their names: 1, 2 or both."""
    path = str(root).upper()
    found = [model for model in "12" if f"CH{model}" in path]
    return "".join(found) if len(found) == 1 else "12"
