/*
 * Define which points are verified against one truth, and list what statistics the store lacks.
 */

process DEFINE_DOMAIN {
    tag "truth ${number + 1}"
    label 'verify'
    cache false // the store may have changed since

    input:
    tuple val(number), path(spec)

    output:
    tuple val(number), path('domain.json'), path('packs.json'), emit: domain

    script:
    """
    define_domain.py --spec ${spec} --truth ${number} --output .
    """

    stub:
    """
    echo '{"packs": []}' | tee domain.json > packs.json
    """
}
