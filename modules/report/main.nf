/*
 * Draw the pages of an experiment from its tables of scores, into the folder of results.
 */

include { MAKE_REPORT } from './make_report'

workflow REPORT {
    take:
    specs      // file: what the pages are drawn from, or nothing
    forecasts  // forecast that this launch has made
    verified   // file: what came of a pack that was verified
    aggregated // file: what came of the tables of scores

    main:
    // It starts when both stages before have ended, also where they had nothing to do.
    ended = forecasts.count().combine(aggregated.count())
    packs = verified
        .map { file -> file.toString() }
        .toSortedList()
        .map { files -> files.join('\n') }
    MAKE_REPORT(specs.combine(ended).combine(packs).map { file, _forecasts, _tables, list -> tuple(file, list) })

    emit:
    reported = MAKE_REPORT.out.reported // file: what was drawn
}
