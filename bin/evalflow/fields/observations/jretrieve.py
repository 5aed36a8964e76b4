"""`jretrievedwh:` as truth: MeteoSwiss's observations, by the service's own program.

What it brings is kept: one request per calendar month and set of params, however many init times
and tasks need it.
"""

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import numpy as np

from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.grids import Grid
from evalflow.fields.observations.command import last_line
from evalflow.fields.observations.files import month_of
from evalflow.fields.observations.jretrieve_service import PREFIX, Selection, Service, find_service, parse_selection
from evalflow.fields.observations.stations import StationArchive, are_places
from evalflow.fields.observations.tables import Rows, names_in, open_table, read_rows
from evalflow.fields.specs import TruthSpec

# Param → name there, unit there.
_PARAMS = {
    "T_2M": ("tre200s0", "degC"),
    "TD_2M": ("tde200s0", "degC"),
    "PS": ("prestas0", "hPa"),
    "PMSL": ("pp0qffs0", "hPa"),
    "SP_10M": ("fkl010z0", "m s-1"),
    "DD_10M": ("dkl010z0", "degree"),
    "VMAX_10M": ("fkl010z1", "m s-1"),
    "TOT_PREC1": ("rre150h0", "mm"),
    "TOT_PREC6": ("rre006i0", "mm"),
    "TOT_PREC12": ("rre012i0", "mm"),
    "TOT_PREC24": ("rre024i0", "mm"),
    "TOT_PREC48": ("rre048i0", "mm"),
    "TOT_PREC72": ("rre072i0", "mm"),
}
_TOLD = Told(
    columns={name: param for param, (name, _) in _PARAMS.items()}, units={name: unit for name, unit in _PARAMS.values()}
)
_PAUSES = (2, 4)
"""Seconds before the second and the third try."""
_TIMEOUT = 1800
"""Seconds for one request, which is of a month."""
_SETTLED = timedelta(days=1)
"""Observations come late: what is kept counts for times that were so old when it was asked for."""


