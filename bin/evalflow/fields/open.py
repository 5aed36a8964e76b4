"""Opens what the config names as forecasts or truth: one table says which module reads what.

A module of the table has `forecast(source, init_time, files)`, `archive(truth)` or both, which
return a reader of what the files hold (`reader.Forecast`, `reader.Archive`). Derived params and the
choice of a member are added here, once for all. A module is imported when it is needed: the
libraries below are heavy.
"""

import importlib
from datetime import datetime
from pathlib import Path
from types import ModuleType

from evalflow.errors import UserError
from evalflow.fields.archives import check_pattern, files_at, files_by_time, format_of, is_icon_archive, is_zarr
from evalflow.fields.derived import DerivedArchive, DerivedForecast
from evalflow.fields.members import MEAN, OneMember
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import SourceSpec, TruthSpec

_MODULES = {
    "icon": "evalflow.fields.icon",
    "inca": "evalflow.fields.arrays.inca",
    "grib": "evalflow.fields.grib.sources",
    "netcdf": "evalflow.fields.arrays.sources",
    "zarr": "evalflow.fields.arrays.sources",
    "table": "evalflow.fields.observations.sources",
    "command": "evalflow.fields.observations.sources",
    "jretrievedwh": "evalflow.fields.observations.jretrieve",
}
_OF_FORECASTS = ("grib", "netcdf", "zarr")
"""Formats of forecasts in a folder with several, in the order in which one is taken."""
_REQUEST = "jretrievedwh:"
_MEDIAN = "median"


def open_forecast(source: SourceSpec, init_time: datetime) -> OneMember:
    """Return a reader of one forecast: of one member or the mean, with derived params.

    Parameters
    ----------
    source : what the config says of it
    init_time : naive, UTC

    Raises
    ------
    NotThere
        Where the archive has nothing of this init time: its values are missing.
    UserError
        Where there is no such archive, or nothing in it that can be read.
    """
    kind, files = _look_for(source, init_time)
    if source.member == _MEDIAN and kind != "icon":
        raise UserError(
            f"{source.root}: no member {_MEDIAN}; allowed but in an ICON archive: 000, three digits, {MEAN}"
        )
    reader = _module(kind).forecast(source, init_time, files)
    # An ICON archive has found the files of one member already, and has but one of them.
    member = MEAN if source.member == MEAN else None if kind == "icon" else source.member
    return OneMember(DerivedForecast(reader, source.steps), member)


def open_truth(truth: TruthSpec) -> DerivedArchive:
    """Return a reader of analyses or observations by valid time, with derived params.

    Raises
    ------
    UserError
        Where there is no such archive, or nothing in it that can be read.
    """
    return DerivedArchive(_module(kind_of_truth(truth)).archive(truth))


def kind_of_truth(truth: TruthSpec) -> str:
    """Return what a truth is: `grib`, `netcdf`, `zarr`, `table`, `command` or `jretrievedwh`.

    Raises
    ------
    UserError
        Where nothing can be told of it.
    """
    if truth.command:
        return "command"
    root = truth.root or ""
    if root.startswith(_REQUEST):
        return "jretrievedwh"
    path = _existing(Path(root))
    if is_zarr(path):
        return "zarr"
    if truth.pattern is not None:
        check_pattern(truth.pattern, root)
    formats = (format_of(file) for files in files_by_time(path, truth.pattern) for file in files)
    kind = next((found for found in formats if found), None)
    if kind is None:
        below = f" with the pattern {truth.pattern}" if truth.pattern else ""
        raise UserError(f"{root}: no file{below} that can be read; allowed: GRIB, NetCDF, Zarr, Parquet, CSV")
    return kind


def _look_for(source: SourceSpec, init_time: datetime) -> tuple[str, list[Path]]:
    """Return what a source is, and its files of one init time."""
    root = _existing(source.root)
    if is_icon_archive(root):
        return "icon", []
    if "INCA" in root.parts:
        return "inca", []
    if source.pattern is not None:
        check_pattern(source.pattern, str(root))
    files = files_at(root, source.pattern, init_time)
    if not files and source.pattern is not None:
        raise NotThere(f"{root / init_time.strftime(source.pattern)}: no such file")
    by_format: dict[str | None, list[Path]] = {}
    for path in files:
        by_format.setdefault(format_of(path), []).append(path)
    kind = next((kind for kind in _OF_FORECASTS if kind in by_format), None)
    if kind is None:
        more = f", nor are {len(files) - 1} more" if len(files) > 1 else ""
        what = f"{files[0]}: is no forecast that can be read{more}" if files else f"{root}: there is no file"
        raise UserError(f"{what}; allowed: GRIB, NetCDF, Zarr")
    return kind, by_format[kind]


def _existing(root: Path) -> Path:
    if not root.exists():
        raise UserError(f"{root}: no such file or folder")
    return root


def _module(kind: str) -> ModuleType:
    return importlib.import_module(_MODULES[kind])
