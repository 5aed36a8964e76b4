"""What is left to compute for one truth: the packs of init times of which the store lacks statistics."""

from evalflow.store.layout import init_time_of, statistics_folder
from evalflow.verification.domain import DomainFound
from evalflow.verification.holdings import lacking, list_statistics
from evalflow.verification.packs import Packs, make_packs
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.verify import wanted_holding


def packs_of(spec: VerificationSpec, found: DomainFound) -> Packs:
    """Return the packs of a truth: what the store lacks, and what this launch is still to forecast."""
    wanted: dict[int, list[str]] = {}
    for number, source in enumerate(spec.sources):
        if not found.sources[source.source_id].params and source.source_id not in spec.awaited:
            continue
        there = list_statistics(statistics_folder(spec.store, found.verif_id, source.source_id))
        awaited = set(spec.awaited.get(source.source_id, []))
        for name in spec.init_times:
            init_time = init_time_of(name)
            if (
                name in awaited
                or lacking(wanted_holding(spec, found, source, init_time), init_time, there.get(name, [])).params
            ):
                wanted.setdefault(number, []).append(name)
    return Packs(packs=make_packs(spec, found.truth, wanted))
