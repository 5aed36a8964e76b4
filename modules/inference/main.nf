/*
 * Make the forecasts that the store lacks, and publish each one by itself.
 */

include { PREPARE_RUN                        } from './prepare_run'
include { MAKE_FORECASTS                     } from './make_forecasts'
include { MAKE_FORECASTS as REFINE_FORECASTS } from './make_forecasts'

workflow INFERENCE {
    take:
    runs   // run that lacks forecasts: [ meta (run_id, env_id, store), spec (JSON text) ]
    tasks  // what one task makes: [ run_id, map (id, init_times, at_once, resources, forecaster: run_id or null) ]
    stored // complete forecast that a downscaler needs: [ run_id, init_time, folder ]
    ready  // environment that can be used: [ env_id, checkpoint, image ]

    main:
    PREPARE_RUN(runs)

    // A task with all that it needs, except the forecasts that it refines: [ id, meta (of run and
    // task), inference, checkpoint, image, spec ]
    jobs = PREPARE_RUN.out.inference
        .join(runs)
        .map { meta, inference, spec -> tuple(meta.env_id, meta, inference, spec) }
        .combine(ready, by: 0)
        .map { _env_id, meta, inference, spec, checkpoint, image ->
            tuple(meta.run_id, meta, inference, checkpoint, image, spec)
        }
        .combine(tasks, by: 0)
        .map { _run_id, meta, inference, checkpoint, image, spec, task ->
            tuple(task.id, meta + task, inference, checkpoint, image, spec)
        }

    nothing = tasks // forecasters refine nothing: [ id, [] ]
        .filter { _run_id, task -> !task.forecaster }
        .map { _run_id, task -> tuple(task.id, []) }
    MAKE_FORECASTS(jobs.join(nothing).map { job -> job.drop(1) })

    // What downscalers refine: [ id, [ forecast folder, … ] ]. A task waits until its forecaster
    // has made the forecasts of all its init times. Where some failed, it refines the others.
    given = tasks
        .filter { _run_id, task -> task.forecaster }
        .flatMap { _run_id, task ->
            def key = groupKey(task.id, task.init_times.size())
            task.init_times.collect { init_time -> tuple(task.forecaster, init_time, key) }
        }
        .combine(MAKE_FORECASTS.out.forecasts.mix(stored), by: [0, 1])
        .map { _forecaster, _init_time, key, folder -> tuple(key, folder) }
        .groupTuple(remainder: true)
        .map { key, folders -> tuple(key.getGroupTarget(), folders.sort { folder -> folder.name }) }
    to_refine = jobs
        .join(given)
        .map { _id, meta, inference, checkpoint, image, spec, folders ->
            def there = meta.init_times.findAll { init_time -> init_time in folders*.name }
            def some = [init_times: there, at_once: Math.min(meta.at_once, there.size())]
            tuple(meta + some, inference, checkpoint, image, spec, folders)
        }
    REFINE_FORECASTS(to_refine)

    emit:
    forecasts = MAKE_FORECASTS.out.forecasts.mix(REFINE_FORECASTS.out.forecasts) // [ run_id, init_time, folder ]
    made_twice = MAKE_FORECASTS.out.made_twice.mix(REFINE_FORECASTS.out.made_twice) // file: by another launch as well
}
