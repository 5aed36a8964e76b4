/*
 * Store forecasts that are whole but that their tasks could not store: the store was full.
 */

process STORE_FORECASTS {
    tag "${meta.id}"
    cache false // the store may have changed since
    scratch false // see RUN_FORECAST; here as well, names are published
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
