/*
 * Build what is missing of each environment, once ever: checkpoint → lock → image → seal.
 *
 * Every output is in a storeDir, and the scripts write there themselves: temporary name, flush,
 * rename. So what has its final name is whole, whichever launch made it. Of two launches that make
 * the same thing, the first one wins.
 */

include { GET_CHECKPOINT    } from './get_checkpoint'
include { LOCK_REQUIREMENTS } from './lock_requirements'
include { BUILD_IMAGE       } from './build_image'
include { SEAL_ENVIRONMENT  } from './seal_environment'

workflow ENVIRONMENT {
    take:
    environments // environment of the plan: [ meta (env_id, store, resources, squash), spec (JSON text) ]

    main:
    GET_CHECKPOINT(environments)

    to_lock = GET_CHECKPOINT.out.checkpoint // [ meta, anemoi.json, spec ]
        .map { meta, _checkpoint, metadata -> tuple(meta, metadata) }
        .join(environments)
    LOCK_REQUIREMENTS(to_lock)

    // The lock names its image; environments with the same lock share one.
    locked = LOCK_REQUIREMENTS.out.lock // [ image, meta, lock, spec ]
        .join(environments)
        .map { meta, lock, spec -> tuple(image_of(lock, meta.squash), meta, lock, spec) }
    to_build = locked // [ meta, image, lock, spec ], one for each image
        .unique { image, _meta, _lock, _spec -> image }
        .map { image, meta, lock, spec -> tuple(meta, image, lock, spec) }
    BUILD_IMAGE(to_build)

    whole = locked // [ meta, checkpoint, image ]
        .combine(BUILD_IMAGE.out.image, by: 0)
        .map { _image, meta, _lock, _spec, image -> tuple(meta, image) }
        .join(GET_CHECKPOINT.out.checkpoint)
        .map { meta, image, checkpoint, _metadata -> tuple(meta, checkpoint, image) }
    SEAL_ENVIRONMENT(whole.join(environments))

    emit:
    ready = SEAL_ENVIRONMENT.out.seal // environment that can be used: [ env_id, checkpoint, image ]
        .join(whole)
        .map { meta, _seal, checkpoint, image -> tuple(meta.env_id, checkpoint, image) }
    locks = GET_CHECKPOINT.out.checkpoint // what is in an environment: [ env_id, checkpoint, lock ]
        .join(LOCK_REQUIREMENTS.out.lock)
        .map { meta, checkpoint, _metadata, lock -> tuple(meta.env_id, checkpoint, lock) }
}

// The name of the image that a lock file is for; a SquashFS file, or a folder where sites cannot
// mount.
def image_of(lock, squash) {
    def image_id = lock.readLines().find { line -> line.startsWith('# image_id: ') }.tokenize().last()
    return squash ? "${image_id}.squashfs".toString() : image_id
}
