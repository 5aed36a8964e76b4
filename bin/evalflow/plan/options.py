"""How to plan."""

from dataclasses import dataclass
from pathlib import Path

TARGETS = ("environments", "forecasts", "verification", "report", "showcase", "experiment", "sandbox")
MAKES_FORECASTS = ("forecasts", "verification", "showcase", "experiment")
VERIFIES = ("verification", "experiment")
REPORTS = ("report", "experiment")
SHOWS = ("showcase", "experiment")


@dataclass(frozen=True)
class Options:
    """How to plan.

    Attributes
    ----------
    outdir : root of all output; None means `locations.output_root` of the config
    launch : folder that the launch was started in
    target : how far the launch is to go (one of TARGETS)
    inits_per_task : init times that one task makes
    inits_at_once : how many of these at a time, each on GPUs of its own
    verify_store : whether to compare digests of everything stored, not only sizes
    repair : whether damaged things are moved aside and links mended; without it the plan only
        reports
    stub : whether to plan a stub run, whose empty files go to a store of their own
    gpus : GPUs of a forecast's job where neither its run nor the config's profile says it
    max_gpus : GPUs in use at a time; None means what the config's profile says
    grids : a site's list of grids whose messages carry no coordinates
    """

    outdir: Path | None
    launch: Path
    target: str = "experiment"
    inits_per_task: int = 1
    inits_at_once: int = 1
    verify_store: bool = False
    repair: bool = False
    stub: bool = False
    gpus: int = 0
    max_gpus: int | None = None
    grids: Path | None = None
