process BUILD_IMAGE {
    tag "${image}"
    label 'build'
    label 'stored'
    ext resources: { meta.resources }
    storeDir "${meta.store}/images"

    input:
    tuple val(meta), val(image), path(lock), stdin

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
