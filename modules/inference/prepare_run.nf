process PREPARE_RUN {
    tag "${meta.run_id}"
    label 'launch'

    input:
    tuple val(meta), stdin

    output:
    tuple val(meta), path('inference.yaml'), emit: inference
    path 'run.json', emit: run // a link to the one in the store: where that is gone, -resume writes it again

    script:
    """
    prepare_run.py --output .
    """

    stub:
    """
    prepare_run.py --output .
    """
}
