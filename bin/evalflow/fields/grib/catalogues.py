"""Which messages a source of GRIB has at which time: what `grib`'s readers look into."""

from collections import defaultdict
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.archives import files_at, files_by_time
from evalflow.fields.grib.index import Message, read_index
from evalflow.fields.grib.params import is_known
from evalflow.fields.reader import NotThere

_SHOWN = 3
"""Parts of an archive that are looked into to see what there is in it: first, middle, last."""


class ForecastFiles:
    """The files of one forecast, read at once."""

    def __init__(self, files: list[Path], init_time: datetime, *, of_one_init_time: bool = True) -> None:
        """Read the headers of a forecast's files.

        Parameters
        ----------
        files : GRIB among them; others are passed over
        init_time : fields of another one are left out
        of_one_init_time : the files' names say that they belong to `init_time`; else there may be
            others in them

        Raises
        ------
        UserError
            Where no field that is known is of this init time, and none lies before any damage.
        NotThere
            Where files of many init times lack this one.
        """
        self.notes: list[str] = []
        messages = read_index(files, wanted=is_known, damage=self.notes)
        mine = [one for one in messages if one.reference_time == init_time and one.lead_time >= timedelta(0)]
        others = [one for one in messages if one.reference_time != init_time]
        if not mine and self.notes:
            raise UserError(self.notes[0])
        if not mine:
            if others and not of_one_init_time:
                raise NotThere(f"{others[0].path}: no forecast of {init_time} (UTC)")
            if others:
                raise UserError(f"{others[0].where}: is of {others[0].reference_time}, not of {init_time} (UTC)")
            raise UserError(f"{files[0].parent if files else 'no files'}: no GRIB with a param that is known")
        self.where = str(mine[0].path)
        if others and of_one_init_time:
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
            for message in read_index([path], wanted=is_known, damage=self.notes):
                found[message.valid_time].append(message)
            self._by_file[path] = dict(found)
        return self._by_file[path]
