"""What trials on real data need besides the package: fields decoded by ecCodes alone, scores and intervals by hand."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from evalflow.fields.grib.codes import eccodes
from scipy import stats

H = timedelta(hours=1)
DAY = 24 * H
BYTES = "bytes"
"""Key under which `messages` gives a whole message."""


def messages(path: Path, *keys: str) -> Iterator[dict]:
    """Yield of each GRIB message the keys that are asked for, `values` and `valid` time among them."""
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            text = f"{eccodes.codes_get(handle, 'validityDate')}{eccodes.codes_get(handle, 'validityTime'):04d}"
            found = {"valid": datetime.strptime(text, "%Y%m%d%H%M"), "values": eccodes.codes_get_values(handle)}
            for key in keys:
                found[key] = eccodes.codes_get_message(handle) if key == BYTES else eccodes.codes_get(handle, key)
            eccodes.codes_release(handle)
            yield found


@dataclass(frozen=True)
class Analyses:
    """Analyses of 2 m temperature.

    Attributes
    ----------
    fields : valid time → float64 [points], K
    weights : cos φ, which add up to 1, float64 [points]
    """

    fields: dict[datetime, np.ndarray]
    weights: np.ndarray

    def squares(self, forecast: Callable[[datetime], np.ndarray], inits: Iterable[datetime], lead: int) -> np.ndarray:
        """Return the mean squared error of the forecast of each init time, [inits]."""
        return np.array([self.weights @ (forecast(init) - self.fields[init + lead * H]) ** 2 for init in inits])


def read_analyses(path: Path) -> Analyses:
    """Read a file of GRIB analyses of one param on one grid."""
    fields = {found["valid"]: found["values"] for found in messages(path)}
    with path.open("rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
        cosines = np.cos(np.radians(eccodes.codes_get_array(handle, "latitudes")))
        eccodes.codes_release(handle)
    return Analyses(fields, cosines / cosines.sum())


def rmse_interval(squares: np.ndarray, reference: np.ndarray, days: int) -> tuple[float, float, float, float]:
    """Return the difference of two RMSEs, its interval of 95 % and its p value, by docs/verification.md.

    Parameters
    ----------
    squares, reference : mean squared error of each init time in order, the same number for each day
    days : number of days
    """
    own, other = np.sqrt(squares.mean()), np.sqrt(reference.mean())
    influence = squares / (2 * own) - reference / (2 * other)
    daily = influence.reshape(days, -1).mean(axis=1)
    count = int(0.4 * days ** (2 / 3))
    middle = (np.arange(days) + 0.5) / days
    parts = [np.sqrt(2 / days) * np.sum(np.cos(np.pi * (one + 1) * middle) * daily) for one in range(count)]
    error = np.sqrt(np.mean(np.square(parts)) / days)
    difference, width = own - other, stats.t.ppf(0.975, count) * error
    return difference, difference - width, difference + width, 2 * stats.t.sf(abs(difference) / error, count)
