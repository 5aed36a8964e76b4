"""Analyses for the program of the runner onnx, and a stand-in for its model."""

import datetime as dt
from pathlib import Path

import eccodes
import numpy as np
import pytest

INIT = dt.datetime(1996, 1, 16)
STEP = dt.timedelta(hours=6)
VARIABLES = ["msl", "2t", "u_500"]
POINTS = 6


def analysis(name: str, time: dt.datetime, values: np.ndarray, **keys) -> bytes:
    """Return a GRIB2 analysis on a grid of 2 × 3 points; `name` is NAME or NAME_LEVEL."""
    short_name, _, level = name.partition("_")
    message = eccodes.GRIBMessage.from_samples("regular_ll_pl_grib2" if level else "regular_ll_sfc_grib2")
    message.set({"Ni": 3, "Nj": 2, "dataDate": int(f"{time:%Y%m%d}"), "dataTime": int(f"{time:%H%M}")})
    message.set({"level": int(level)} if level else {})
    message.set({"shortName": short_name, "bitsPerValue": 24, **keys}, check_values=False)
    message.set_array("values", np.asarray(values, dtype="f8"))
    return message.get_buffer()


def field(name: str, time: dt.datetime) -> np.ndarray:
    """Return the values of an analysis: another number for each variable, time and point."""
    hours = (time - INIT) / dt.timedelta(hours=1)
    return 1000.0 * VARIABLES.index(name) + hours + np.arange(POINTS) / 4


def analyses(*times: dt.datetime) -> list[bytes]:
    return [analysis(name, time, field(name, time)) for time in times for name in VARIABLES]


def messages_in(path: Path) -> list[eccodes.GRIBMessage]:
    with eccodes.FileReader(path) as reader:
        return list(reader)


def increase(states: np.ndarray) -> np.ndarray:
    """Stand in for a model: the newest state grows by 10."""
    return states[:, -1:] + np.float32(10)


def line_of(error: pytest.ExceptionInfo) -> str:
    """Return the one line that a SystemExit shows on stderr (its exit status is then 1)."""
    line = error.value.code
    assert line.startswith("onnx runner: ") and "\n" not in line
    return line.removeprefix("onnx runner: ")
