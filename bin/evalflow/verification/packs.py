"""Packs: what one task verifies, the init times of one source in one block of ten days."""

from collections.abc import Iterable

from pydantic import Field

from evalflow.documents import Document
from evalflow.store.layout import init_time_of
from evalflow.verification.spec import VerificationSpec

FEWEST = 10
"""Neighbouring blocks with fewer init times are joined: a task should last a minute or more."""


class Pack(Document):
    """What one task verifies.

    Attributes
    ----------
    id : name of the task
    truth, source : numbers in the spec
    source_id : of the source
    block : name of the block of init times
    init_times : `YYYYmmddHHMM`, those with statistics to compute
    awaited : which of these this launch is still to make
    maps : first days of the blocks of ten days whose sums at points are to be computed
    """

    id: str
    truth: int
    source: int
    source_id: str
    block: str
    init_times: list[str]
    awaited: list[str] = Field([], description="Those that this launch is still to make.")
    maps: list[str] = Field([], description="Blocks of ten days of which score maps lack sums.")


class Packs(Document):
    """The packs of one truth."""

    packs: list[Pack]


def ten_days(init_times: Iterable[str]) -> dict[str, list[str]]:
    """Return name → init times of blocks: days 1–10, 11–20, 21 to the end of each month.

    The name of a block is its first day.
    """
    parts: dict[str, list[str]] = {}
    for name in sorted(init_times):
        day = init_time_of(name).day
        parts.setdefault(f"{name[:6]}{min((day - 1) // 10, 2) * 10 + 1:02d}", []).append(name)
    return parts


def blocks(init_times: Iterable[str]) -> dict[str, list[str]]:
    """Return name → init times of blocks of ten days; neighbours with fewer than ten init times are joined."""
    joined: dict[str, list[str]] = {}
    last = ""
    for block, times in ten_days(init_times).items():
        if last and len(joined[last]) + len(times) <= FEWEST:
            joined[last] += times
        else:
            last = block
            joined[block] = list(times)
    return joined


def make_packs(
    spec: VerificationSpec, truth: int, wanted: dict[int, list[str]], maps: dict[int, list[str]] | None = None
) -> list[Pack]:
    """Return the packs of one truth.

    Parameters
    ----------
    wanted : number of a source → init times with statistics to compute
    maps : number of a source → blocks of ten days of which score maps lack sums
    """
    joined = blocks(spec.init_times)
    block_of = {time: block for block, times in joined.items() for time in times}
    first_of = {block: times[0] for block, times in ten_days(spec.init_times).items()}
    packs, maps = [], maps or {}
    for number in sorted({*wanted, *maps}):
        source_id = spec.sources[number].source_id
        awaited = set(spec.awaited.get(source_id, []))
        times: dict[str, list[str]] = {}
        for time in sorted(wanted.get(number, [])):
            times.setdefault(block_of[time], []).append(time)
        mapped: dict[str, list[str]] = {}
        for block in sorted(maps.get(number, [])):
            mapped.setdefault(block_of[first_of[block]], []).append(block)
        packs += [
            Pack(
                id=f"truth {truth + 1} {source_id} {block}",
                truth=truth,
                source=number,
                source_id=source_id,
                block=block,
                init_times=times.get(block, []),
                awaited=[time for time in times.get(block, []) if time in awaited],
                maps=mapped.get(block, []),
            )
            for block in sorted({*times, *mapped})
        ]
    return packs
