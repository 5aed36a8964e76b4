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
    init_times : `YYYYmmddHHMM`, those with something to compute
    awaited : which of these this launch is still to make
    """

    id: str
    truth: int
    source: int
    source_id: str
    block: str
    init_times: list[str]
    awaited: list[str] = Field([], description="Those that this launch is still to make.")


class Packs(Document):
    """The packs of one truth."""

    packs: list[Pack]


def blocks(init_times: Iterable[str]) -> dict[str, list[str]]:
    """Return name → init times of blocks: days 1–10, 11–20, 21 to the end of each month.

    The name of a block is its first day. Neighbours with fewer than ten init times are joined.
    """
    parts: dict[str, list[str]] = {}
    for name in sorted(init_times):
        day = init_time_of(name).day
        parts.setdefault(f"{name[:6]}{min((day - 1) // 10, 2) * 10 + 1:02d}", []).append(name)
    joined: dict[str, list[str]] = {}
    last = ""
    for block, times in parts.items():
        if last and len(joined[last]) + len(times) <= FEWEST:
            joined[last] += times
        else:
            last = block
            joined[block] = list(times)
    return joined


def make_packs(spec: VerificationSpec, truth: int, wanted: dict[int, list[str]]) -> list[Pack]:
    """Return the packs of one truth.

    Parameters
    ----------
    wanted : number of a source → init times with something to compute
    """
    block_of = {time: block for block, times in blocks(spec.init_times).items() for time in times}
    packs = []
    for number, times in wanted.items():
        awaited = set(spec.awaited.get(spec.sources[number].source_id, []))
        grouped: dict[str, list[str]] = {}
        for time in sorted(times):
            grouped.setdefault(block_of[time], []).append(time)
        packs += [
            Pack(
                id=f"truth {truth + 1} {spec.sources[number].source_id} {block}",
                truth=truth,
                source=number,
                source_id=spec.sources[number].source_id,
                block=block,
                init_times=group,
                awaited=[time for time in group if time in awaited],
            )
            for block, group in grouped.items()
        ]
    return packs
