"""Forecasts in a store, of files that are none."""

from pathlib import Path

from evalflow.store.files import describe_file, to_json
from evalflow.store.layout import FORECAST_SEAL, MADE


def write_forecast(folder: Path, sha256: str = "f" * 64, text: str = "fields") -> Path:
    """Write a whole forecast of the run with this digest."""
    folder.mkdir(parents=True)
    (folder / "a.grib").write_text(text)
    about = {"sha256": sha256, "files": {"a.grib": describe_file(folder / "a.grib")}, "seconds": 2.0}
    (folder / FORECAST_SEAL).write_text(to_json(about))
    return folder


def store_made(run: dict, init_time: str, mark: str = "0" * 8) -> Path:
    """Store a forecast of a run of a plan, without its name."""
    path = Path(run["spec"]["folder"]) / MADE / f"{init_time}.{mark}"
    return write_forecast(path, run["spec"]["sha256"], mark)


def give_name(made: Path) -> Path:
    """Do what Nextflow does: give a stored forecast its name."""
    name = made.parents[1] / made.name.split(".")[0]
    name.symlink_to(Path(MADE) / made.name)
    return name
