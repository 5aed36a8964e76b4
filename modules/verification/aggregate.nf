/*
 * Make the tables of scores in the folder of results, from the statistics of all truths.
 */

process AGGREGATE {
    label 'aggregate'
    cache false // the store and the results may have changed since

    input:
    tuple path(spec), path(domains, stageAs: 'domain??.json'), path(samples, stageAs: 'samples??.json')

    output:
    path 'aggregated.json', emit: aggregated

    script:
    def words = [domains].flatten().collect { file -> "--domain ${file}" }
    words += [samples].flatten().collect { file -> "--samples ${file}" }
    """
    aggregate.py --spec ${spec} ${words.join(' ')} --output aggregated.json
    """

    stub:
    """
    echo '{}' > aggregated.json
    """
}
