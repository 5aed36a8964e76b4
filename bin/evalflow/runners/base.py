"""What a runner is: it says what its environment needs and which command makes one forecast."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


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
    same_fields: Callable[[dict], bool] = lambda _config: True


def common_settings(job: ForecastRequest) -> dict:
    """Return what evalflow sets in the inference config of one forecast, for most runners."""
    return {"checkpoint": str(job.checkpoint), "date": job.init_time, "lead_time": f"{job.lead_times[-1]}h"}
