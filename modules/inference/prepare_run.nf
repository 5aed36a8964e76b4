process PREPARE_RUN {
    tag "${meta.run_id}"
    label 'launch'
    publishDir { "${meta.store}/runs/${meta.run_id}" }, mode: 'copy', overwrite: true, pattern: 'run.json'

    input:
    tuple val(meta), stdin

    output:
    tuple val(meta), path('inference.yaml'), emit: inference
    path 'run.json', emit: run

    script:
    """
    prepare_run.py --output .
    """

    stub:
    """
    touch inference.yaml run.json
    """
}
