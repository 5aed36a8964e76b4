/*
 * Store whole forecasts that their tasks could not store, because the store was full.
 */

process STORE_FORECASTS {
    tag "${meta.id}"
    cache false // the store may have changed since
    scratch false // as in RUN_FORECAST: this process publishes names, too
    publishDir { "${meta.store}/runs/${meta.run_id}" },
        mode: 'copyNoFollow', pattern: '[0-9]*', overwrite: false, failOnError: false

    input:
    tuple val(meta), path(forecasts, stageAs: 'made/*'), stdin

    output:
    tuple val(meta), path('[0-9]*', type: 'dir', arity: '1..*'), emit: forecasts // links to what is stored

    script:
    """
    store_forecasts.py made/*
    """
}
