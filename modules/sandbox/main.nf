/*
 * Make a zip per run, with which people make its forecasts by hand.
 */

include { CREATE_SANDBOX } from './create_sandbox'

workflow SANDBOX {
    take:
    runs            // run to make a sandbox of: [ meta (run_id, env_id, store), spec (JSON text), init_time ]
    locks           // what is in its environment: [ env_id, checkpoint, lock ]
    with_checkpoint // whether a sandbox has the checkpoint's bytes, not a link

    main:
    jobs = runs // [ meta, init_time, with_checkpoint, checkpoint, lock, spec ]
        .map { meta, spec, init_time -> tuple(meta.env_id, meta, spec, init_time) }
        .combine(locks, by: 0)
        .map { _env_id, meta, spec, init_time, checkpoint, lock ->
            tuple(meta, init_time, with_checkpoint, checkpoint, lock, spec)
        }
    CREATE_SANDBOX(jobs)

    emit:
    CREATE_SANDBOX.out.sandbox // [ meta, zip ]
}
