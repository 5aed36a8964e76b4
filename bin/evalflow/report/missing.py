"""What is missing of each source: forecasts, init times in the scores, params, and why."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from evalflow.report.spec import Lacking, ReportSpec
from evalflow.report.tables import ScoreTables
from evalflow.report.words import time
from evalflow.store.files import read_json
from evalflow.store.layout import FORECAST_SEAL, SCORES, forecast_folder

SUMMARY = "summary.json"
"""In the folder of results: what the last launch did, and what it cost."""
_MOST_REASONS = 5


@dataclass(frozen=True)
class Coverage:
    """What there is of one source against one truth.

    Attributes
    ----------
    init_times : how many its scores are of, of those of the experiment
    params : which of the params it has, in words
    complete : whether it has all of both
    alone : whether it has so few that it is compared on what it shares with the reference
    """

    label: str
    truth: str
    init_times: str
    params: str
    complete: bool
    alone: bool


@dataclass(frozen=True)
class Missing:
    """What is missing of one source: init times by reason.

    Attributes
    ----------
    unmade : init times of which there is no forecast, in the store or where forecasts are made elsewhere
    reasons : why something could not be verified, and at which init times
    more : how many reasons are not shown
    """

    label: str
    unmade: list[str] = field(default_factory=list)
    reasons: list[tuple[str, list[str]]] = field(default_factory=list)
    more: int = 0


def find_coverage(spec: ReportSpec, tables: ScoreTables) -> list[Coverage]:
    """Return how many init times the scores of each source are of."""
    found = []
    total = len(spec.init_times)
    for truth in spec.truths:
        rows = tables.rows(SCORES, truth=truth.label, metric="RMSE", scale=0.0) if tables.exist else []
        params = list(dict.fromkeys(row["param"] for row in rows))
        for source in spec.sources:
            own = [row for row in rows if row["source"] == source.source_id and row["value"] is not None]
            most, has = max((row["n_inits"] for row in own), default=0), {row["param"] for row in own}
            lacks = [param for param in params if param not in has]
            text = f"all but {', '.join(lacks)}" if has and lacks else "all" if has else "none"
            alone = any(row["sample"] == "alone" for row in own)
            complete = most >= total and bool(has) and not lacks and not alone
            found.append(Coverage(source.label, truth.label, f"{most:,} of {total:,}", text, complete, alone))
    return found


def known_lacking(spec: ReportSpec, lacking: Iterable[Lacking]) -> list[Lacking]:
    """Return what verification lacked: in this launch, or in the last one where this one does not verify."""
    if spec.verifies:
        return list(lacking)
    statistics = (read_json(spec.results / SUMMARY) or {}).get("statistics") or []
    return [
        Lacking(source_id=source["source_id"], init_time=init_time, reason=reason)
        for source in statistics
        for init_time, reason in source.get("lacking", {}).items()
    ]


def _without_time(reason: str, init_time: str) -> str:
    """Return a reason without its init time and its folders: so those of several init times are one."""
    text = re.sub(r"(?<!\S)/\S*/(?=[^/\s]+)", "", reason)
    day, hour, minute = f"{init_time[:4]}-{init_time[4:6]}-{init_time[6:8]}", init_time[8:10], init_time[10:]
    for name in (f"{day} {hour}:{minute}", f"{day}T{hour}:{minute}:00", f"{day}T{hour}:{minute}", f"{day}T{hour}"):
        text = text.replace(name, "…")
    return text.replace(init_time, "…").replace(init_time[:10], "…").replace(init_time[2:10], "…")


def _by_reason(some: Iterable[Lacking]) -> list[tuple[str, list[str]]]:
    """Return reasons with their init times, the most frequent one first."""
    found: dict[str, set[str]] = {}
    for one in some:
        found.setdefault(_without_time(one.reason, one.init_time), set()).add(one.init_time)
    parts = [(reason, [time(name) for name in sorted(times)]) for reason, times in found.items()]
    return sorted(parts, key=lambda part: -len(part[1]))


def _is_whole(store: Path, run_id: str, init_time: str) -> bool:
    return (forecast_folder(store, run_id, init_time) / FORECAST_SEAL).is_file()


def find_missing(spec: ReportSpec, lacking: Iterable[Lacking]) -> list[Missing]:
    """Return what is missing of each source that lacks something."""
    lacking, found = list(lacking), []
    for source in spec.sources:
        unmade = source.absent
        if source.kind == "run":
            unmade = [name for name in spec.init_times if not _is_whole(spec.store, source.source_id, name)]
        # What is not there cannot be verified either: that is no reason of its own.
        own = [one for one in lacking if one.source_id == source.source_id and one.init_time not in unmade]
        reasons = _by_reason(own)
        if unmade or reasons:
            shown, more = reasons[:_MOST_REASONS], len(reasons[_MOST_REASONS:])
            found.append(Missing(source.label, [time(name) for name in unmade], shown, more))
    return found
