/*
 * One task makes the forecasts of one run for one init time, or for several (--inits_per_task), a
 * few of them at a time (--inits_at_once). It puts each into the store as soon as it is whole.
 */

process RUN_FORECAST {
    tag "${meta.id}"
    label 'forecast'
    ext resources: { meta.resources }, at_once: { meta.at_once }, launch: { workflow.sessionId.toString().take(8) }

    input:
    tuple val(meta), path(inference), path(checkpoint), path(image), stdin, path(forecasts, stageAs: 'forecaster/*')

    output:
    tuple val(meta), path('[0-9]*', type: 'dir', arity: '1..*'), emit: forecasts
    tuple val(meta), path('unfinished.txt'), emit: unfinished, optional: true
    path 'made_twice.txt', emit: made_twice, optional: true

    script:
    def forecaster = meta.forecaster ? '--forecaster forecaster' : ''
    def gpus = meta.resources.gpu ? "--gpus ${meta.resources.gpu}" : ''
    """
    run_forecast.py --inference ${inference} --checkpoint ${checkpoint} --image ${image} ${forecaster} ${gpus} \\
        --init_times ${meta.init_times.join(',')} --at_once ${meta.at_once} --output .
    """

    stub:
    def write = meta.forecaster ? 'cat forecaster/$init_time/forecast.json >' : 'touch' // fails without its input
    """
    for init_time in ${meta.init_times.join(' ')}; do
        mkdir \$init_time
        ${write} \$init_time/forecast.json
    done
    publish_forecasts.py --stub ${meta.init_times.join(' ')}
    """
}
