/*
 * Draw the pages. The script writes them to the folder of results itself, the index last.
 */

process MAKE_REPORT {
    label 'aggregate'
    cache false // the store and the results may have changed since

    input:
    path spec

    output:
    path 'reported.json', emit: reported

    script:
    """
    make_report.py --spec ${spec} --output reported.json
    """

    stub:
    """
    echo '{}' > reported.json
    """
}
