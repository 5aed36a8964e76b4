"""Read those statistics of a source that belong to today's files, points and regions."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from evalflow.fields.points.atoms import ALL
from evalflow.scores.sums import Cells, ParamSums, Sums
from evalflow.store.layout import init_time_name, statistics_folder
from evalflow.verification.holdings import (
    Held,
    Holding,
    lacking,
    list_statistics,
    read_statistics,
    statistics_name,
)
from evalflow.verification.spec import SourceEntry
from evalflow.verification.truth import minutes_of
from evalflow.verification.wanted import MaskDigests, Wanted


class SourceStatistics:
    """The statistics of one source against one truth.

    Attributes
    ----------
    damaged : files that could not be read, and were set aside
    """

    def __init__(self, wanted: Wanted, source: SourceEntry) -> None:
        self.wanted, self.source = wanted, source
        self.damaged: list[Path] = []
        self._holdings: dict[datetime, Holding] = {}

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        spec, found = self.wanted.spec, self.wanted.found
        return list_statistics(statistics_folder(spec.store, found.verif_id, self.source.source_id))

    def own_holding(self, init_time: datetime) -> Holding:
        """Return what is wanted of an init time over the source's own points."""
        if init_time not in self._holdings:
            self._holdings[init_time] = self.wanted.holding(self.source, init_time)
        return self._holdings[init_time]

    def own_sample(self, init_time: datetime, params: Collection[str] | None = None) -> Iterator[Sums]:
        """Yield the sums of an init time over the source's own points.

        Parameters
        ----------
        params : those that are asked for; None: all
        """
        for _, sums in self._read(init_time, self.own_holding(init_time), params):
            yield sums

    def sums(self, init_time: datetime, common: MaskDigests, params: Collection[str] | None = None) -> Iterator[Sums]:
        """Yield the sums of an init time over the points that all sources have.

        Parameters
        ----------
        common : (param, lead time in minutes) → digest of these points, where this source has more
        params : those that are asked for; None: all
        """
        for _, sums in self.files(init_time, common, params):
            yield sums

    def files(
        self, init_time: datetime, common: MaskDigests, params: Collection[str] | None = None
    ) -> Iterator[tuple[Path, Sums]]:
        """Yield what `sums` does, each with the file that it is from."""
        for path, sums in self._read(init_time, self.own_holding(init_time), params):
            yield path, replace(sums, params={name: _without(one, name, common) for name, one in sums.params.items()})
        if common:
            wanted = self.wanted.holding(self.source, init_time, common)
            yield from self._read(init_time, wanted, params)

    def lacks(self, init_time: datetime, common: MaskDigests) -> bool:
        """Return whether the store lacks anything wanted of an init time over common points."""
        paths = self._files.get(init_time_name(init_time), [])
        return bool(lacking(self.wanted.holding(self.source, init_time, common), init_time, paths).params)

    def _read(
        self, init_time: datetime, wanted: Holding, params: Collection[str] | None
    ) -> Iterator[tuple[Path, Sums]]:
        """Yield what is wanted of each file: where one holds all of it, of that alone."""
        paths = self._files.get(init_time_name(init_time), [])
        if not paths or not wanted.params:
            return
        whole = statistics_name(init_time, wanted)
        for path in [path for path in paths if path.name == whole] or paths:
            held = read_statistics(path, params)
            if held is None:
                self.damaged.append(path)
            elif held.holding.belongs_to(wanted):
                yield path, self._of(held, wanted)

    def _of(self, held: Held, wanted: Holding) -> Sums:
        """Return a file's params and lead times that are made from today's files and regions."""
        kept = {}
        for name, sums in held.sums.params.items():
            if name not in wanted.params:
                continue
            now, then = wanted.params[name], held.holding.params[name]
            same = [lead for lead in sums.lead_times if _same(now.made_from, then.made_from, minutes_of(lead))]
            if same:
                from_normal = [_same(now.anomalies, then.anomalies, minutes_of(lead)) for lead in sums.lead_times]
                kept[name] = at_leads(_with_anomalies(sums, from_normal), same)
        name_of = {digest: name for name, digest in held.holding.regions.items()}
        regions = {name: held.sums.regions[name_of[digest]] for name, digest in self.wanted.found.regions.items()}
        return replace(held.sums, params=kept, regions={ALL: held.sums.regions[ALL], **regions})


def _same(now: Mapping[int, str], then: Mapping[int, str], minutes: int) -> bool:
    return minutes in now and now[minutes] == then.get(minutes)


def _with_anomalies(sums: ParamSums, kept: list[bool]) -> ParamSums:
    """Return sums with the anomalies of some lead times alone."""
    if sums.anomalies is None or all(kept):
        return sums
    return replace(sums, anomalies=np.where(np.array(kept)[:, None], sums.anomalies, 0) if any(kept) else None)


def _without(sums: ParamSums, name: str, common: MaskDigests) -> ParamSums:
    """Return the lead times of which all points count."""
    return at_leads(sums, [lead for lead in sums.lead_times if (name, minutes_of(lead)) not in common])


def at_leads(sums: ParamSums, lead_times: Collection[timedelta]) -> ParamSums:
    """Return the sums of some lead times."""
    if len(lead_times) == len(sums.lead_times):
        return sums
    held = np.array([place for place, lead in enumerate(sums.lead_times) if lead in lead_times], np.intp)
    cells = sums.cells
    if cells is not None:
        lead, rest = np.divmod(cells.cell, per_lead := sums.cells_per_lead)
        kept = np.isin(lead, held)
        number = np.searchsorted(held, lead[kept]) * per_lead + rest[kept]
        cells = Cells(number, cells.count[kept], None if cells.weight is None else cells.weight[kept])
    return replace(
        sums,
        lead_times=tuple(sums.lead_times[place] for place in held),
        moments=sums.moments[:, held],
        anomalies=None if sums.anomalies is None else sums.anomalies[:, held],
        boxes={scale: values[held] for scale, values in sums.boxes.items()},
        cells=cells,
        digests=tuple(sums.digests[place] for place in held),
        masks=tuple(sums.masks[place] for place in held),
    )
