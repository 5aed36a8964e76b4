"""Where the forecasts of a run are: under their names, and, until they have these, in `.made`.

A forecast gets its name some moments after it is stored, when its task has ended. Whoever reads
forecasts while a launch goes on looks in both places.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from evalflow.store.layout import MADE, made_init_time


def list_made(run_folder: Path) -> dict[str, list[Path]]:
    """Return init time → its forecasts in `.made`, named or not.

    They are sorted, so that everybody takes the same one first.
    """
    made: dict[str, list[Path]] = {}
    try:
        names = sorted(os.listdir(run_folder / MADE))
    except OSError:
        return made
    for name in names:
        if init_time := made_init_time(name):
            made.setdefault(init_time, []).append(run_folder / MADE / name)
    return made


def forecast_places(run_folder: Path, init_time: str) -> Iterator[Path]:
    """Yield the folders that may hold a forecast, whole or not: that of its name first."""
    if (run_folder / init_time).exists():
        yield run_folder / init_time
    yield from list_made(run_folder).get(init_time, [])
