/*
 * Read the truth of a block of init times from its archive, once for all sources.
 */

process COPY_TRUTH {
    tag "truth ${meta.truth + 1} ${meta.block}"
    label 'verify'
    cache false // the archive may have changed since

    input:
    tuple val(block), val(meta), path(spec), path(domain), path(list)

    output:
    tuple val(block), path('truth.nc'), emit: truth

    script:
    """
    copy_truth.py --spec ${spec} --domain ${domain} --packs ${list} --block ${meta.block} --output truth.nc
    """

    stub:
    """
    touch truth.nc
    """
}
