/*
 * Many tasks that end at once, and after them one that asks for two CPUs: what drifting counts of free
 * CPUs leave waiting for ever.
 */

process END_AT_ONCE {
    label 'launch'

    input:
    val number

    output:
    val number

    exec:
    number
}

process WANT_TWO_CPUS {
    label 'build'

    input:
    val count

    exec:
    println("ended: ${count} short tasks")
}

workflow {
    END_AT_ONCE(channel.of(1..params.tasks))
    WANT_TWO_CPUS(END_AT_ONCE.out.count())
}
