/*
 * Build what is missing of each environment, once ever: checkpoint → lock → image → seal.
 *
 * Everything goes to a storeDir, and the scripts write there themselves (temporary name, flush, rename): what has its
 * final name is whole, whichever launch made it, and of two launches that make the same thing the first one wins.
 */

process GET_CHECKPOINT {
    tag "${meta.env_id}"
    label 'download'
    ext resources: { meta.resources }
    label 'stored'
    storeDir "${meta.store}/runs/${meta.env_id}"

    input:
    val meta
    stdin

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

process LOCK_REQUIREMENTS {
    tag "${meta.env_id}"
    label 'download'
    ext resources: { meta.resources }
    label 'stored'
    storeDir "${meta.store}/runs/${meta.env_id}"

    input:
    tuple val(meta), path(metadata)
    stdin

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

process BUILD_IMAGE {
    tag "${image}"
    label 'build'
    ext resources: { meta.resources }
    label 'stored'
    storeDir "${meta.store}/images"

    input:
    tuple val(meta), val(image), path(lock)
    stdin

    output:
    tuple val(image), path(image), emit: image
    path "${image}.json", emit: proof

    script:
    """
    build_image.py --lock ${lock}
    """

    stub:
    """
    touch '${image}' '${image}.json'
    """
}

process SEAL_ENVIRONMENT {
    tag "${meta.env_id}"
    label 'launch'
    label 'stored'
    storeDir "${meta.store}/runs/${meta.env_id}"

    input:
    tuple val(meta), path(checkpoint), path(image)
    stdin

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

workflow ENVIRONMENT {
    take:
    envs // one environment of the plan: [ meta (env_id, store, squash, resources), spec (JSON text) ]

    main:
    wanted = envs.multiMap { meta, spec ->
        meta: meta
        spec: spec
    }
    GET_CHECKPOINT(wanted.meta, wanted.spec)

    // [ meta, anemoi.json, spec ]
    to_lock = GET_CHECKPOINT.out.checkpoint
        .map { meta, _checkpoint, metadata -> tuple(meta, metadata) }
        .join(envs)
        .multiMap { meta, metadata, spec ->
            job: tuple(meta, metadata)
            spec: spec
        }
    LOCK_REQUIREMENTS(to_lock.job, to_lock.spec)

    // The lock says which image it is. Environments with the same lock share it: [ image, meta, lock, spec ]
    locked = LOCK_REQUIREMENTS.out.lock
        .join(envs)
        .map { meta, lock, spec -> tuple(image_of(lock, meta.squash), meta, lock, spec) }
    to_build = locked
        .unique { image, _meta, _lock, _spec -> image }
        .multiMap { image, meta, lock, spec ->
            job: tuple(meta, image, lock)
            spec: spec
        }
    BUILD_IMAGE(to_build.job, to_build.spec)

    // [ meta, checkpoint, image ]
    whole = locked
        .map { image, meta, _lock, _spec -> tuple(image, meta) }
        .combine(BUILD_IMAGE.out.image, by: 0)
        .map { _image, meta, file -> tuple(meta, file) }
        .join(GET_CHECKPOINT.out.checkpoint)
        .map { meta, image, checkpoint, _metadata -> tuple(meta, checkpoint, image) }
    to_seal = whole
        .join(envs)
        .multiMap { meta, checkpoint, image, spec ->
            job: tuple(meta, checkpoint, image)
            spec: spec
        }
    SEAL_ENVIRONMENT(to_seal.job, to_seal.spec)

    emit:
    ready = SEAL_ENVIRONMENT.out.seal // [ env_id, checkpoint, image ]
        .join(whole)
        .map { meta, _seal, checkpoint, image -> tuple(meta.env_id, checkpoint, image) }
    locks = GET_CHECKPOINT.out.checkpoint // [ env_id, checkpoint, lock ]
        .join(LOCK_REQUIREMENTS.out.lock)
        .map { meta, checkpoint, _metadata, lock -> tuple(meta.env_id, checkpoint, lock) }
}

// The name of the image that a lock file is for; a SquashFS file, or a folder where sites cannot mount.
def image_of(lock, squash) {
    def image_id = lock.readLines().find { line -> line.startsWith('# image_id: ') }.tokenize().last()
    return squash ? "${image_id}.squashfs".toString() : image_id
}
