/*
 * Plan an experiment, and tell each stage what it has to do. docs/output.md describes the plan.
 */

include { MAKE_PLAN } from './make_plan'

workflow PLAN {
    take:
    options // map of the launch's parameters

    main:
    MAKE_PLAN(arguments_of(options))
    plan = MAKE_PLAN.out.plan.map { file -> new groovy.json.JsonSlurperClassic().parseText(file.text) }

    emit:
    plan_file = MAKE_PLAN.out.plan
    environments = plan // environment to build: [ meta (env_id, store, resources, squash), spec (JSON text) ]
        .flatMap { data -> data.envs.findAll { env -> env.needed } }
        .map { env ->
            def meta = env.subMap(['env_id', 'store', 'resources']) + [squash: env.spec.squash_venv]
            tuple(meta, text_of(env.spec))
        }
    runs = plan // run that lacks forecasts: [ meta (run_id, env_id, store), spec (JSON text) ]
        .filter { data -> data.target != 'sandbox' }
        .flatMap { data -> needed_runs(data) }
    sandboxes = plan // run to make a sandbox of, and the init time it is ready for: [ meta, spec, init_time ]
        .filter { data -> data.target == 'sandbox' }
        .flatMap { data -> needed_runs(data).collect { meta, spec -> tuple(meta, spec, data.init_times[0]) } }
    tasks = plan // what a task makes: [ run_id, map (id, init_times, at_once, resources, forecaster: run_id or null) ]
        .flatMap { data -> data.tasks }
        .map { task -> tuple(task.run_id, task) }
    stored = plan // complete forecast that a downscaler needs: [ run_id, init_time, folder ]
        .flatMap { data -> data.inputs }
        .map { input -> tuple(input.run_id, input.init_time, file(input.folder, glob: false)) }
    verification = MAKE_PLAN.out.verification // what to verify, or nothing: [ file, map of what it says ]
        .map { file -> tuple(file, new groovy.json.JsonSlurperClassic().parseText(file.text)) }
    report = MAKE_PLAN.out.report // file: what the pages are drawn from, or nothing
    showcase = MAKE_PLAN.out.showcase // file: what is drawn of single forecasts, or nothing
}

// The arguments of plan.py, each ended by a NUL.
def arguments_of(options) {
    def names = ['config', 'outdir', 'target', 'inits_per_task', 'inits_at_once', 'gpus', 'max_gpus', 'grids']
    def given = names.findAll { name -> options[name] != null }
    def words = given.collectMany { name -> ["--${name}", options[name]] } + ['--launch_dir', workflow.launchDir]
    words += options.verify_store ? ['--verify_store'] : []
    return words.collect { word -> "${word}\0" }.join()
}

// [ [ meta, spec ], … ]
def needed_runs(plan) {
    def runs = plan.runs.findAll { run -> run.needed }
    return runs.collect { run -> tuple(run.subMap(['run_id', 'env_id', 'store']), text_of(run.spec)) }
}

def text_of(spec) {
    return groovy.json.JsonOutput.toJson(spec)
}
