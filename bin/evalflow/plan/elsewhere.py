"""Which forecasts made elsewhere are there, and how much of them."""

import os
from collections import Counter
from pathlib import Path

from evalflow.errors import UserError
from evalflow.fields.archives import files_at, files_below, is_icon_archive
from evalflow.runners.base import listed
from evalflow.store.layout import init_time_of
from evalflow.verification.opening import open_source
from evalflow.verification.spec import SourceEntry, VerificationSpec


def _count(files: list[Path]) -> int:
    """Return how many files hold something."""
    return sum(path.is_dir() or os.path.getsize(path) > 0 for path in files)


def count_files(source: SourceEntry, init_times: list[str]) -> dict[str, int]:
    """Return init_time → number of files of a source made elsewhere, without empty ones.

    Of one store for all init times, what it has shows when it is read: here it is there (1) or not.
    """
    assert source.root is not None  # the config names it
    root = Path(source.root)
    if not os.path.exists(root):
        return dict.fromkeys(init_times, 0)
    if source.pattern is None:
        return dict.fromkeys(init_times, int(is_icon_archive(root) or _count(files_below(root)) > 0))
    return {time: _count(files_at(root, source.pattern, init_time_of(time))) for time in init_times}


def describe_external(spec: VerificationSpec, source: SourceEntry, files: dict[str, int]) -> list[str]:
    """Return a line for each thing that is missing of a source made elsewhere.

    All init times are counted by their files. Of the first, the middle and the last one the lead
    times are read: to read all of them would take as long as their verification.

    Parameters
    ----------
    files : init_time → number of files
    """
    name = f"{source.source_id} ({source.label})"
    where = f"{source.root}/{source.pattern}" if source.pattern else source.root
    there = [time for time, number in files.items() if number]
    absent = [time for time, number in files.items() if not number]
    lines = []
    if absent:
        lines.append(f"{name}: no file {where}, or empty ones, for {len(absent)} init times, the first {absent[0]}")
    usual = Counter(number for number in files.values() if number).most_common(1)
    fewer = [time for time in there if files[time] < usual[0][0]]
    if fewer:
        lines.append(
            f"{name}: {len(fewer)} init times have fewer files than the {usual[0][0]} of most, the first {fewer[0]} "
            f"({files[fewer[0]]})"
        )
    sample = sorted({there[0], there[len(there) // 2], there[-1]}) if there else []
    for time in sample if source.pattern else []:
        lines += [f"{name}: {what} at {time}" for what in _missing(spec, source, time)]
    return lines


def _missing(spec: VerificationSpec, source: SourceEntry, time: str) -> list[str]:
    """Return the lead times that a forecast lacks, in words."""
    try:
        reader = open_source(spec, source, init_time_of(time))
        found = {lead.total_seconds() / 3600 for param in reader.params() for lead in reader.lead_times(param)}
    except UserError as error:
        return [f"cannot be read ({str(error).splitlines()[0]})"]
    missing = [lead for lead in source.lead_times if lead not in found]
    return [f"{len(missing)} of the lead times are missing ({listed(missing)})"] if missing else []
