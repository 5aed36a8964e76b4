/*
 * Make forecasts in tasks of one or several init times, retry alone each one that fails among
 * others, and publish those that their tasks could not publish.
 */

include { RUN_FORECAST                       } from './run_forecast'
include { RUN_FORECAST as RUN_FORECAST_ALONE } from './run_forecast'
include { PUBLISH_FORECASTS                  } from './publish_forecasts'

workflow MAKE_FORECASTS {
    take:
    jobs // what one task makes: [ meta, inference, checkpoint, image, spec, [ forecast folder to refine, … ] ]

    main:
    RUN_FORECAST(jobs)

    alone = RUN_FORECAST.out.unfinished // as jobs, but of one init time
        .join(jobs)
        .flatMap { meta, unfinished, inference, checkpoint, image, spec, forecasts ->
            unfinished.readLines()*.tokenize()*.first().collect { init_time ->
                def one = [id: "${meta.run_id} ${init_time}".toString(), init_times: [init_time], at_once: 1]
                def refined = forecasts.findAll { folder -> folder.name == init_time }
                tuple(meta + one, inference, checkpoint, image, spec, refined)
            }
        }
    RUN_FORECAST_ALONE(alone)

    made = RUN_FORECAST.out.forecasts.mix(RUN_FORECAST_ALONE.out.forecasts) // [ meta, [ folder, … ] ]
    lacking = made // [ meta, [ folder, … ], spec ]
        .filter { meta, folders -> !folders.every { folder -> is_stored(meta, folder) } }
        .join(jobs.mix(alone))
        .map { meta, folders, _inference, _checkpoint, _image, spec, _forecasts -> tuple(meta, folders, spec) }
    PUBLISH_FORECASTS(lacking)

    emit:
    forecasts = made // [ run_id, init_time, folder ]
        .flatMap { meta, folders -> folders.collect { folder -> tuple(meta.run_id, folder.name, folder) } }
    made_twice = RUN_FORECAST.out.made_twice.mix(RUN_FORECAST_ALONE.out.made_twice) // file: by another launch as well
}

def is_stored(meta, folder) {
    return file("${meta.store}/runs/${meta.run_id}/${folder.name}/forecast.json", glob: false).exists()
}
