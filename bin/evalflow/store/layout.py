"""Where everything is below the output folder, and what it is called. No other place knows.

{outdir}/data/images/{image_id}.squashfs     an image; {image_id}.squashfs.json beside it: its proof
{outdir}/data/runs/{env_id}/                 an environment: checkpoint, metadata, lock, image, seal
{outdir}/data/runs/{run_id}/                 a run; run_id is {env_id}/{config_hash}
{outdir}/data/runs/{run_id}/.made/{init_time}.{8 hex digits}/
                                             a forecast, whole; init times are named YYYYmmddHHMM
{outdir}/data/runs/{run_id}/{init_time}      its public name: a relative link to it (in old stores,
                                             the forecast itself)
{outdir}/data/verification/{verif_id}/       a comparison: its points, and statistics of each source
{outdir}/data/verification/{verif_id}/{source_id}/maps/{block}.{holds}.npz
                                             sums at points, for score maps
{outdir}/data/showcase/{source_id}/{init_time}/
                                             frames, animations and time series of a forecast
{outdir}/results/{experiment_id}/            what a launch reports
"""

import re
import uuid
from datetime import datetime
from pathlib import Path

CHECKPOINT = "inference-last.ckpt"
METADATA = "anemoi.json"
LOCK = "requirements.txt"
ENVIRONMENT_SEAL = "env.json"
IMAGE_LINKS = {True: "venv.squashfs", False: "venv"}
"""squash_venv → name of the link to the image in an environment's folder."""
ENVIRONMENT_FILES = (CHECKPOINT, METADATA, LOCK, *IMAGE_LINKS.values(), ENVIRONMENT_SEAL)

RUN_FILE = "run.json"
INFERENCE_FILE = "inference.yaml"
SANDBOX = "sandbox.zip"

FORECAST_SEAL = "forecast.json"
CONFIG_FILE = "config.yaml"
FORECASTER = "forecaster"
LOG = "forecast.log"
UNFINISHED = "unfinished"
"""Folder of a task in which forecasts are made, or at least their logs are."""

MADE = ".made"
"""Folder of a run that holds its forecasts; what is beside it are their names."""
_MADE_FORECAST = re.compile(r"(?P<init_time>\d{12})\.[0-9a-f]{8}")
_INIT_TIME = "%Y%m%d%H%M"


def init_time_name(time: datetime) -> str:
    """Return the name of an init time (UTC): `YYYYmmddHHMM`."""
    return time.strftime(_INIT_TIME)


def init_time_of(name: str) -> datetime:
    """Return the init time (UTC, without a time zone) that a name stands for."""
    return datetime.strptime(name, _INIT_TIME)


def data_folder(outdir: Path) -> Path:
    """Return the store: what all launches with this output folder share."""
    return outdir / "data"


def runs_folder(data: Path) -> Path:
    """Return the folder of all environments and of their runs."""
    return data / "runs"


def environment_folder(data: Path, env_id: str) -> Path:
    """Return the folder of an environment."""
    return runs_folder(data) / env_id


def run_folder(data: Path, run_id: str) -> Path:
    """Return the folder of a run, which is below that of its environment."""
    return runs_folder(data) / run_id


def forecast_folder(data: Path, run_id: str, init_time: str) -> Path:
    """Return the public name of a forecast: its folder, for all who read it."""
    return run_folder(data, run_id) / init_time


def made_forecast_name(init_time: str) -> str:
    """Return a name for a forecast in MADE that nobody else can have."""
    return f"{init_time}.{uuid.uuid4().hex[:8]}"


def made_init_time(name: str) -> str | None:
    """Return the init time of the forecast with a name in MADE, or None for another name."""
    match = _MADE_FORECAST.fullmatch(name)
    return match["init_time"] if match else None


def is_init_time(name: str) -> bool:
    """Return whether a name in a run's folder is the public name of a forecast."""
    return len(name) == 12 and name.isdecimal()


def images_folder(data: Path) -> Path:
    """Return the folder of all images."""
    return data / "images"


def image_name(image_id: str, squash: bool) -> str:
    """Return the name of an image: a SquashFS file, or a folder for sites that cannot mount."""
    return f"{image_id}.squashfs" if squash else image_id


def proof_of(image: Path) -> Path:
    """Return the path of the proof (size and digest) that lies beside an image."""
    return image.with_name(f"{image.name}.json")


def results_folder(outdir: Path, experiment_id: str) -> Path:
    """Return the folder of what a launch reports of an experiment."""
    return outdir / "results" / experiment_id


def comparison_folder(data: Path, verif_id: str) -> Path:
    """Return the folder of a comparison: a truth, the points, and how sources get to them."""
    return data / "verification" / verif_id


def statistics_folder(data: Path, verif_id: str, source_id: str) -> Path:
    """Return the folder of a source's statistics: files per init time, and per later addition."""
    return comparison_folder(data, verif_id) / source_id.replace("/", "-")


def maps_folder(data: Path, verif_id: str, source_id: str) -> Path:
    """Return the folder of a source's sums at points: files per block of ten days, and per later addition."""
    return statistics_folder(data, verif_id, source_id) / "maps"


def showcase_folder(data: Path, source_id: str, init_time: str) -> Path:
    """Return the folder of what was drawn of one forecast of a source, or of a truth."""
    return data / "showcase" / source_id.replace("/", "-") / init_time


SCORES, DIFFERENCES = "scores.parquet", "differences.parquet"
SHOWCASE_PAGE = "showcase.html"
"""In the folder of results."""


def shown_folder(results: Path, source_id: str) -> Path:
    """Return the folder of a source's pictures in the results of an experiment."""
    return results / "showcase" / source_id.replace("/", "-")
