/*
 * How a launch begins and ends. Nothing in here is a task: scripts of bin/ run inside the launch.
 */

// Check the parameters, and end what an earlier launch has left in the work folder. Return the
// parameters as a map, with their types: some versions of Nextflow give every value as text.
def begin_launch(given) {
    def checked = new StringBuilder()
    def folders = ['--folder', 'the work folder', workflow.workDir, '--folder', 'the project', projectDir]
    if (run_script(['check_parameters.py', '--given', groovy.json.JsonOutput.toJson(given)] + folders, checked)) {
        exit(1)
    }
    def options = new groovy.json.JsonSlurperClassic().parseText(checked.toString())
    if (options.help) {
        exit(run_script(['check_parameters.py', '--usage'], System.out))
    }
    def words = ['recover.py', '--work_dir', workflow.workDir, '--session', workflow.sessionId]
    if (run_script(words, System.out)) {
        exit(1)
    }
    return options
}

// When the launch ends, say what the store has now, what failed and what was left out because of it,
// and release the work folder. Where something is lacking, the launch does not end with 0: neither
// where Nextflow takes it for a success (whether it does after an ignored failure depends on its
// version), nor where all tasks ended well.
def end_launch(plan, made_twice, verified, aggregated, reported, shown) {
    def plans = [] // one file, or none where planning failed
    def lists = [] // of forecasts that another launch has made as well
    plan.subscribe { file -> plans << file }
    made_twice.subscribe { file -> lists << file }
    def known = [] // options that say what came of verification, report and showcase
    verified.subscribe { file -> known.addAll(['--verified', file]) }
    aggregated.subscribe { file -> known.addAll(['--aggregated', file]) }
    reported.subscribe { file -> known.addAll(['--reported', file]) }
    shown.subscribe { file -> known.addAll(['--shown', file]) }
    workflow.onComplete {
        def lacking = plans.any { file ->
            run_script(['summarize.py', '--plan', file] + known_tasks(lists) + known, System.out)
        }
        release_work_folder()
        if (lacking && has_succeeded()) { // error() in here changes the exit status in some versions only
            exit(1, 'not all that was asked for is there: see above')
        }
    }
}

def has_succeeded() {
    return workflow.success
}

// After a signal, Nextflow cancels jobs only when it ends, and some may outlive that. The work
// folder then stays marked as in use, so that the next launch ends what is left.
def release_work_folder() {
    if (!(workflow.errorMessage ==~ /SIG[A-Z]+/)) {
        file("${workflow.workDir}/launches/${workflow.sessionId}", glob: false).deleteDir()
        file("${workflow.workDir}/launches/${workflow.sessionId}.json", glob: false).delete()
    }
}

// What summarize.py is told of tasks and their cost: the trace, unless an earlier launch wrote it,
// and the lists of what was made twice.
def known_tasks(lists) {
    def trace = file("${launchDir}/.nextflow/evalflow-trace.txt", glob: false)
    def is_ours = trace.exists() && trace.lastModified() >= workflow.start.toInstant().toEpochMilli()
    return (is_ours ? ['--trace', trace] : []) + lists.collectMany { list -> ['--made_twice', list] }
}

// Run a script of bin/; what it prints goes to `output`. Return its exit status.
def run_script(words, output) {
    def script = (["${projectDir}/bin/${words.head()}"] + words.tail())*.toString().execute()
    script.waitForProcessOutput(output, System.err)
    return script.exitValue()
}
