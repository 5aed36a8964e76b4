/*
 * Verify every source against every truth: statistics go to the store, scores to the results.
 *
 * The scripts look into the store to decide what to compute, and write there themselves.
 */

include { DEFINE_DOMAIN                     } from './define_domain'
include { MAKE_CLIMATOLOGY                  } from './make_climatology'
include { VERIFY_PACKS                      } from './verify_packs'
include { VERIFY_PACKS as VERIFY_AGAIN      } from './verify_packs'
include { COMPARE_SAMPLES                   } from './compare_samples'
include { AGGREGATE                         } from './aggregate'

workflow VERIFICATION {
    take:
    specs     // what to verify, or nothing: [ verification.json, map of what it says ]
    forecasts // forecast that this launch has made: [ run_id, init_time, folder ]

    main:
    made = forecasts.map { run_id, init_time, _folder -> tuple(run_id, init_time) }
    ended = made.count() // one item, when INFERENCE has ended

    // The domain needs one forecast of each run, to know its points. Where the store has none of a
    // run, it waits for the first one, and for nothing more.
    seen = specs
        .flatMap { file, spec -> spec.unseen.collect { run_id -> tuple(run_id, groupKey(file, spec.unseen.size())) } }
        .combine(made.map { run_id, _init_time -> run_id }.unique(), by: 0)
        .map { _run_id, key -> tuple(key, true) }
        .groupTuple()
        .map { key, _seen -> key.getGroupTarget() }
    ready = specs
        .filter { _file, spec -> !spec.unseen }
        .map { file, _spec -> file }
        .mix(seen, specs.combine(ended).map { file, _spec, _count -> file })
        .unique()

    truths = specs // a truth by its number in the spec: [ number, spec ]
        .join(ready)
        .flatMap { file, spec -> spec.truths.withIndex().collect { _truth, number -> tuple(number, file) } }
    DEFINE_DOMAIN(truths)

    // Which statistics are lacking follows from the climatology too, where one is wanted.
    defined = truths // [ number, spec, domain.json, packs.json, whether a climatology is wanted ]
        .join(DEFINE_DOMAIN.out.domain)
        .combine(specs.map { _file, spec -> spec.sources.any { source -> source.reference } })
    MAKE_CLIMATOLOGY(
        defined.filter { item -> item.last() }
            .map { number, file, domain, _packs, _wanted -> tuple(number, file, domain) }
    )
    // Where none can be made, scores that do not need it are made all the same.
    domains = truths // [ number, spec, domain.json, packs.json ]
        .join(MAKE_CLIMATOLOGY.out.domain)
        .mix(
            defined.combine(MAKE_CLIMATOLOGY.out.domain.count())
                .map { number, file, domain, packs, _wanted, _count -> tuple(number, file, domain, packs) }
        )
        .unique { item -> item.first() }

    VERIFY_PACKS(domains, made, ended)

    // When all statistics are there: leave out for all sources what one of them lacks.
    verified = VERIFY_PACKS.out.done.count()
    COMPARE_SAMPLES(
        domains.combine(verified).map { number, file, domain, _packs, _count -> tuple(number, file, domain) }
    )
    samples = domains // [ number, spec, domain.json, samples.json ]
        .join(COMPARE_SAMPLES.out.samples)
        .map { number, file, domain, _packs, sample -> tuple(number, file, domain, sample) }
    VERIFY_AGAIN(samples, made, ended)

    found = samples
        .combine(VERIFY_AGAIN.out.done.count())
        .map { number, file, domain, sample, _count -> tuple(file, [number, domain, sample]) }
        .groupTuple()
        .map { file, some ->
            def sorted = some.sort { item -> item[0] }
            tuple(file, sorted*.get(1), sorted*.get(2))
        }
    AGGREGATE(found)

    emit:
    verified = VERIFY_PACKS.out.done.mix(VERIFY_AGAIN.out.done) // file: what came of a pack
    aggregated = AGGREGATE.out.aggregated // file: what came of it
}
