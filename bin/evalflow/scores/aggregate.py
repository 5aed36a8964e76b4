"""From the sums of many init times to scores and their differences, with intervals.

All sources of one call are compared on one sample: the pairs that `use` allows and for which all of
them have data. What makes a score undefined in one source at one init time (a correlation where no
rain fell) leaves this init time out for all of them; where it is undefined in a source at all init
times, it is missing for that source alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from evalflow.scores import intervals
from evalflow.scores.names import Score
from evalflow.scores.series import Series
from evalflow.scores.strata import Stratum
from evalflow.scores.table import GROUPS, METRICS, MIN_EVENTS, Metric

_STEP = 1e-100
"""Step along the imaginary axis: its square is 0 beside any number, so nothing is rounded."""

_ABOUT_ZERO = 1e-9
"""A difference below this part of the scores is what rounding leaves of equal ones."""


@dataclass(frozen=True)
class Significance:
    """What is significant: the level of tests and intervals, the fewest days that tell anything."""

    level: float = 0.05
    min_days: int = 10


@dataclass(frozen=True)
class Differences:
    """Differences of all sources to one of them: arrays [sources, scores, leads, regions].

    What is undefined is NaN. Of metrics that are best near 0 or 1 (BIAS, FBI, ACTIVITY) it is the
    distances from there that are compared.

    Attributes
    ----------
    reference
        Number of the source that the others are compared with. Its own row is NaN.
    value
        Score of the source minus score of the reference.
    relative
        In percent of the reference; NaN where the reference does not differ from 0.
    lower, upper, p
        Interval, and p value of "there is no difference"; NaN with fewer days than
        `Significance.min_days`.
    gain
        1: the source is better, −1: worse, 0: equal, undefined, or neither direction is better.
    detectable
        The smallest true difference that these days show with a chance of `intervals.POWER`.
    days_needed
        How many more days would show the difference with that chance, were it the true one; 0 where
        it is significant.
    """

    reference: int
    value: NDArray[np.float64]
    relative: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    p: NDArray[np.float64]
    gain: NDArray[np.int8]
    detectable: NDArray[np.float64]
    days_needed: NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Scores of one param and stratum from one kind of sums: a group, a threshold or a scale.

    Attributes
    ----------
    scores
        What the axis "scores" holds.
    regions
        What the axis "regions" holds: all, or that of the case.
    value, lower, upper
        [sources, scores, leads, regions]; NaN where undefined, and intervals with fewer than
        `Significance.min_days` days.
    inits, days
        Number of init times and of days with data, [leads, regions].
    pairs
        Number of pairs of forecast and truth, [sources, leads, regions].
    means
        The mean sums that the scores are made of, [sources, sums, leads, regions], named
        `GROUPS[group]`; for box averages dd.
    deviations
        What scores of deviations are about: `climatology`, or `mean` of the field at that time;
        None: these are no such scores.
    """

    stratum: Stratum
    scores: tuple[Score, ...]
    regions: tuple[str, ...]
    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    inits: NDArray[np.int64]
    days: NDArray[np.int64]
    pairs: NDArray[np.float64]
    means: NDArray[np.float64]
    differences: tuple[Differences, ...]
    deviations: str | None = None

    def at_regions(self, places: Sequence[int]) -> "Block":
        """Return the block of some of its regions."""
        cut = _map(self, lambda array: array[..., places])
        return replace(cut, regions=tuple(self.regions[place] for place in places))


def aggregate(
    series: Sequence[Series],
    scores: Iterable[Score],
    strata: Iterable[Stratum],
    *,
    use: NDArray[np.bool_] | None = None,
    references: Sequence[int] = (),
    significance: Significance | None = None,
) -> Iterator[Block]:
    """Yield the scores of some sources, a block per stratum and kind of sums.

    Parameters
    ----------
    series
        Of one param, with the same axes; one for each source.
    scores
        What is computed. A threshold or scale that the series lack is an error.
    strata
        Those that hold no pair with data are passed over.
    use
        The pairs that may be used, [inits, leads]; None: all.
    references
        Numbers of the sources that all others are compared with.
    significance
        None: the defaults.
    """
    kinds: dict[tuple, list[Score]] = {}
    for score in dict.fromkeys(scores):
        kinds.setdefault((METRICS[score.metric].group, score.scale, score.threshold), []).append(score)
    strata = list(strata)
    for chosen in kinds.values():
        comparison = _Comparison(series, chosen, use, references, significance or Significance())
        for stratum in strata:
            block = comparison.block(stratum)
            if block is not None:
                yield block


