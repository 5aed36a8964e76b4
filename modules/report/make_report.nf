/*
 * Draw the pages. The script writes them to the folder of results itself, the index last. It gets
 * the paths of what came of verification on standard input: as inputs, each would be a link.
 */

process MAKE_REPORT {
    label 'aggregate'
    cache false // the store and the results may have changed since

    input:
    tuple path(spec), stdin

    output:
    path 'reported.json', emit: reported

    script:
    """
    make_report.py --spec ${spec} --verified - --output reported.json
    """

    stub:
    """
    echo '{}' > reported.json
    """
}
