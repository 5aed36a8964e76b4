"""Fingerprints of archives by names, sizes and times of files: a replaced file is noticed.

A Zarr store, or a pattern with a file for each time or month, counts for the times that are asked
for alone. A file that grows with time (one NetCDF for years) counts as a whole: with each new day
all of it is another file.
"""

import importlib
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from evalflow.digests import digest
from evalflow.fields.archives import files_at, is_icon_archive, is_zarr
from evalflow.fields.specs import SourceSpec, TruthSpec


def fingerprint_of_files(paths: Iterable[Path]) -> str:
    """Return a digest of what some files look like; those that are not there do not count."""
    return digest(_describe(paths))


def _describe(paths: Iterable[Path]) -> list:
    found = []
    for path in sorted(set(paths)):
        try:
            stat = os.stat(path)
        except OSError:
            continue
        found.append([path.name, stat.st_size, stat.st_mtime_ns])
    return found


def _of_zarr(root: Path, times: Iterable[datetime]) -> list:
    # Heavy, and of Zarr stores alone.
    return _describe(importlib.import_module("evalflow.fields.arrays.zarr_chunks").chunk_files(root, times))


def forecast_fingerprint(source: SourceSpec, init_time: datetime) -> str:
    """Return a digest of what the files of one forecast look like, even if there are none.

    Raises
    ------
    UserError
        Where a Zarr store cannot be read.
    """
    root = source.root
    if is_zarr(root):
        return digest(_of_zarr(root, [init_time]))
    if source.pattern is not None or not root.is_dir():
        return fingerprint_of_files(files_at(root, source.pattern, init_time))
    if is_icon_archive(root):
        return fingerprint_of_files(root.glob(f"FCST{init_time:%y}/{init_time:%y%m%d%H}_*/grib/*"))
    if "INCA" in root.parts:
        # Of some params it is the run of ten minutes before that is used.
        times = [init_time, init_time - timedelta(minutes=10)]
        names = [f"{time:%Y/%m}/*_INCA_{time:%Y%m%d%H%M}.nc" for time in times]
        return fingerprint_of_files(path for name in names for path in root.glob(name))
    return fingerprint_of_files(files_at(root, None, init_time))


def _files_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def truth_fingerprint(truth: TruthSpec, valid_times: Iterable[datetime]) -> str:
    """Return a digest of what the files of a truth that hold some valid times look like.

    Observations that are asked for, of a program or of a service, have no files: theirs is that of
    nothing.

    Raises
    ------
    UserError
        Where a Zarr store cannot be read.
    """
    root = Path(truth.root or "")
    if truth.command or not root.exists():
        return digest([])
    if is_zarr(root):
        return digest(_of_zarr(root, valid_times))
    if truth.pattern is None:
        return digest(_describe(_files_of(root)))
    return digest(_describe(path for time in valid_times for path in files_at(root, truth.pattern, time)))
