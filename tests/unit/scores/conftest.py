"""A small world to verify in: random fields of some sources and init times."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from evalflow.scores.categories import Categories
from evalflow.scores.sums import Points, Sums, collect, measure

PARAM = "T_2M"


class ScoredWorld:
    """Forecasts of some sources and the truth at `size` points, in the domain's order.

    Attributes
    ----------
    forecasts, truths
        float32, [sources, inits, leads, points] and [inits, leads, points]; a part `missing` of
        each is NaN.
    regions
        Which points lie in each region, [points].
    """

    def __init__(
        self, *, sources=2, inits: Sequence[datetime], leads=(6, 12), size=120, missing=0.1, weights=None, seed=0
    ):
        rng = np.random.default_rng(seed)
        shape = (len(inits), len(leads), size)
        self.init_times, self.lead_times = tuple(inits), tuple(timedelta(hours=lead) for lead in leads)
        place = rng.random((2, size))
        field = 8 * np.sin(6 * place[0]) + 280
        truths = field + rng.normal(0, 3, shape)
        errors = rng.normal(0, 1, (sources, *shape)) * (1 + np.arange(sources)[:, None, None, None])
        self.forecasts = (truths + errors + 0.3).astype(np.float32)
        self.truths = truths.astype(np.float32)
        self.climatology = (field + rng.normal(0, 0.5, shape)).astype(np.float32)
        for values in (self.forecasts, self.truths):
            values[rng.random(values.shape) < missing] = np.nan
        self.regions = {"all": np.ones(size, bool), "west": place[0] < 0.4, "north": place[1] > 0.5}
        self.weights = rng.integers(1, 4, size).astype(float) if weights == "integer" else None
        self.weights = rng.uniform(0.2, 1, size) if weights == "real" else self.weights

    def points(self, boxes=None) -> Points:
        """Return the points sorted by atom."""
        key = sum(inside.astype(int) << bit for bit, inside in enumerate(self.regions.values()))
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
        return Points.sorted_by_atom(order, starts, self.weights, boxes)

    def sums(self, source: int, *, values=(), climatology=False, boxes=None, only=None) -> list[Sums]:
        """Return what the files of statistics of a source hold, by init time."""
        points = self.points(boxes)
        order = points.order
        categories = Categories(tuple(values)) if values else None
        regions = {name: inside[order][points.starts] for name, inside in self.regions.items()}
        result = []
        for init, init_time in enumerate(self.init_times):
            fields = {}
            for lead, lead_time in enumerate(self.lead_times):
                fields[lead_time] = measure(
                    points,
                    self.forecasts[source, init, lead][order],
                    self.truths[init, lead][order],
                    climatology=self.climatology[init, lead][order] if climatology else None,
                    categories=categories,
                )
            params = {PARAM: collect(fields, "K", values)}
            result.append(Sums(init_time, len(order), regions, params, {"source": str(source)}))
        return result

    def pairs(self, source: int, lead: int, region: str, *, repeat=False) -> list[SimpleNamespace]:
        """Return valid forecasts (f), truths (o), climatology (c) and weights (w) per init time.

        With `repeat`, points are repeated as often as their weights say and all weights are 1.
        """
        result = []
        for init in range(len(self.init_times)):
            f, o = self.forecasts[source, init, lead].astype(float), self.truths[init, lead].astype(float)
            there = self.regions[region] & np.isfinite(f) & np.isfinite(o)
            w = (np.ones_like(f) if self.weights is None else self.weights)[there]
            values = [f[there], o[there], self.climatology[init, lead].astype(float)[there]]
            if repeat:
                values, w = [np.repeat(value, w.astype(int)) for value in values], np.ones(int(w.sum()))
            result.append(SimpleNamespace(f=values[0], o=values[1], c=values[2], w=w))
        return result

    def intersect(self) -> None:
        """Make points that are missing in one source missing in all, as VERIFY_COMMON does."""
        gone = np.isnan(self.forecasts).any(axis=0) | np.isnan(self.truths)
        self.forecasts[:, gone] = np.nan


@pytest.fixture
def scored_world():
    """Return the class of worlds."""
    return ScoredWorld


@pytest.fixture(scope="session")
def world_class():
    """Return the class of worlds to tests that hypothesis repeats."""
    return ScoredWorld