class JretrieveSource:
    """Observations of the service, kept by month; see `stations.Source`."""

    def __init__(self, selection: Selection, service: Service, cache: Path) -> None:
        """Make a source.

        Parameters
        ----------
        selection : the stations
        service : as `find_service` returns it
        cache : folder in which what the service brings is kept
        """
        self.where = f"{PREFIX}{selection.kind}={selection.value}"
        self.notes: list[str] = []
        self._selection, self._service = selection, service
        self._folder = cache / digest([selection.kind, selection.value, selection.stage, selection.seq_type])[:16]
        self._minutes = 60
        self._asked: set[Path] = set()

    def params(self) -> set[str]:
        """Return the params that the service has."""
        return set(_PARAMS)

    def valid_times(self, param: str) -> None:
        """Return None: they are known only once they are asked for."""

    def spans(self, times: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
        """Return first and last of the times of each calendar month."""
        if any(one.minute for one in times):
            self._minutes = 10
        months = [list(part) for _, part in groupby(times, key=lambda one: (one.year, one.month))]
        return [(month[0], month[-1]) for month in months]

    def around(self, time: datetime) -> tuple[datetime, datetime]:
        """Return first and last instant of a time's month.

        Of a month that is not long over, the last is the time itself.
        """
        self.spans([time])
        first, last = month_of(time)
        return first, last if last + _SETTLED <= _now() else time

    def files(self, params: Collection[str], times: Sequence[datetime]) -> list[Path]:
        """Return the files in which observations of some params and times are kept so far."""
        names = {_PARAMS[param][0] for param in params}
        kept = [self._kept(self._month(first), names, min(last, _now())) for first, last in self.spans(times)]
        return sorted({path for month in kept for path, _ in month})

    def _month(self, time: datetime) -> Path:
        return self._folder / f"{time:%Y%m}-{self._minutes}min"

    def load(self, params: Collection[str], first: datetime, last: datetime) -> Iterator[tuple[str, Rows]]:
        """Yield the rows of some params.

        `first` and `last` are of one month, which is asked for as a whole.
        """
        names = {_PARAMS[param][0]: param for param in params}
        month = self._month(first)
        month.mkdir(parents=True, exist_ok=True)
        with _alone(month):
            kept = self._kept(month, set(names), min(last, _now()))
            lacking = sorted(set(names) - set().union(*(used for _, used in kept)))
            if lacking:
                kept.append((self._request_month(month, lacking, first), set(lacking)))
        for path, used in kept:
            content = path.read_bytes()
            if content.strip():
                where = f"{self.where} ({path})"
                wanted = [names[name] for name in used]
                yield where, read_rows(open_table(content, where), where, _TOLD, params=wanted, period=(first, last))

    def _request_month(self, folder: Path, names: Sequence[str], time: datetime) -> Path:
        start, end = month_of(time)
        now = _now()
        end = min(end, max(now, start))
        span = f"{start:%Y%m%d%H%M},{end:%Y%m%d%H%M},{self._minutes}"
        output = self._ask(["-n", ",".join(names), "-t", span], f"observations of {start:%Y-%m}")
        path = folder / f"{'+'.join(names)}.{now:%Y%m%d%H%M}.csv"
        _write(path, output)
        self._asked.add(path)
        return path

    def _kept(self, folder: Path, names: set[str], last: datetime) -> list[tuple[Path, set[str]]]:
        """Return files that hold some of the names up to `last`, and the names each is used for."""
        found: list[tuple[Path, set[str]]] = []
        for path in sorted(folder.glob("*.csv"), key=lambda path: path.name.split(".")[1], reverse=True):
            held, asked = path.name.split(".")[:2]
            use = set(held.split("+")) & names - set().union(*(used for _, used in found))
            settled = datetime.strptime(asked, "%Y%m%d%H%M") >= last + _SETTLED
            # What this process has asked for itself will not be more complete if it asks again.
            if use and (settled or path in self._asked):
                found.append((path, use))
        return found

    def stations(self) -> tuple[Grid, list[str]]:
        """Return the stations, and their ids.

        They are asked for once: which there are must not change between launches.
        """
        path, where = self._folder / "stations.csv", f"{self.where}: stations"
        self._folder.mkdir(parents=True, exist_ok=True)
        with _alone(self._folder):
            if path.exists():
                return _as_grid(path.read_bytes(), f"{where} ({path})")
            names = ",".join(dict.fromkeys(name for name, _ in _PARAMS.values()))
            words = ["-n", names, "-t", "190001010000,210012312359", "--meta-info", "lat,lon,elev,name,nat_abbr"]
            output = self._ask(words, "stations")
            found = _as_grid(output, where)
            _write(path, output)
        return found

    def _ask(self, words: Sequence[str], what: str) -> bytes:
        """Return what the program prints, tried three times.

        Raises
        ------
        UserError
            With the last line that it says, without the credentials.
        """
        command = [self._service.program, "-s", self._selection.seq_type, *words, "--format", "csv"]
        command += self._selection.words()
        problem: str | None = ""
        for pause in (0, *_PAUSES):
            time.sleep(pause)
            problem, output = self._try(command)
            if problem is None:
                return output
        said = self._service.scrub(problem or "")
        raise UserError(f"{self.where}: no {what} after {len(_PAUSES) + 1} tries: {said}")

    def _try(self, command: Sequence[str]) -> tuple[str | None, bytes]:
        """Return what is wrong, or None, and what the program prints."""
        try:
            done = subprocess.run(
                command,
                env=self._service.environment(),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {_TIMEOUT} s", b""
        except OSError as error:
            return f"{self._service.program}: {error.strerror}", b""
        head = done.stdout.strip().split(b"\n", 1)[0]
        # It also ends with status 0 and an error in place of a table. No output: there is nothing.
        if done.returncode != 0 or (head and b"station" not in head.lower()):
            said = last_line(done.stderr) or last_line(done.stdout) or "it says nothing"
            return f"status {done.returncode}: {said}", b""
        return None, done.stdout


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one task at a time ask for the same thing, where the file system can lock files."""
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def archive(truth: TruthSpec) -> StationArchive:
    """Return a reader of the observations that a config names."""
    base = os.environ.get("EVALFLOW_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "evalflow"
    return open_jretrieve(truth.root or "", truth.folders, truth.cache or Path(base).expanduser() / "jretrievedwh")


def open_jretrieve(root: str, folders: Sequence[Path], cache: Path) -> StationArchive:
    """Return a reader of the service's observations.

    Parameters
    ----------
    root : as of `parse_selection`
    folders : as of `find_service`
    cache : folder in which what the service brings is kept

    Raises
    ------
    UserError
        Where something is missing, or the service has no such stations.
    """
    selection = parse_selection(root)
    source = JretrieveSource(selection, find_service(selection, folders), cache)
    grid, ids = source.stations()
    return StationArchive(source, grid, ids=ids)


def _as_grid(content: bytes, where: str) -> tuple[Grid, list[str]]:
    """Return the stations as a grid, named by their abbreviations, and their ids in observations.

    The service has a row for each station, param and period; a station is where it was last.
    """
    table = open_table(content, where)
    columns = {name.casefold(): table.column(name).to_pylist() for name in names_in(table)}
    lacking = [name for name in ("station", "latitude", "longitude") if name not in columns]
    if lacking:
        raise UserError(f"{where}: no column {lacking[0]}; there are {', '.join(columns)}")
    ids = columns["station"]
    none = [""] * len(ids)
    since, elevations, names = (columns.get(name, none) for name in ("op_since", "elev", "nat_abbr"))
    latest = {ids[row]: row for row in sorted(range(len(ids)), key=lambda row: since[row] or "")}
    rows = sorted(latest.values(), key=lambda row: (names[row] or ids[row], ids[row]))
    places = np.array(
        [[_number(column[row]) for column in (columns["latitude"], columns["longitude"], elevations)] for row in rows]
    ).reshape(-1, 3)
    good = are_places(places)
    if not good.any():
        raise UserError(f"{where}: there are no stations")
    rows = [row for row, fine in zip(rows, good, strict=True) if fine]
    found = places[good]
    grid = Grid(
        found[:, 0],
        found[:, 1],
        "stations",
        elevation=found[:, 2],
        names=tuple(names[row] or ids[row] for row in rows),
    )
    return grid, [ids[row] for row in rows]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
