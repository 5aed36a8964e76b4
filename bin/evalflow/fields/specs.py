"""What the config says of a source or a truth: what a reader is opened with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True)
class GridFile:
    """A file with the coordinates of a grid whose messages carry none (`grids:` in the config).

    Attributes
    ----------
    file : GRIB with CLAT, CLON (and HSURF), or NetCDF with `clat`, `clon`
    points : number of points of the grid, or None where `uuid` is given
    uuid : of the horizontal grid, as ICON writes it
    """

    file: Path
    points: int | None = None
    uuid: str | None = None


@dataclass(frozen=True)
class SourceSpec:
    """Forecasts: of a run, made elsewhere, or a baseline.

    Attributes
    ----------
    root : folder or file
    pattern : files of one init time below `root`, with strftime directives; None: told by the path
        and what is there
    steps : the lead times that are wanted
    member : `000` or `control`, other digits, `mean` or `median`
    units : param → unit, where files do not say it or say it wrongly
    grids : coordinates of grids that messages carry none of
    """

    root: Path
    pattern: str | None = None
    steps: tuple[timedelta, ...] = ()
    member: str = "000"
    units: Mapping[str, str] = field(default_factory=dict)
    grids: tuple[GridFile, ...] = ()


@dataclass(frozen=True)
class TruthSpec:
    """Analyses or observations.

    Attributes
    ----------
    root : path, or a request such as `jretrievedwh:group=G`; None where `command` is given
    pattern : files below `root` by valid time, with strftime directives
    stations : table of the stations, or None where the observations have it
    columns : name in the files → param
    units : name in the files, or param → unit
    command : a program and its arguments that prints a table of observations
    grids : coordinates of grids that messages carry none of
    folders : where `jretrievedwh:` finds its configuration and `.env`: the folder of the launch,
        the checkout
    cache : folder in which what a service brings is kept; None: evalflow's own
    """

    root: str | None = None
    pattern: str | None = None
    stations: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    grids: tuple[GridFile, ...] = ()
    folders: tuple[Path, ...] = ()
    cache: Path | None = None
