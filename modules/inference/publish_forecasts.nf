/*
 * Publish forecasts that are made but not in the store: it was full when they were made, or -resume
 * takes them from work.
 */

process PUBLISH_FORECASTS {
    tag "${meta.id}"
    cache false // the store may have changed since

    input:
    tuple val(meta), path(forecasts), stdin

    script:
    """
    publish_forecasts.py ${forecasts}
    """
}
