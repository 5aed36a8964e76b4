/*
 * Find stations, open truths, and list packs of what the store lacks.
 */

process PREPARE_SHOWCASE {
    label 'draw'
    cache false // the store may have changed since

    input:
    path spec

    output:
    path 'prepared.json', emit: prepared

    script:
    """
    prepare_showcase.py --spec ${spec} --output prepared.json
    """

    stub:
    """
    echo '{"packs": []}' > prepared.json
    """
}
