/*
 * Plan the experiment: name everything, find out what the store has, decide what is left to do.
 */

process MAKE_PLAN {
    label 'launch'
    ext all_need: true // where it fails, the launch ends
    cache false // the store may have changed since

    input:
    stdin // arguments of plan.py, each ended by a NUL: a user's text never meets a shell

    output:
    path 'plan.json', emit: plan
    path 'verification.json', emit: verification, optional: true
    path 'report.json', emit: report, optional: true
    path 'showcase.json', emit: showcase, optional: true

    script:
    """
    xargs -0 plan.py --output plan.json --repair
    """

    stub:
    """
    xargs -0 plan.py --output plan.json --stub
    """
}
