"""The sums of one source and one param over many init times, per region and lead time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from evalflow.scores import formulas
from evalflow.scores.categories import event_cells, table_cells
from evalflow.scores.names import Threshold
from evalflow.scores.sums import ANOMALIES, MOMENTS, Cells, ParamSums, Sums

_TABLE = 5
"""Weights of hits, false alarms, misses, correct negatives, and the number of observed events."""

_MOST = 1 - 1e-12
"""Fisher's transform of a correlation of 1 is infinite: it is taken of this at most."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of statistics: the axes of the arrays.

    Attributes
    ----------
    init_times, lead_times
        Rising.
    regions
        Names.
    thresholds
        Of each param.
    scales
        In km.
    """

    init_times: tuple[datetime, ...]
    lead_times: tuple[timedelta, ...]
    regions: tuple[str, ...]
    thresholds: Mapping[str, Sequence[Threshold]] = field(default_factory=dict)
    scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if list(self.init_times) != sorted(set(self.init_times)) or list(self.lead_times) != sorted(
            set(self.lead_times)
        ):
            raise ValueError("init times and lead times must rise")

    @cached_property
    def inits(self) -> NDArray[np.datetime64]:
        """The init times as an array."""
        return np.array(self.init_times, "datetime64[s]")

    @cached_property
    def leads(self) -> NDArray[np.timedelta64]:
        """The lead times as an array."""
        return np.array(self.lead_times, "timedelta64[s]")


@dataclass(frozen=True)
class Series:
    """The sums of one source and one param.

    Sums are 0 where there is no data; those of box averages are NaN where a file has none of their
    scale.

    Attributes
    ----------
    moments, anomalies
        [inits, len(MOMENTS), leads, regions], [inits, len(ANOMALIES), leads, regions].
    boxes
        For each scale sums of weights times squared error of box averages, [inits, leads, regions].
    tables
        For each threshold sums of weights of hits, false alarms, misses, correct negatives, and the
        number of observed events, [inits, 5, leads, regions].
    """

    param: str
    units: str
    wanted: Wanted
    moments: NDArray[np.float64]
    anomalies: NDArray[np.float64]
    boxes: dict[float, NDArray[np.float64]]
    tables: dict[Threshold, NDArray[np.float64]]

    @property
    def pairs(self) -> NDArray[np.float64]:
        """The number of pairs of forecast and truth, [inits, leads, regions]."""
        return self.moments[:, MOMENTS.index("n")]

    def means(self) -> NDArray[np.float64]:
        """Return the means over points, [inits, 6, leads, regions]; NaN without data."""
        weight = self.moments[:, MOMENTS.index("w"), None]
        return formulas.ratio(self.moments[:, MOMENTS.index("f") :], weight)

    def box_means(self, scale: float) -> NDArray[np.float64]:
        """Return the MSE of box averages, [inits, 1, leads, regions]; NaN without data."""
        return formulas.ratio(self.boxes[scale], self.moments[:, MOMENTS.index("w")])[:, None]

    def correlations(self) -> NDArray[np.float64]:
        """Return the correlation of the fields, [inits, 1, leads, regions]; NaN where undefined."""
        return _correlation(self.means()[:, :5])[:, None]

    def anomaly_correlations(self) -> NDArray[np.float64]:
        """Return z of the anomaly correlation, [inits, 1, leads, regions]; NaN where undefined."""
        return np.arctanh(np.clip(_correlation(self._anomaly_means()), -_MOST, _MOST))[:, None]

    def activities(self, *, of_anomalies: bool) -> NDArray[np.float64]:
        """Return the variances of the fields, or of their anomalies, [inits, 2, leads, regions]."""
        means = self._anomaly_means() if of_anomalies else self.means()
        names = ANOMALIES[1:]
        pairs = [(names.index(mean), names.index(square)) for mean, square in (("f", "ff"), ("o", "oo"))]
        variances = [formulas.variance(means[:, mean], means[:, square]) for mean, square in pairs]
        return np.where(np.isnan(means[:, :1]), np.nan, np.stack(variances, axis=1))

    def at_leads(self, lead_times: Sequence[timedelta]) -> "Series":
        """Return the series of some lead times."""
        if tuple(lead_times) == self.wanted.lead_times:
            return self
        places = [self.wanted.lead_times.index(lead) for lead in lead_times]
        return replace(
            self,
            wanted=replace(self.wanted, lead_times=tuple(lead_times)),
            moments=self.moments[:, :, places],
            anomalies=self.anomalies[:, :, places],
            boxes={scale: values[:, places] for scale, values in self.boxes.items()},
            tables={threshold: values[:, :, places] for threshold, values in self.tables.items()},
        )

    def _anomaly_means(self) -> NDArray[np.float64]:
        return formulas.ratio(self.anomalies[:, 1:], self.anomalies[:, :1])


def _correlation(means: NDArray[np.float64]) -> NDArray[np.float64]:
    f, o, ff, oo, dd = np.moveaxis(means, 1, 0)
    return np.clip(formulas.correlation(f, o, ff, oo, dd), -1, 1)


def gather(statistics: Iterable[Sums], params: Sequence[str], wanted: Wanted) -> dict[str, Series]:
    """Return the series of one source from its files of statistics.

    The result does not depend on the order of the init times. Where several files hold the same
    init time, param and lead time, the last one counts; its thresholds and scales are added to
    those of the others.

    Parameters
    ----------
    statistics
        The sums of the source, one file at a time.
    params
        Those wanted. One that no file holds is left out of the result.
    wanted
        The axes. What files hold beyond them is passed over; what they lack is 0.

    Raises
    ------
    ValueError
        Where a file lacks a region.
    """
    place = {init_time: index for index, init_time in enumerate(wanted.init_times)}
    series: dict[str, Series] = {}
    for sums in statistics:
        if sums.init_time not in place:
            continue
        if missing := [name for name in wanted.regions if name not in sums.regions]:
            raise ValueError(f"statistics of {sums.init_time} lack the regions {missing}")
        members = np.stack([sums.regions[name] for name in wanted.regions], axis=1).astype(np.float64)
        for name in params:
            if name in sums.params:
                if name not in series:
                    series[name] = _empty(name, sums.params[name].units, wanted)
                _fill(series[name], place[sums.init_time], sums.params[name], members)
    return series


def _empty(param: str, units: str, wanted: Wanted) -> Series:
    inits, shape = len(wanted.init_times), (len(wanted.lead_times), len(wanted.regions))
    return Series(
        param=param,
        units=units,
        wanted=wanted,
        moments=np.zeros((inits, len(MOMENTS), *shape)),
        anomalies=np.zeros((inits, len(ANOMALIES), *shape)),
        boxes={scale: np.full((inits, *shape), np.nan) for scale in wanted.scales},
        tables={threshold: np.zeros((inits, _TABLE, *shape)) for threshold in wanted.thresholds.get(param, ())},
    )


def _fill(series: Series, init: int, sums: ParamSums, members: NDArray[np.float64]) -> None:
    """Put the sums of one file into a series; members: [atoms, regions]."""
    leads = {lead: index for index, lead in enumerate(series.wanted.lead_times)}
    held = [index for index, lead in enumerate(sums.lead_times) if lead in leads]
    to = [leads[sums.lead_times[index]] for index in held]
    series.moments[init][:, to] = sums.moments[:, held] @ members
    if sums.anomalies is not None:
        series.anomalies[init][:, to] = sums.anomalies[:, held] @ members
    for scale in series.boxes.keys() & sums.boxes.keys():
        series.boxes[scale][init, to] = sums.boxes[scale][held] @ members
    known = [threshold for threshold in series.tables if threshold.value in sums.values]
    if known and sums.cells is not None:
        tables = _tables(sums.cells, known, sums.values, sums.moments.shape[1:]) @ members
        for threshold, table in zip(known, tables, strict=True):
            series.tables[threshold][init][:, to] = table[:, held]


def _tables(
    cells: Cells, thresholds: Sequence[Threshold], values: tuple[float, ...], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the contingency tables of some thresholds, [thresholds, 5, leads, atoms]."""
    in_table, in_truth = _parts(tuple(thresholds), values)
    categories = 2 * len(values) + 1
    counts = np.zeros(int(np.prod(shape)) * categories**2)
    counts[cells.cell] = cells.count
    events = in_truth @ counts.reshape(-1, categories, categories).sum(axis=1).T
    if cells.weight is not None:
        counts[cells.cell] = cells.weight
    tables = in_table @ counts.reshape(-1, categories**2).T
    parts = tables.reshape(len(thresholds), _TABLE - 1, *shape), events.reshape(len(thresholds), 1, *shape)
    return np.concatenate(parts, axis=1)


@cache
def _parts(
    thresholds: tuple[Threshold, ...], values: tuple[float, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which cells add up to the contingency tables and to the observed events."""
    in_table = np.concatenate([table_cells(threshold, values) for threshold in thresholds])
    return in_table, np.stack([event_cells(threshold, values) for threshold in thresholds]).astype(np.float64)
