"""What is verified: runs, forecasts made elsewhere and baselines, each under one id."""

from dataclasses import dataclass, replace
from typing import Literal

from evalflow.config.archives import BaselineConfig, ForecastsConfig
from evalflow.config.model import ConfigModel
from evalflow.config.runs import RunConfig
from evalflow.digests import digest
from evalflow.identity import ID_LENGTH, Run, baseline_identity, forecasts_identity, refuse_collision
from evalflow.lookup import Lookup


@dataclass(frozen=True)
class Source:
    """What is verified: a run, forecasts made elsewhere, or a baseline.

    Attributes
    ----------
    source_id : run_id, or `forecasts-…`, or `baseline-…`
    kind : as tables have it
    label : for people
    indexes : the entries of the config's `runs` that it is: several where it is named more than
        once
    config : the first of these entries
    identity : what is hashed
    """

    source_id: str
    kind: Literal["run", "forecasts", "baseline"]
    label: str
    indexes: tuple[int, ...]
    config: RunConfig | ForecastsConfig | BaselineConfig
    identity: dict


def _source(
    index: int, kind: str, entry: RunConfig | ForecastsConfig | BaselineConfig, runs: dict[str, Run], lookup: Lookup
) -> Source:
    if isinstance(entry, BaselineConfig):
        identity = baseline_identity(entry, lookup)
        return Source(f"baseline-{digest(identity)[:ID_LENGTH]}", "baseline", entry.label, (index,), entry, identity)
    if isinstance(entry, ForecastsConfig):
        identity = forecasts_identity(entry, lookup)
        return Source(f"forecasts-{digest(identity)[:ID_LENGTH]}", "forecasts", entry.label, (index,), entry, identity)
    run = next(run for run in runs.values() if f"runs[{index}].{kind}" in run.keys)
    return Source(run.run_id, "run", run.config.label or run.run_id, (index,), run.config, run.run_identity)


def collect_sources(config: ConfigModel, runs: dict[str, Run], lookup: Lookup) -> dict[str, Source]:
    """Return source_id → source in the order of the config's `runs`; one named twice is one source.

    Parameters
    ----------
    runs : as `collect_all_runs` returns them
    """
    sources: dict[str, Source] = {}
    for index, (kind, entry) in enumerate(config.participants()):
        source = _source(index, kind, entry, runs, lookup)
        first = sources.setdefault(source.source_id, source)
        refuse_collision(source.source_id, first.identity, source.identity)
        if first is not source:
            sources[source.source_id] = replace(first, indexes=(*first.indexes, index))
    return sources
