/*
 * One task makes the forecasts of one run for one init time, or for several (--inits_per_task),
 * some of them at a time (--inits_at_once). It puts each forecast into the store as soon as it is
 * whole, and returns links to them. Nextflow publishes these links: they are the forecasts' names.
 *
 * A name that cannot be made must not end other jobs: the summary makes it, or says what is in the
 * way.
 */

process RUN_FORECAST {
    tag "${meta.id}"
    label 'forecast'
    ext resources: { meta.resources }, at_once: { meta.at_once }, launch: { workflow.sessionId.toString().take(8) }
    scratch false // links would arrive as copies; ext.on_node makes forecasts on the node's own disk
    publishDir { "${meta.store}/runs/${meta.run_id}" },
        mode: 'copyNoFollow', pattern: '[0-9]*', overwrite: false, failOnError: false

    input:
    tuple val(meta), path(inference), path(checkpoint), path(image), stdin, path(forecasts, stageAs: 'forecaster/*')

    output:
    // Links to forecasts in the store, and folders with forecasts that could not be stored.
    tuple val(meta), path('{[0-9]*,unstored/[0-9]*}', type: 'dir', arity: '1..*'), emit: forecasts
    path 'made_twice.txt', emit: made_twice, optional: true

    script:
    def forecaster = meta.forecaster ? '--forecaster forecaster' : ''
    def gpus = meta.resources.gpu ? "--gpus ${meta.resources.gpu}" : ''
    def on_node = task.ext.on_node ? '--on_node' : ''
    def failures = "../../launches/${workflow.sessionId}" // of this launch, below its work folder
    """
    run_forecast.py --inference ${inference} --checkpoint ${checkpoint} --image ${image} ${forecaster} ${gpus} \\
        --init_times ${meta.init_times.join(',')} --at_once ${meta.at_once} ${on_node} --failures ${failures} --output .
    """

    stub:
    def write = meta.forecaster ? 'cat forecaster/$init_time/forecast.json >' : 'touch' // fails without its input
    """
    for init_time in ${meta.init_times.join(' ')}; do
        mkdir -p made/\$init_time
        ${write} made/\$init_time/forecast.json
    done
    store_forecasts.py --stub made/*
    """
}
