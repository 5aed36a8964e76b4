"""Open what the spec of verification names: the forecasts of a source, the archive of a truth."""

from collections.abc import Iterator
from datetime import datetime

from evalflow.errors import UserError
from evalflow.fields.members import OneMember
from evalflow.fields.reader import NotThere
from evalflow.fields.specs import TruthSpec
from evalflow.reading import opening
from evalflow.store.layout import init_time_of
from evalflow.verification.spec import SourceEntry, TruthEntry, VerificationSpec


def init_times_of(names: list[str]) -> list[datetime]:
    """Return the init times (naive, UTC) that names stand for."""
    return [init_time_of(name) for name in names]


def truth_spec(spec: VerificationSpec, truth: TruthEntry) -> TruthSpec:
    """Return what a reader of a truth is opened with."""
    return opening.truth_spec(truth, spec.grids, spec.folders)


def open_source(spec: VerificationSpec, source: SourceEntry, init_time: datetime) -> OneMember:
    """Return a reader of one forecast of a source; see `reading.opening.open_source`."""
    return opening.open_source(source, init_time, spec.grids)


class Forecasts:
    """The forecasts of a source that can be opened, in the order of init times: an iterator.

    Attributes
    ----------
    last : the one that was opened last, or None
    refused : why the first one that cannot be read cannot, or nothing
    """

    def __init__(self, spec: VerificationSpec, source: SourceEntry) -> None:
        self.spec, self.source = spec, source
        self.last: OneMember | None = None
        self.refused = ""

    def __iter__(self) -> Iterator[OneMember]:
        """Yield readers."""
        for init_time in init_times_of(self.spec.init_times):
            try:
                self.last = open_source(self.spec, self.source, init_time)
            except NotThere:
                continue
            except UserError as error:
                self.refused = self.refused or str(error)
            else:
                yield self.last
