/*
 * Make the climatology of one truth, once ever.
 */

process MAKE_CLIMATOLOGY {
    tag "truth ${number + 1}"
    label 'verify'
    cache false // the store may have changed since

    input:
    tuple val(number), path(spec), path(domain)

    output:
    tuple val(number), path('climatology.json'), emit: climatology

    script:
    """
    make_climatology.py --spec ${spec} --domain ${domain} --output climatology.json
    """

    stub:
    """
    touch climatology.json
    """
}
