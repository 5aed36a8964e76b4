/*
 * Make forecasts in tasks of one or several init times, try again by themselves those that fail among others, and publish
 * those that their tasks could not publish.
 */

include { RUN_FORECAST } from './run_forecast'
include { RUN_FORECAST as RUN_FORECAST_ALONE } from './run_forecast'
include { PUBLISH_FORECASTS } from './publish_forecasts'

workflow MAKE_FORECASTS {
    take:
    able  // run that can be run: [ run_id, meta, inference, checkpoint, image, spec ]
    tasks // what one task makes: [ run_id, [ init_time, … ], resources, [ forecast folder to refine, … ] ]

    main:
    jobs = jobs_of(able, tasks)
    RUN_FORECAST(jobs.job, jobs.spec)

    failed = RUN_FORECAST.out.unfinished
        .flatMap { meta, unfinished -> unfinished.readLines().collect { line -> tuple(meta.run_id, line.tokenize()[0]) } }
        .combine(tasks, by: 0)
        .filter { _run_id, init_time, init_times, _resources, _forecasts -> init_time in init_times }
        .map { run_id, init_time, _init_times, resources, forecasts -> tuple(run_id, [init_time], resources, forecasts.findAll { folder -> folder.name == init_time }) }
    again = jobs_of(able, failed)
    RUN_FORECAST_ALONE(again.job, again.spec)

    made = RUN_FORECAST.out.forecasts.mix(RUN_FORECAST_ALONE.out.forecasts) // [ meta, folders ]
    lacking = made
        .filter { meta, folders -> [folders].flatten().any { folder -> !file("${meta.store}/runs/${meta.run_id}/${folder.name}/forecast.json", glob: false).exists() } }
        .map { meta, folders -> tuple(meta.run_id, meta, folders) }
        .combine(able.map { run_id, _meta, _inference, _checkpoint, _image, spec -> tuple(run_id, spec) }, by: 0)
        .multiMap { _run_id, meta, folders, spec ->
            job: tuple(meta, folders)
            spec: spec
        }
    PUBLISH_FORECASTS(lacking.job, lacking.spec)

    emit:
    forecasts = made // [ run_id, init_time, folder ]
        .flatMap { meta, folders -> [folders].flatten().collect { folder -> tuple(meta.run_id, folder.name, folder) } }
    made_twice = RUN_FORECAST.out.made_twice.mix(RUN_FORECAST_ALONE.out.made_twice) // file: by another launch as well
}

// Put the run and what it is to make together, for a process that also reads standard input.
def jobs_of(able, tasks) {
    return able
        .combine(tasks, by: 0)
        .multiMap { _run_id, meta, inference, checkpoint, image, spec, init_times, resources, forecasts ->
            job: tuple(meta + [init_times: init_times, resources: resources], inference, checkpoint, image, forecasts)
            spec: spec
        }
}
