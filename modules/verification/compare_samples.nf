/*
 * Find the init times and points that all sources of one truth have.
 */

process COMPARE_SAMPLES {
    tag "truth ${number + 1}"
    label 'aggregate'
    cache false // the store may have changed since

    input:
    tuple val(number), path(spec), path(domain)

    output:
    tuple val(number), path('samples.json'), emit: samples

    script:
    """
    compare_samples.py --spec ${spec} --domain ${domain} --output samples.json
    """

    stub:
    """
    echo '{"packs": []}' > samples.json
    """
}
