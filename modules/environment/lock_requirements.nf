process LOCK_REQUIREMENTS {
    tag "${meta.env_id}"
    label 'download'
    label 'stored'
    ext resources: { meta.resources }
    storeDir "${meta.store}/runs/${meta.env_id}"

    input:
    tuple val(meta), path(metadata), stdin

    output:
    tuple val(meta), path('requirements.txt'), emit: lock

    script:
    """
    lock_requirements.py --metadata ${metadata}
    """

    stub:
    """
    echo '# image_id: 00000000' > requirements.txt
    """
}
