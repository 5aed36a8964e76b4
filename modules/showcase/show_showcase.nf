/*
 * Link what was drawn into the results, draw meteograms and write the page.
 */

process SHOW_SHOWCASE {
    label 'aggregate'
    cache false // the store and the results may have changed since

    input:
    tuple path(spec), path(prepared), path(drawn, stageAs: 'drawn?.json')

    output:
    path 'shown.json', emit: shown

    script:
    """
    ls drawn*.json 2> /dev/null | xargs -r -n 1 echo --drawn | \\
        xargs show_showcase.py --spec ${spec} --prepared ${prepared} --output shown.json
    """

    stub:
    """
    echo '{}' > shown.json
    """
}
