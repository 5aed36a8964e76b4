"""What the store lacks of the statistics of one truth, and what this launch is still to forecast: packs to verify."""

from functools import partial

from evalflow.store.layout import init_time_of, statistics_folder
from evalflow.verification.found import DomainFound
from evalflow.verification.holdings import lacking, list_statistics
from evalflow.verification.maps import blocks_lacking, own_cells
from evalflow.verification.packs import Packs, make_packs
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.wanted import Wanted


def packs_of(spec: VerificationSpec, found: DomainFound) -> Packs:
    """Return the packs of a truth.

    Where there is neither a forecast nor one to be made, there is nothing to do.
    """
    if not found.points:
        return Packs(packs=[])
    wanted = Wanted(spec, found)
    lacks: dict[int, list[str]] = {}
    maps: dict[int, list[str]] = {}
    for number, source in enumerate(spec.sources):
        if not found.sources[source.source_id].params:
            continue
        statistics = SourceStatistics(wanted, source)
        there = list_statistics(statistics_folder(spec.store, found.verif_id, source.source_id))
        awaited = set(spec.awaited.get(source.source_id, []))
        for name in spec.init_times:
            init_time = init_time_of(name)
            asked = statistics.own_holding(init_time)
            if name in awaited or lacking(asked, init_time, there.get(name, []), spec.verify_store).params:
                lacks.setdefault(number, []).append(name)
        blocks = blocks_lacking(statistics, partial(own_cells, statistics), awaited)
        if blocks:
            maps[number] = blocks
    return Packs(packs=make_packs(spec, found.truth, lacks, maps))
