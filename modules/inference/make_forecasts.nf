/*
 * Make forecasts in tasks of one or several init times. Retry alone each init time that a task did
 * not return. Store what a task could not store.
 */

include { RUN_FORECAST                       } from './run_forecast'
include { RUN_FORECAST as RUN_FORECAST_ALONE } from './run_forecast'
include { STORE_FORECASTS                    } from './store_forecasts'

workflow MAKE_FORECASTS {
    take:
    jobs // what one task makes: [ meta, inference, checkpoint, image, spec, [ forecast folder to refine, … ] ]

    main:
    RUN_FORECAST(jobs)

    // What a task was asked for and did not return, as jobs of one init time each. With -resume,
    // this includes forecasts of a cached task whose links lead nowhere.
    alone = RUN_FORECAST.out.forecasts
        .join(jobs)
        .flatMap { meta, folders, inference, checkpoint, image, spec, forecasts ->
            (meta.init_times - folders*.name).collect { init_time ->
                def one = [id: "${meta.run_id} ${init_time}".toString(), init_times: [init_time], at_once: 1]
                def refined = forecasts.findAll { folder -> folder.name == init_time }
                tuple(meta + one, inference, checkpoint, image, spec, refined)
            }
        }
    RUN_FORECAST_ALONE(alone)

    brought = RUN_FORECAST.out.forecasts.mix(RUN_FORECAST_ALONE.out.forecasts) // [ meta, [ folder, … ] ]
    unstored = brought // [ meta, [ folder, … ], spec ]
        .map { meta, folders -> tuple(meta, folders.findAll { folder -> !is_stored(folder) }) }
        .filter { _meta, folders -> folders }
        .join(jobs.mix(alone))
        .map { meta, folders, _inference, _checkpoint, _image, spec, _forecasts -> tuple(meta, folders, spec) }
    STORE_FORECASTS(unstored)

    emit:
    forecasts = brought // [ run_id, init_time, folder ]
        .map { meta, folders -> tuple(meta, folders.findAll { folder -> is_stored(folder) }) }
        .mix(STORE_FORECASTS.out.forecasts)
        .flatMap { meta, folders -> folders.collect { folder -> tuple(meta.run_id, folder.name, folder) } }
    made_twice = RUN_FORECAST.out.made_twice.mix(RUN_FORECAST_ALONE.out.made_twice) // file: by another launch as well
}

// Whether a task returned a link to a forecast in the store, not a forecast that it had to keep.
def is_stored(folder) {
    return folder.parent.name != 'unstored'
}
