process SEAL_ENVIRONMENT {
    tag "${meta.env_id}"
    label 'launch'
    label 'stored'
    storeDir "${meta.store}/runs/${meta.env_id}"

    input:
    tuple val(meta), path(checkpoint), path(image), stdin

    output:
    tuple val(meta), path('env.json'), emit: seal

    script:
    """
    seal_environment.py --image ${image}
    """

    stub:
    """
    touch env.json
    """
}
