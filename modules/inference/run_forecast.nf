/*
 * One task makes the forecasts of one run for one init time, or for several (--inits_per_task), a few of them at a time
 * (--inits_at_once). It puts each into the store as soon as it is whole.
 */

process RUN_FORECAST {
    tag "${meta.run_id} ${meta.init_times.size() == 1 ? meta.init_times[0] : meta.init_times[0] + '+' + (meta.init_times.size() - 1)}"
    label 'forecast'
    ext resources: { meta.resources }, launch: { workflow.sessionId.toString().take(8) }, members: { members_of(meta) }

    input:
    tuple val(meta), path(inference), path(checkpoint), path(image), path(forecasts, stageAs: 'forecaster/*') // a downscaler's input, or none
    stdin

    output:
    tuple val(meta), path('[0-9]*', type: 'dir'), emit: forecasts
    tuple val(meta), path('unfinished.txt'), emit: unfinished, optional: true
    path 'made_twice.txt', emit: made_twice, optional: true

    script:
    def gpus = meta.resources.gpu ? "--gpus ${meta.resources.gpu}" : ''
    """
    run_forecast.py --inference ${inference} --checkpoint ${checkpoint} --image ${image} --init_times ${meta.init_times.join(',')} ${forecasts ? '--forecaster forecaster' : ''} ${gpus} --at_once ${members_of(meta)} --output .
    """

    stub:
    """
    for init_time in ${meta.init_times.join(' ')}; do mkdir \$init_time; touch \$init_time/forecast.json; done
    publish_forecasts.py --stub ${meta.init_times.join(' ')}
    """
}

// How many forecasts a task makes at a time.
def members_of(meta) {
    return Math.min(params.inits_at_once as int, meta.init_times.size())
}
