"""The masks of the common sample: which points of a source count, where other sources lack some."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evalflow.errors import UserError
from evalflow.scores.sums import mask_digest
from evalflow.store.layout import init_time_of
from evalflow.verification.found import DomainFound
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.samples import Samples, masks_of
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.wanted import MaskDigests, Wanted


class CommonMasks:
    """The points of a source that count where others lack some.

    Each method raises UserError where statistics were replaced since the samples were compared.
    """

    def __init__(self, spec: VerificationSpec, found: DomainFound, samples: Samples, source: int) -> None:
        self.samples, self._source, self._points = samples, source, found.points
        wanted = Wanted(spec, found)
        self._statistics = [SourceStatistics(wanted, one) for one in spec.sources]

    def __call__(self, name: str) -> list[dict[tuple[str, int], NDArray[np.bool_]]]:
        """Return (param, minutes) → points of an init time, for each sample that the source is summed up again over."""
        there = masks_of(self._statistics, init_time_of(name))
        wanted = self.samples.wanted(self._source, name)
        return [self._of(there, self.samples.members(pair), digests) for pair, digests in wanted]

    def of_maps(self, name: str) -> dict[tuple[str, int], NDArray[np.bool_]]:
        """Return (param, minutes) → points of an init time that all sources have which are compared together."""
        digests = self.samples.common(self._source, name)
        there = masks_of(self._statistics, init_time_of(name)) if digests else {}
        return self._of(there, self.samples.members(""), digests)

    def _of(
        self,
        there: dict[tuple[str, int], dict[int, NDArray[np.bool_]]],
        members: Callable[[tuple[str, int]], list[int]],
        digests: MaskDigests,
    ) -> dict[tuple[str, int], NDArray[np.bool_]]:
        masks = {}
        for cell, digest in digests.items():
            some = [mask for number, mask in there.get(cell, {}).items() if number in members(cell)]
            masks[cell] = np.logical_and.reduce(some or [np.zeros(self._points, bool)])
            if f"{mask_digest(masks[cell]):016x}" != digest:
                raise UserError(f"{cell[0]}: statistics were replaced while samples were compared; launch again")
        return masks
