/*
 * Make the forecasts that the store lacks and publish them, each init time by itself.
 */

include { RUN_FORECAST } from './run_forecast'
include { RUN_FORECAST as RUN_FORECAST_ALONE } from './run_forecast'

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
    runs  // one run that lacks forecasts: [ meta (run_id, env_id, store, resources), spec (JSON text) ]
    tasks // init times to make in one task: [ run_id, [ init_time, … ] ]
    ready // environment that can be used: [ env_id, checkpoint, image ]

    main:
    wanted = runs.multiMap { meta, spec ->
        meta: meta
        spec: spec
    }
    PREPARE_RUN(wanted.meta, wanted.spec)

    // [ env_id, run_id, meta, inference, spec ] → [ run_id, meta, inference, checkpoint, image, spec ]
    able = PREPARE_RUN.out.inference
        .join(runs)
        .map { meta, inference, spec -> tuple(meta.env_id, meta.run_id, meta, inference, spec) }
        .combine(ready, by: 0)
        .map { _env_id, run_id, meta, inference, spec, checkpoint, image -> tuple(run_id, meta, inference, checkpoint, image, spec) }

    jobs = able
        .combine(tasks, by: 0)
        .multiMap { _run_id, meta, inference, checkpoint, image, spec, init_times ->
            job: tuple(meta + [init_times: init_times], inference, checkpoint, image)
            spec: spec
        }
    RUN_FORECAST(jobs.job, jobs.spec)

    // Of a task with several init times, those that failed are tried once more, each in a task of its own.
    again = RUN_FORECAST.out.unfinished
        .flatMap { meta, unfinished -> unfinished.readLines().collect { init_time -> tuple(meta.run_id, [init_time]) } }
    alone = able
        .combine(again, by: 0)
        .multiMap { _run_id, meta, inference, checkpoint, image, spec, init_times ->
            job: tuple(meta + [init_times: init_times], inference, checkpoint, image)
            spec: spec
        }
    RUN_FORECAST_ALONE(alone.job, alone.spec)

    emit:
    forecasts = RUN_FORECAST.out.forecasts.mix(RUN_FORECAST_ALONE.out.forecasts) // [ meta, folder or folders named by init_time ]
}
