"""Collects the sums at points of one pack while its forecasts are verified, and stores them block by block."""

from datetime import datetime, timedelta
from functools import partial

import numpy as np

from evalflow.scores.point_sums import PointAdder
from evalflow.store.layout import init_time_name, init_time_of, maps_folder
from evalflow.verification.map_files import (
    Cell,
    CellHeld,
    Cells,
    MapHeld,
    lacking_cells,
    list_map_files,
    write_map_file,
)
from evalflow.verification.maps import CommonSample, common_cells, own_cells
from evalflow.verification.packs import Pack, ten_days
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.truth import minutes_of
from evalflow.verification.wanted import Wanted


class _Block:
    """The sums of one block of ten days, while they grow.

    Attributes
    ----------
    left : init time → params and lead times that are still to be added
    """

    def __init__(self, wanted: Cells, points: int) -> None:
        self._wanted = wanted
        self._adders = {cell: PointAdder(points) for cell in wanted}
        self._given: dict[Cell, list[str]] = {cell: [] for cell in wanted}
        self.left: dict[str, set[Cell]] = {}
        for cell, inits in wanted.items():
            for name in inits:
                self.left.setdefault(name, set()).add(cell)

    def add(self, cell: Cell, name: str, forecast: np.ndarray, truth: np.ndarray) -> None:
        self.left[name].discard(cell)
        if cell in self._adders and self._adders[cell].add(init_time_of(name).hour, forecast, truth):
            self._given[cell].append(name)

    def spoil(self, cell: Cell) -> None:
        """Keep nothing of a param and lead time: a later launch makes it."""
        self._adders.pop(cell, None)

    def held(self) -> list[CellHeld]:
        return [
            CellHeld(param=cell[0], minutes=cell[1], asked=self._wanted[cell], given=self._given[cell])
            for cell in sorted(self._adders)
        ]

    def sums(self):
        return {cell: adder.finish() for cell, adder in self._adders.items()}


class MapMaker:
    """Sums at points of the blocks of one pack; of none where there are no score maps.

    Attributes
    ----------
    init_times : of these blocks, as names: those whose fields are wanted
    over_common : whether the sums are over the init times and points that all sources have

    Parameters
    ----------
    samples : where they are over the init times and points that all sources have; None: over the
        source's own
    """

    def __init__(self, wanted: Wanted, pack: Pack, samples: CommonSample | None) -> None:
        spec, self._source = wanted.spec, wanted.spec.sources[pack.source]
        self.over_common = samples is not None
        self._verif_id = wanted.found.verif_id
        self._folder = maps_folder(spec.store, self._verif_id, self._source.source_id)
        statistics = SourceStatistics(wanted, self._source)
        cells = partial(own_cells, statistics)
        if samples is not None:
            cells = partial(common_cells, statistics, number=pack.source, samples=samples)
        there, days = list_map_files(self._folder) if pack.maps else {}, ten_days(spec.init_times)
        self._blocks: dict[str, _Block] = {}
        for block in pack.maps:
            lacking = lacking_cells(cells(days[block]), there.get(block, []), spec.verify_store)
            if lacking:
                self._blocks[block] = _Block(lacking, wanted.found.points)
        self._block_of = {name: block for block in self._blocks for name in self._blocks[block].left}
        self.init_times = sorted(self._block_of)

    def left(self, init_time: datetime) -> list[Cell]:
        """Return the params and lead times (minutes) of an init time that are still to be added."""
        name = init_time_name(init_time)
        return sorted(self._blocks[self._block_of[name]].left[name]) if name in self._block_of else []

    def add(
        self, param: str, init_time: datetime, lead_time: timedelta, forecast: np.ndarray, truth: np.ndarray
    ) -> None:
        """Add a field, [points in the domain's order], where it is still wanted."""
        cell = param, minutes_of(lead_time)
        if cell in self.left(init_time):
            name = init_time_name(init_time)
            self._blocks[self._block_of[name]].add(cell, name, forecast, truth)

    def spoil(self, init_time: datetime) -> None:
        """Note that what is left of an init time cannot be had now: the block lacks these params and lead times."""
        for cell in self.left(init_time):
            self._blocks[self._block_of[init_time_name(init_time)]].spoil(cell)

    def close(self, name: str) -> None:
        """Note that an init time is done; store its block if it was the last one.

        Raises
        ------
        OSError
            Where it cannot be stored.
        """
        block = self._block_of.pop(name, None)
        if block is None or block in self._block_of.values():
            return
        done = self._blocks.pop(block)
        held = MapHeld(source=self._source.source_id, verif_id=self._verif_id, cells=done.held())
        if held.cells:
            write_map_file(self._folder, block, held, done.sums())
