process GET_CHECKPOINT {
    tag "${meta.env_id}"
    label 'download'
    label 'stored'
    ext resources: { meta.resources }
    storeDir "${meta.store}/runs/${meta.env_id}"

    input:
    tuple val(meta), stdin

    output:
    tuple val(meta), path('inference-last.ckpt'), path('anemoi.json'), emit: checkpoint

    script:
    """
    get_checkpoint.py
    """

    stub:
    """
    touch inference-last.ckpt anemoi.json
    """
}