def _statistics(series: Sequence[Series], score: Score) -> list[NDArray[np.float64]]:
    """Return what each init time gives to a kind of sums, [inits, sums, leads, regions] per source.

    What is undefined is NaN.
    """
    group = METRICS[score.metric].group
    if score.scale:
        return [one.box_means(score.scale) for one in series]
    if group == "correlation":
        return [one.correlations() for one in series]
    if group == "anomaly":
        return [one.anomaly_correlations() for one in series]
    if group == "activity":
        of_anomalies = has_anomalies(series)
        return [one.activities(of_anomalies=of_anomalies) for one in series]
    if group == "contingency":
        if score.threshold is None:
            raise ValueError(f"{score.metric} needs a threshold")
        tables = [one.tables[score.threshold][:, :4] for one in series]
        return [np.where(table.sum(axis=1, keepdims=True) > 0, table, np.nan) for table in tables]
    return [one.means() for one in series]


def has_anomalies(series: Sequence[Series]) -> bool:
    """Return whether all sources have anomalies from a climatology.

    Then activity is of the anomalies, else of the fields.
    """
    return all(one.anomalies.any() for one in series)


class _Comparison:
    """Some sources on their common sample of one kind of sums."""

    def __init__(
        self,
        series: Sequence[Series],
        scores: Sequence[Score],
        use: NDArray[np.bool_] | None,
        references: Sequence[int],
        significance: Significance,
    ) -> None:
        first = scores[0]
        self.scores, self.references, self.significance = tuple(scores), tuple(references), significance
        self.axes = series[0].wanted
        self.sums = ("dd",) if first.scale else GROUPS[METRICS[first.metric].group]
        values = _statistics(series, first)
        finite = [np.isfinite(one).all(axis=1) for one in values]
        # What a source never has (a climatology its own anomalies, say) is missing there, and keeps it from nobody else.
        never = [~one.any(axis=0) for one in finite]
        valid = np.logical_and.reduce([one | none for one, none in zip(finite, never, strict=True)])
        valid &= np.logical_or.reduce(finite)
        self.valid = valid if use is None else valid & use[:, :, None]
        self.values = [
            np.where(self.valid[:, None], np.where(none, np.nan, one), 0)
            for one, none in zip(values, never, strict=True)
        ]
        self.pairs = [one.pairs * self.valid for one in series]
        threshold = first.threshold
        self.events = [one.tables[threshold][:, 4] * self.valid for one in series] if threshold else None
        self.deviations = None
        if METRICS[first.metric].group == "activity":
            self.deviations = "climatology" if has_anomalies(series) else "mean"
        self.day = self.axes.inits.astype("datetime64[D]").astype(np.int64)

    def block(self, stratum: Stratum) -> Block | None:
        """Return the scores of a stratum, None where it holds no data."""
        held = stratum.holds(self.axes.inits, self.axes.leads)
        regions = [stratum.case.region] if stratum.case else list(self.axes.regions)
        columns = np.array([self.axes.regions.index(name) for name in regions])
        if not (self.valid[:, :, columns] & held[:, :, None]).any():
            return None
        # Lead times that take the same init times are computed together.
        _, kind = np.unique(np.packbits(held, axis=0), axis=1, return_inverse=True)
        leads = [np.flatnonzero(kind.ravel() == number) for number in range(kind.max() + 1)]
        parts = [self._part(stratum, np.flatnonzero(held[:, some[0]]), some, columns) for some in leads]
        return _join(parts, np.argsort(np.concatenate(leads)))

    def _part(self, stratum: Stratum, rows: NDArray, leads: NDArray, regions: NDArray) -> Block:
        """Return the scores of some init times, lead times and regions."""

        def cut(values: NDArray) -> NDArray:
            # Rows first: all of them is common, and no copy.
            values = values if len(rows) == len(values) else values[rows]
            values = values if len(leads) == values.shape[-2] else values[..., leads, :]
            values = values if len(regions) == values.shape[-1] else values[..., regions]
            return values.reshape(*values.shape[:-2], len(leads) * len(regions))

        evidence = intervals.Evidence(self.day[rows], cut(self.valid))
        means, coefficients = [], []
        for values in map(cut, self.values):
            with np.errstate(invalid="ignore"):
                means.append(values.sum(axis=0) / evidence.inits)
            coefficients.append(evidence.coefficients(values, means[-1]))
        value, influence = self._values(means, coefficients)
        if self.events:
            few = np.stack([cut(events).sum(axis=0) for events in self.events]) < MIN_EVENTS
            value[np.broadcast_to(few[:, None], value.shape)] = np.nan
        shape = (len(leads), len(regions))
        error, critical = self._errors(influence, evidence)
        block = Block(
            stratum=stratum,
            scores=self.scores,
            regions=tuple(self.axes.regions[index] for index in regions),
            value=value,
            lower=value - critical * error,
            upper=value + critical * error,
            inits=evidence.inits,
            days=evidence.days,
            pairs=np.stack([cut(pairs).sum(axis=0) for pairs in self.pairs]),
            means=np.stack(means),
            differences=tuple(self._differences(value, influence, evidence, one) for one in self.references),
            deviations=self.deviations,
        )
        return _map(block, lambda array: array.reshape(*array.shape[:-1], *shape))

    def _values(self, means: list[NDArray], coefficients: list[NDArray]) -> tuple[NDArray, NDArray]:
        """Return scores and their cosine coefficients.

        Returns
        -------
        [sources, scores, cells] and [sources, ν, scores, cells].
        """
        values, influences = [], []
        for mean, coefficient in zip(means, coefficients, strict=True):
            for score in self.scores:
                metric = METRICS[score.metric]
                places = [self.sums.index(name) for name in metric.needs]
                value, slopes = linearise(metric, [mean[place] for place in places])
                values.append(value)
                influences.append(sum(s * coefficient[:, place] for s, place in zip(slopes, places, strict=True)))
        shape = (len(means), len(self.scores))
        influence = np.stack(influences).reshape(*shape, *influences[0].shape).swapaxes(1, 2)
        return np.stack(values).reshape(*shape, -1), influence

    def _errors(self, influence: NDArray, evidence: intervals.Evidence) -> tuple[NDArray, NDArray]:
        """Return standard errors, NaN with too few days, and critical t values.

        Returns
        -------
        [sources, scores, cells] and [cells].
        """
        error = np.sqrt((influence**2).sum(axis=1))
        few = evidence.days < self.significance.min_days
        return np.where(few, np.nan, error), intervals.critical(evidence.nu, self.significance.level)

    def _differences(
        self, value: NDArray, influence: NDArray, evidence: intervals.Evidence, reference: int
    ) -> Differences:
        """Return the differences to one source, each array [sources, scores, cells]."""
        level = self.significance.level
        metrics = [METRICS[score.metric] for score in self.scores]
        distance = np.stack([metric.distance(value[:, number]) for number, metric in enumerate(metrics)], axis=1)
        # A bias of −1 K that rises comes nearer to 0.
        target = np.array([-np.inf if metric.target is None else metric.target for metric in metrics])
        side = np.sign(value - target[:, None])
        influence = influence * side[:, None]
        others = np.arange(len(value)) != reference
        difference = np.where(others[:, None, None], distance - distance[reference], np.nan)
        small = np.abs(difference) <= _ABOUT_ZERO * np.maximum(np.abs(distance), np.abs(distance[reference]))
        difference[small] = 0
        error, critical = self._errors(influence - influence[reference], evidence)
        of_reference, _ = self._errors(influence[[reference]], evidence)
        unclear = np.abs(distance[reference]) <= np.nan_to_num(critical * of_reference[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(unclear, np.nan, 100 * difference / np.abs(distance[reference]))
        error = np.where(np.isnan(difference), np.nan, error)
        return Differences(
            reference=reference,
            value=difference,
            relative=relative,
            lower=difference - critical * error,
            upper=difference + critical * error,
            p=intervals.p_value(difference, error, evidence.nu),
            gain=np.stack([metric.gain(difference[:, number]) for number, metric in enumerate(metrics)], axis=1),
            detectable=intervals.detectable(error, evidence.nu, level),
            days_needed=intervals.days_still_needed(difference, error, evidence.days, level),
        )


def linearise(
    metric: Metric, means: list[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return a score and its derivatives by the mean sums that it is made of."""
    with np.errstate(all="ignore"):
        value = np.asarray(metric.of(*means), np.float64)
        slopes = []
        for place in range(len(means)):
            moved = [mean + 1j * _STEP if index == place else mean for index, mean in enumerate(means)]
            slopes.append(np.imag(metric.of(*moved)) / _STEP)
    return value, slopes


def _map(block, function):
    """Return a block with `function` applied to each of its arrays."""
    changed = {}
    for field in fields(block):
        value = getattr(block, field.name)
        if isinstance(value, np.ndarray):
            changed[field.name] = function(value)
        elif field.name == "differences":
            changed[field.name] = tuple(_map(one, function) for one in value)
    return replace(block, **changed)


def _join(parts: list[Block], order: NDArray) -> Block:
    """Return one block from blocks of some lead times each, which `order` puts into order."""
    if len(parts) == 1:
        return parts[0]

    def join(blocks):
        changed = {}
        for field in fields(blocks[0]):
            values = [getattr(block, field.name) for block in blocks]
            if isinstance(values[0], np.ndarray):
                changed[field.name] = np.concatenate(values, axis=-2)[..., order, :]
            elif field.name == "differences":
                changed[field.name] = tuple(join(some) for some in zip(*values, strict=True))
        return replace(blocks[0], **changed)

    return join(parts)
