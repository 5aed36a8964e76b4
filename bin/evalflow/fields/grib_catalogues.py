"""Which messages a source of GRIB has at which time: the catalogues that `grib`'s readers look into."""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.archives import files_at, files_by_time
from evalflow.fields.grib_index import Message, read_index
from evalflow.fields.grib_params import is_known
from evalflow.fields.reader import NotThere

_SHOWN = 3
"""Parts of an archive that are looked into to see what there is in it: first, middle, last."""


class ForecastFiles:
    """The files of one forecast, read at once."""

    def __init__(self, files: list[Path], init_time: datetime) -> None:
        """Read the headers of a forecast's files.

        Parameters
        ----------
        files : GRIB among them; others are passed over
        init_time : fields of another one are left out

        Raises
        ------
        UserError
            Where no field that is known is of this init time.
        """
        messages = read_index(files, wanted=is_known)
        mine = [one for one in messages if one.reference_time == init_time and one.lead_time >= timedelta(0)]
        others = [one for one in messages if one.reference_time != init_time]
        if not mine:
            if others:
                raise UserError(f"{others[0].where}: is of {others[0].reference_time}, not of {init_time} (UTC)")
            raise UserError(f"{files[0].parent if files else 'no files'}: no GRIB with a param that is known")
        self.where = str(mine[0].path)
        self.notes: list[str] = []
        if others:
            first = f"{others[0].where} is of {others[0].reference_time}"
            self.notes.append(f"{len(others)} fields of other init times than {init_time} are left out: {first}")
        self._messages: dict[timedelta, list[Message]] = defaultdict(list)
        for one in mine:
            self._messages[one.lead_time].append(one)
        self.times = sorted(self._messages)

    def messages(self, time: timedelta) -> list[Message]:
        """Return the messages of a lead time."""
        return self._messages.get(time, [])

    def sample(self) -> list[timedelta]:
        """Return all lead times."""
        return self.times


class ArchiveFiles:
    """Files of analyses, each read when a time of it is first asked for."""

    def __init__(self, root: Path, pattern: str | None) -> None:
        """Take the files of an archive.

        Parameters
        ----------
        root, pattern : as `archives.files_at` takes them: by valid time
        """
        self.notes: list[str] = []
        self.where = str(root / pattern if pattern else root)
        self._root, self._pattern = root, pattern
        self._by_file: dict[Path, dict[datetime, list[Message]]] = {}

    @cached_property
    def _groups(self) -> list[list[Path]]:
        return files_by_time(self._root, self._pattern)

    @cached_property
    def times(self) -> list[datetime]:
        """Return all valid times. Every file is looked into."""
        return sorted({time for files in self._groups for path in files for time in self._index(path)})

    def messages(self, time: datetime) -> list[Message]:
        """Return the messages of a valid time."""
        files = self._groups[0] if self._pattern is None else files_at(self._root, self._pattern, time)
        return [one for path in files for one in self._index(path).get(time, [])]

    def sample(self) -> list[datetime]:
        """Return the times of the first, the middle and the last files."""
        last = len(self._groups) - 1
        shown = {last * part // (_SHOWN - 1) for part in range(_SHOWN)} if self._groups else set()
        return sorted({time for place in shown for path in self._groups[place] for time in self._index(path)})

    def _index(self, path: Path) -> dict[datetime, list[Message]]:
        if path not in self._by_file:
            found: dict[datetime, list[Message]] = defaultdict(list)
            for message in read_index([path], wanted=is_known):
                found[message.valid_time].append(message)
            self._by_file[path] = dict(found)
        return self._by_file[path]


class IconFiles:
    """One forecast of an ICON archive: `FCST{yy}/{yymmddHH}_*/grib/i{1|2}eff{DD}{HH}{MM}{SS}_{member}`.

    A file has all fields of a lead time and member, a thousand of them. So each is looked into when its lead time is first
    asked for, and of the archive's members only those that are wanted.
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
                for message in read_index([path], wanted=is_known)
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


def is_icon_archive(root: Path) -> bool:
    """Tell whether a folder is an archive of ICON's forecasts."""
    return root.is_dir() and next(root.glob("FCST[0-9][0-9]"), None) is not None
