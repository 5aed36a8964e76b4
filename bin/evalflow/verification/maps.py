"""What is wanted of the sums at points of each source, and what the store lacks of them.

A source's sums are first of all init times and points that it has. Where COMPARE_SAMPLES finds that
others have fewer, the blocks concerned are summed up again, over the init times and points that all
have: maps show the same sample as the tables.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from evalflow.digests import digest
from evalflow.store.layout import init_time_of, maps_folder
from evalflow.verification.holdings import Holding
from evalflow.verification.map_files import Cell, Cells, cells_of, lacking_cells, list_map_files
from evalflow.verification.packs import ten_days
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.wanted import MaskDigests


class CommonSample(Protocol):
    """Which init times and points all sources have."""

    def mapped(self, source: int, cell: Cell) -> set[str] | None:
        """Return the init times that a map is of, or None where this source is in none."""

    def common(self, source: int, name: str) -> MaskDigests:
        """Return (param, minutes) → digest of the common points, where a source has more."""


def own_cells(statistics: SourceStatistics, inits: Iterable[str]) -> Cells:
    """Return what is wanted of a block, by its init times, over those and the points that a source has."""
    wanted: Cells = {}
    for name in inits:
        holding = statistics.own_holding(init_time_of(name))
        for cell in cells_of(statistics.wanted.spec.maps, statistics.source):
            _note(wanted, cell, name, holding)
    return wanted


def common_cells(statistics: SourceStatistics, inits: Iterable[str], number: int, samples: CommonSample) -> Cells:
    """Return what is wanted of a block, by its init times, over those and the points that all sources have.

    Parameters
    ----------
    number : of the source
    """
    wanted: Cells = {}
    of = {cell: samples.mapped(number, cell) for cell in cells_of(statistics.wanted.spec.maps, statistics.source)}
    for name in inits:
        init_time, masks = init_time_of(name), samples.common(number, name)
        own = statistics.own_holding(init_time)
        over = statistics.wanted.holding(statistics.source, init_time, masks) if masks else own
        for cell, mapped in of.items():
            if mapped is not None and name in mapped:
                _note(wanted, cell, name, over if cell in masks else own)
    return wanted


def _note(wanted: Cells, cell: Cell, name: str, holding: Holding) -> None:
    """Note what a field is made from, if the forecast may have it."""
    param, minutes = cell
    held = holding.params.get(param)
    if held is not None and minutes in held.made_from:
        wanted.setdefault(cell, {})[name] = digest([holding.forecast, held.made_from[minutes]])[:12]


def blocks_lacking(
    statistics: SourceStatistics, cells: Callable[[list[str]], Cells], awaited: Iterable[str] = ()
) -> list[str]:
    """Return the blocks of ten days of which the store lacks sums at points of a source.

    Parameters
    ----------
    cells : returns what is wanted of a block, by its init times
    awaited : init times of forecasts that are still to be made; what their maps hold is not known
    """
    spec, source = statistics.wanted.spec, statistics.source
    if not cells_of(spec.maps, source):
        return []
    there = list_map_files(maps_folder(spec.store, statistics.wanted.found.verif_id, source.source_id))
    to_come = set(awaited)
    return [
        block
        for block, inits in ten_days(spec.init_times).items()
        if to_come & set(inits) or lacking_cells(cells(inits), there.get(block, []), spec.verify_store)
    ]
