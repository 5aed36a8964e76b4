/*
 * Make the climatology of one truth, once ever; then list again what statistics the store lacks.
 */

process MAKE_CLIMATOLOGY {
    tag "truth ${number + 1}"
    label 'verify'
    cache false // the store may have changed since

    input:
    tuple val(number), path(spec), path(domain, stageAs: 'defined/*')

    output:
    tuple val(number), path('domain.json'), path('packs.json'), emit: domain

    script:
    """
    make_climatology.py --spec ${spec} --domain ${domain} --output .
    """

    stub:
    """
    echo '{"packs": []}' | tee domain.json > packs.json
    """
}
