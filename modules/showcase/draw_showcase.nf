/*
 * Draw what the store lacks of some forecasts, and put it there.
 */

process DRAW_SHOWCASE {
    tag "${pack.id}"
    label 'draw'
    cache false // the store may have changed since

    input:
    tuple val(id), val(pack), path(spec), path(prepared)

    output:
    path 'drawn.json', emit: drawn

    script:
    """
    draw_showcase.py --spec ${spec} --prepared ${prepared} --pack '${id}' --output drawn.json
    """

    stub:
    """
    echo '{}' > drawn.json
    """
}
