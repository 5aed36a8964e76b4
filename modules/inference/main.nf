/*
 * Make the forecasts that the store lacks and publish them, each init time by itself.
 */

include { MAKE_FORECASTS } from './make_forecasts'
include { MAKE_FORECASTS as REFINE_FORECASTS } from './make_forecasts'

process PREPARE_RUN {
    tag "${meta.run_id}"
    label 'launch'
    publishDir "${meta.store}/runs/${meta.run_id}", mode: 'copy', overwrite: true, failOnError: true, pattern: 'run.json'

    input:
    val meta
    stdin

    output:
    tuple val(meta), path('inference.yaml'), emit: inference
    path 'run.json', emit: run

    script:
    """
    prepare_run.py --output .
    """

    stub:
    """
    touch inference.yaml run.json
    """
}

workflow INFERENCE {
    take:
    runs   // one run that lacks forecasts: [ meta (run_id, env_id, store), spec (JSON text) ]
    tasks  // what one task makes: [ run_id, [ init_time, … ], forecaster (run_id, or null), resources ]
    stored // forecasts that are complete already and that a downscaler needs: [ run_id, init_time, folder ]
    ready  // environment that can be used: [ env_id, checkpoint, image ]

    main:
    wanted = runs.multiMap { meta, spec ->
        meta: meta
        spec: spec
    }
    PREPARE_RUN(wanted.meta, wanted.spec)

    // [ run_id, meta, inference, checkpoint, image, spec ]
    able = PREPARE_RUN.out.inference
        .join(runs)
        .map { meta, inference, spec -> tuple(meta.env_id, meta.run_id, meta, inference, spec) }
        .combine(ready, by: 0)
        .map { _env_id, run_id, meta, inference, spec, checkpoint, image -> tuple(run_id, meta, inference, checkpoint, image, spec) }

    first = tasks
        .filter { _run_id, _init_times, forecaster, _resources -> !forecaster }
        .map { run_id, init_times, _forecaster, resources -> tuple(run_id, init_times, resources, []) }
    MAKE_FORECASTS(able, first)

    // A downscaler's task starts when its forecaster's forecasts of all its init times are there.
    refined = tasks
        .filter { _run_id, _init_times, forecaster, _resources -> forecaster }
        .flatMap { run_id, init_times, forecaster, resources -> init_times.collect { init_time -> tuple(forecaster, init_time, groupKey([run_id, init_times, resources], init_times.size())) } }
        .combine(MAKE_FORECASTS.out.forecasts.mix(stored), by: [0, 1])
        .map { _forecaster, _init_time, task, folder -> tuple(task, folder) }
        .groupTuple()
        .map { task, folders -> tuple(task.target[0], task.target[1], task.target[2], folders.sort { folder -> folder.name }) }
    REFINE_FORECASTS(able, refined)

    emit:
    forecasts = MAKE_FORECASTS.out.forecasts.mix(REFINE_FORECASTS.out.forecasts) // [ run_id, init_time, folder ]
    made_twice = MAKE_FORECASTS.out.made_twice.mix(REFINE_FORECASTS.out.made_twice) // file: by another launch as well
}
