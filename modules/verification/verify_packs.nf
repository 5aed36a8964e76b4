/*
 * Verify the packs that a list names. A pack is one source in one block of init times. It starts
 * when this launch has made the forecasts that it awaits, at the latest when INFERENCE has ended.
 */

include { COPY_TRUTH } from './copy_truth'
include { VERIFY     } from './verify'

workflow VERIFY_PACKS {
    take:
    lists // packs of a truth: [ number, spec, domain.json, list of packs ]
    made  // forecast that this launch has made: [ run_id, init_time ]
    ended // one item, when INFERENCE has ended

    main:
    packs = lists.flatMap { _number, spec, domain, list -> // [ id, pack (map), spec, domain.json, list ]
        new groovy.json.JsonSlurperClassic().parseText(list.text).packs.collect { pack ->
            tuple(pack.id, pack, spec, domain, list)
        }
    }
    complete = packs
        .flatMap { id, pack, _spec, _domain, _list ->
            pack.awaited.collect { init_time -> tuple(pack.source_id, init_time, groupKey(id, pack.awaited.size())) }
        }
        .combine(made, by: [0, 1])
        .map { _source_id, _init_time, key -> tuple(key, true) }
        .groupTuple()
        .map { key, _made -> key.getGroupTarget() }
    ready = packs
        .filter { _id, pack, _spec, _domain, _list -> !pack.awaited }
        .map { item -> item.first() }
        .mix(complete, packs.combine(ended).map { item -> item.first() })
        .unique()

    // A block's truth is copied once: [ block, truth (number), spec, domain.json, list ]
    blocks = packs
        .map { _id, pack, spec, domain, list ->
            tuple("${pack.truth} ${pack.block}".toString(), pack, spec, domain, list)
        }
        .unique { block, _pack, _spec, _domain, _list -> block }
        .map { block, pack, spec, domain, list ->
            tuple(block, [block: pack.block, truth: pack.truth], spec, domain, list)
        }
    COPY_TRUTH(blocks)

    jobs = packs
        .join(ready)
        .map { _id, pack, spec, domain, list ->
            tuple("${pack.truth} ${pack.block}".toString(), pack, spec, domain, list)
        }
        .combine(COPY_TRUTH.out.truth, by: 0)
        .map { _block, pack, spec, domain, list, truth -> tuple(pack, spec, domain, list, truth) }
    VERIFY(jobs)

    emit:
    done = VERIFY.out.done // file: what came of a pack
}
