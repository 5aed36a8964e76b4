"""Forecasts and analyses in GRIB, as the config names them."""

from datetime import datetime
from pathlib import Path

from evalflow.fields.grib.catalogues import ArchiveFiles, ForecastFiles
from evalflow.fields.grib.reader import GribArchive, GribForecast
from evalflow.fields.grid_files import GridFiles
from evalflow.fields.specs import SourceSpec, TruthSpec


def forecast(source: SourceSpec, init_time: datetime, files: list[Path]) -> GribForecast:
    """Return the forecast of an init time in GRIB files."""
    catalogue = ForecastFiles(files, init_time, of_one_init_time=source.pattern is not None)
    return GribForecast(catalogue, units=source.units, find_grid=GridFiles(source.grids).find)


def archive(truth: TruthSpec) -> GribArchive:
    """Return the analyses of a root, by a pattern of valid times or all below it."""
    catalogue = ArchiveFiles(Path(truth.root or ""), truth.pattern)
    return GribArchive(catalogue, units=truth.units, find_grid=GridFiles(truth.grids).find)
