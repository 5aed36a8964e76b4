/*
 * A zip per run to make its forecasts by hand.
 */

process CREATE_SANDBOX {
    tag "${meta.run_id}"
    label 'launch'

    input:
    tuple val(meta), val(init_time), path(checkpoint), path(lock)
    stdin

    output:
    tuple val(meta), path('sandbox.zip'), emit: sandbox

    script:
    """
    create_sandbox.py --checkpoint ${checkpoint} --lock ${lock} --init_time ${init_time} ${params.sandbox_checkpoint ? '--with_checkpoint' : ''} --output sandbox.zip
    """

    stub:
    """
    touch sandbox.zip
    """
}

workflow SANDBOX {
    take:
    runs  // run to make a sandbox of: [ meta (run_id, env_id, store), spec (JSON text), init_time of the forecast it is ready for ]
    locks // what is in its environment: [ env_id, checkpoint, lock ]

    main:
    jobs = runs
        .map { meta, spec, init_time -> tuple(meta.env_id, meta, spec, init_time) }
        .combine(locks, by: 0)
        .multiMap { _env_id, meta, spec, init_time, checkpoint, lock ->
            job: tuple(meta, init_time, checkpoint, lock)
            spec: spec
        }
    CREATE_SANDBOX(jobs.job, jobs.spec)

    emit:
    sandboxes = CREATE_SANDBOX.out.sandbox // [ meta, zip ]
}
