/*
 * Verify one source in one block of init times, and put the statistics that the store lacks there.
 */

process VERIFY {
    tag "${pack.id}"
    label 'verify'
    cache false // the store may have changed since

    input:
    tuple val(pack), path(spec), path(domain), path(list), path(truth)

    output:
    path 'done.json', emit: done

    script:
    """
    verify.py --spec ${spec} --domain ${domain} --packs ${list} --pack '${pack.id}' --truth ${truth} \\
        --output done.json
    """

    stub:
    """
    touch done.json
    """
}
