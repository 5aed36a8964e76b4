/*
 * Draw single forecasts: animations, meteograms, and the page that shows them.
 *
 * The scripts look into the store to decide what to draw, and write there themselves.
 */

include { PREPARE_SHOWCASE } from './prepare_showcase'
include { DRAW_SHOWCASE    } from './draw_showcase'
include { SHOW_SHOWCASE    } from './show_showcase'

workflow SHOWCASE {
    take:
    specs     // file: what to draw, or nothing
    forecasts // forecast that this launch has made: [ run_id, init_time, folder ]

    main:
    made = forecasts.map { run_id, init_time, _folder -> tuple(run_id, init_time) }
    ended = made.count() // one item, when INFERENCE has ended

    PREPARE_SHOWCASE(specs)
    found = specs.combine(PREPARE_SHOWCASE.out.prepared) // [ spec, prepared.json ]

    // A pack is some forecasts. It starts when this launch has made those that it awaits, at the
    // latest when INFERENCE has ended: [ id, pack (map), spec, prepared.json ]
    packs = found.flatMap { spec, prepared ->
        new groovy.json.JsonSlurperClassic().parseText(prepared.text).packs.collect { pack ->
            tuple(pack.id, pack, spec, prepared)
        }
    }
    complete = packs
        .flatMap { id, pack, _spec, _prepared ->
            pack.awaited.collect { run_id, init_time -> tuple(run_id, init_time, groupKey(id, pack.awaited.size())) }
        }
        .combine(made, by: [0, 1])
        .map { _run_id, _init_time, key -> tuple(key, true) }
        .groupTuple()
        .map { key, _made -> key.getGroupTarget() }
    ready = packs
        .filter { _id, pack, _spec, _prepared -> !pack.awaited }
        .map { item -> item.first() }
        .mix(complete, packs.combine(ended).map { item -> item.first() })
        .unique()
    DRAW_SHOWCASE(packs.join(ready))

    drawn = DRAW_SHOWCASE.out.drawn.toList().map { files -> [files] } // one item, when all is drawn
    SHOW_SHOWCASE(found.combine(drawn))

    emit:
    shown = SHOW_SHOWCASE.out.shown // file: what came of it
}
