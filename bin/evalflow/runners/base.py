"""What a runner is: it says what its environment needs and which command makes one forecast."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from evalflow.documents import Document
from evalflow.texts import length_text, show


@dataclass(frozen=True)
class ForecastRequest:
    """One forecast to make.

    Attributes
    ----------
    python : name of the model environment's interpreter, found on the PATH that the environment
        sets
    checkpoint, config : absolute paths of the checkpoint and of the prepared inference config
    output : folder to write to, which is also the working folder
    init_time : ISO-8601 text, UTC
    lead_times : lead times in hours
    step : hours between lead times
    command : the run's own command, for the runner that is called so
    forecaster : for a temporal downscaler, the name of the folder (in `output`) with the fields to
        refine
    gpus : GPUs that the forecast has
    """

    checkpoint: Path
    config: Path
    output: Path
    init_time: str
    lead_times: list[int | float]
    step: int | float
    command: list[str] = field(default_factory=list)
    python: str = "python"
    forecaster: str = ""
    gpus: int = 0


class Asked(Document):
    """What a run asks of its checkpoint."""

    key: str = Field(description="Place of the entry in the config.")
    model_type: str = Field(description="forecaster or temporal_downscaler.")
    lead_times: list[int | float] = Field(description="Lead times in hours.")
    forecaster_lead_times: list[int | float] = Field([], description="Those of the forecaster that it refines.")
    patched: bool = Field(False, description="Whether the inference config changes what the checkpoint says of itself.")
    own_runner: str | None = Field(None, description="Runner that the inference config names.")


Mistakes = list[tuple[str, str]]
"""Pairs of a key of the inference config, and what is wrong there."""


@dataclass(frozen=True)
class Installed:
    """What an environment holds.

    Attributes
    ----------
    packages : name → version, or the URL that it comes from
    chosen : names of the packages that the run itself names
    torch_backend : the build of PyTorch that the run asks for, or auto
    """

    packages: Mapping[str, str]
    chosen: frozenset[str] = frozenset()
    torch_backend: str = "auto"


@dataclass(frozen=True)
class Runner:
    """One way to run models.

    Attributes
    ----------
    name : the value of `runner:` in a run entry
    version : raise it when the same config would give another forecast; it is part of the run_id
        from 2 on
    requirements : what the model's environment needs, from the checkpoint's metadata, from whether
        ecCodes gets local definitions, and from the names of packages that the run itself names;
        the run's own requirements win
    gives_way : packages of `requirements` that are installed in other versions where these do not
        go with the rest
    imports : modules that must import before an environment is sealed
    settings : what evalflow sets in the inference config of one forecast
    overrides : the keys of `settings`; what a config says of them has no effect and is not hashed
    command : the command line of one forecast
    python : the version of Python that the model was trained with, from the checkpoint's metadata,
        where that is known
    warnings : how the environment differs from that of the training, though nobody asked for it,
        from the checkpoint's metadata and what is installed
    parallel : the inference config for several GPUs, from the config, the checkpoint's task, the
        number, and the output
    rewrites : whether a model looks in its working folder for all names, also for those in named
        YAML files
    mistakes, doubts : what in an inference config keeps a forecast from being whole, for certain and
        probably, from the config with located files and the lead times
    unfit : why a checkpoint cannot make what is asked of it, from its metadata
    asked_of : whether an inference config changes these metadata, and the runner that it names
    same_fields : whether, with an inference config, all lead times after the start have the same
        fields
    """

    name: str
    version: int
    requirements: Callable[[dict, bool, frozenset[str]], list[str]]
    imports: tuple[str, ...]
    settings: Callable[[ForecastRequest], dict]
    overrides: frozenset[str]
    command: Callable[[ForecastRequest], list[str]]
    python: Callable[[dict], str | None] = lambda _metadata: None
    warnings: Callable[[dict, Installed], list[str]] = lambda _metadata, _installed: []
    gives_way: frozenset[str] = frozenset()
    parallel: Callable[[dict, str | None, int, str], dict] | None = None
    rewrites: bool = False
    mistakes: Callable[[dict, list[int | float]], Mistakes] = lambda _config, _lead_times: []
    doubts: Callable[[dict], Mistakes] = lambda _config: []
    unfit: Callable[[dict, Asked], list[str]] = lambda _metadata, _asked: []
    asked_of: Callable[[dict], tuple[bool, str | None]] = lambda _config: (False, None)
    same_fields: Callable[[dict], bool] = lambda _config: True


def common_settings(job: ForecastRequest) -> dict:
    """Return what evalflow sets in the inference config of one forecast, for most runners."""
    length = length_text(job.lead_times[-1])
    return {
        "checkpoint": str(job.checkpoint),
        "date": job.init_time,
        "lead_time": length if length.endswith("m") else f"{length}h",
    }


def listed(lead_times: list[int | float]) -> str:
    """Return lead times in hours for a message: the first few, and how many more."""
    more = f" and {len(lead_times) - 5} more" if len(lead_times) > 5 else ""
    return f"{', '.join(f'{one:g}' for one in lead_times[:5])}{more} h"


def outside(target: object) -> str | None:
    """Return what is wrong with a place that a model writes to: it is outside of its working folder."""
    if not isinstance(target, str) or not target:
        return None
    if "://" not in target and not os.path.isabs(target) and os.path.normpath(target).split("/")[0] != "..":
        return None
    allowed = "a path below it that is free, such as grib/{date}{time:04}_{step:03}.grib"
    return f"{show(target)} is outside of a forecast's folder, and all init times would write there; allowed: {allowed}"
