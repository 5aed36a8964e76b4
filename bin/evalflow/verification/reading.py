"""Read the statistics of one source that belong to what is verified now: of today's files, points and regions."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from evalflow.fields.points.atoms import ALL
from evalflow.scores.sums import Sums
from evalflow.store.layout import init_time_of, statistics_folder
from evalflow.verification.domain import DomainFound
from evalflow.verification.holdings import Held, Holding, lacking, list_statistics, read_statistics, statistics_name
from evalflow.verification.spec import SourceEntry, VerificationSpec
from evalflow.verification.verify import of_common_sample, wanted_holding

Masks = dict[tuple[str, float], str]
"""(param, lead time in hours) → digest of the points that count for all sources."""


class SourceStatistics:
    """The statistics of one source against one truth."""

    def __init__(self, spec: VerificationSpec, found: DomainFound, source: SourceEntry) -> None:
        self.spec, self.found, self.source = spec, found, source

    @cached_property
    def _files(self) -> dict[str, list]:
        return list_statistics(statistics_folder(self.spec.store, self.found.verif_id, self.source.source_id))

    def _wanted(self, init_time: datetime, masks: Masks | None) -> Holding:
        wanted = wanted_holding(self.spec, self.found, self.source, init_time)
        return wanted if masks is None else of_common_sample(wanted, masks)

    def held(self, init_time: datetime, masks: Masks | None = None) -> list[Held]:
        """Return the files of an init time that belong to what is wanted, those that hold all of it alone first.

        Parameters
        ----------
        masks : None: each source on its own sample; else on the common one
        """
        paths = self._files.get(f"{init_time:%Y%m%d%H%M}", [])
        if not paths:
            return []
        wanted = self._wanted(init_time, masks)
        expected = next((path for path in paths if path.name == statistics_name(init_time, wanted)), None)
        read = [one for path in ([expected] if expected else paths) if (one := read_statistics(path)) is not None]
        return [one for one in read if one.holding.made_from_the_same(wanted)]

    def lacks(self, init_time: datetime, masks: Masks | None = None) -> bool:
        """Return whether the store lacks something of what is wanted of an init time."""
        paths = self._files.get(f"{init_time:%Y%m%d%H%M}", [])
        return bool(lacking(self._wanted(init_time, masks), init_time, paths).params)

    def sums(self, masks_of: dict[datetime, Masks]) -> Iterator[Sums]:
        """Yield the sums of all init times; where points were left out for others, those of the common sample come last.

        Parameters
        ----------
        masks_of : init time → the masks of this source where others lack points that it has
        """
        for name in self.spec.init_times:
            init_time = init_time_of(name)
            for one in self.held(init_time):
                yield self._of_wanted_params(one)
            if init_time in masks_of:
                for one in self.held(init_time, masks_of[init_time]):
                    yield self._of_wanted_params(one)

    def _of_wanted_params(self, one: Held) -> Sums:
        """Return the sums of a file for today's regions, without params that are corrected otherwise than is wanted now."""
        wanted = self._wanted(one.sums.init_time, None).params
        kept = {
            name: sums
            for name, sums in one.sums.params.items()
            if name in wanted and one.holding.params[name].corrected == wanted[name].corrected
        }
        name_of = {found: name for name, found in one.holding.regions.items()}
        regions = {name: one.sums.regions[name_of[found]] for name, found in self.found.regions.items()}
        return replace(one.sums, params=kept, regions={ALL: one.sums.regions[ALL], **regions})
