process CREATE_SANDBOX {
    tag "${meta.run_id}"
    label 'launch'

    input:
    tuple val(meta), val(init_time), val(with_checkpoint), path(checkpoint), path(lock), stdin

    output:
    tuple val(meta), path('sandbox.zip'), emit: sandbox

    script:
    def content = with_checkpoint ? '--with_checkpoint' : ''
    """
    create_sandbox.py --checkpoint ${checkpoint} --lock ${lock} --init_time ${init_time} ${content} --output sandbox.zip
    """

    stub:
    """
    touch sandbox.zip
    """
}
