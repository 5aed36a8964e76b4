"""Which forecasts are not there, or not whole: what the statistics of a source lack, with the reason."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalflow.reading.opening import lead_times_of
from evalflow.store.layout import init_time_of
from evalflow.verification.spec import SourceEntry
from evalflow.verification.wanted import Wanted

_HOUR = timedelta(hours=1)


def find_without(wanted: Wanted, held: dict[str, NDArray[np.bool_]]) -> dict[str, dict[str, str]]:
    """Return source_id → init time → why there is nothing of a forecast, or what it lacks.

    A forecast lacks a lead time of a param where others of the source have it. Sources that are made
    of the truth lack nothing.

    Parameters
    ----------
    held : param → where the statistics hold a field, [sources, inits, leads], lead times of all
        sources rising
    """
    spec = wanted.spec
    leads = sorted({lead for source in spec.sources for lead in lead_times_of(source)})
    found: dict[str, dict[str, str]] = {}
    for number, source in enumerate(spec.sources):
        if source.builtin:
            continue
        fields = {param: some[number] for param, some in held.items() if some[number].any()}
        nothing = ~np.logical_or.reduce(
            [np.zeros(len(spec.init_times), bool), *(some.any(axis=1) for some in fields.values())]
        )
        gaps = {param: some.any(axis=0) & ~some for param, some in fields.items()}
        for init, name in enumerate(spec.init_times):
            lacks = "" if nothing[init] else _lacks(gaps, init, leads)
            reason = (
                _why_nothing(wanted, source, name) if nothing[init] else lacks and f"{_where(source, name)}: {lacks}"
            )
            if reason:
                found.setdefault(source.source_id, {})[name] = reason
    return found


def merge_without(found: Iterable[dict[str, dict[str, str]]]) -> dict[str, dict[str, str]]:
    """Return what `find_without` has found for several truths: of an init time each reason once."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for of_truth in found:
        for source_id, of_source in of_truth.items():
            for name, reason in of_source.items():
                known = reasons.setdefault(source_id, {}).setdefault(name, [])
                known += [] if reason in known else [reason]
    return {
        source_id: {name: "; ".join(lines) for name, lines in sorted(of_source.items())}
        for source_id, of_source in reasons.items()
    }


def _where(source: SourceEntry, name: str) -> Path:
    """Return where a forecast is or would be."""
    root = Path(source.root or "")
    if source.kind == "run":
        return root / name
    return root / init_time_of(name).strftime(source.pattern) if source.pattern else root


def _why_nothing(wanted: Wanted, source: SourceEntry, name: str) -> str:
    """Return why there is nothing; nothing where a source as a whole is left out, which has its own line."""
    where = _where(source, name)
    if wanted.forecast(source, init_time_of(name)) is None:
        return f"{where}: no {'whole forecast' if source.kind == 'run' else 'such forecast'}"
    if not wanted.found.sources[source.source_id].params:
        return ""
    return f"{where}: none of it could be verified, or it has no such init time"


def _lacks(gaps: dict[str, NDArray[np.bool_]], init: int, leads: list[timedelta]) -> str:
    """Return what a forecast lacks, or nothing."""
    lines = []
    for param, gap in gaps.items():
        places = np.flatnonzero(gap[init])
        if places.size:
            lines.append(f"{param} at {places.size} lead times, the first at {leads[places[0]] / _HOUR:g} h")
    return f"lacks {', '.join(lines)}" if lines else ""
