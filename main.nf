#!/usr/bin/env nextflow

/*
 * evalflow: evaluate machine-learned weather models.
 *
 *     config.yaml ─▶ PLAN ─┬─ environments ─▶ ENVIRONMENT ─▶ data/runs/{env_id}/
 *                          └─ runs × init times ─▶ INFERENCE ─▶ data/runs/{run_id}/{init_time}/
 */

include { PLAN        } from './modules/plan'
include { ENVIRONMENT } from './modules/environment'
include { INFERENCE   } from './modules/inference'
include { SANDBOX     } from './modules/sandbox'

workflow {
    main:
    if (params.help) {
        println(file("${projectDir}/assets/help.txt").text)
        exit(0)
    }
    check_params()
    def mark = recover()
    PLAN(plan_arguments())

    // The plan as data; docs/output.md says what it holds.
    plan = PLAN.out.map { file -> new groovy.json.JsonSlurperClassic().parseText(file.text) }

    // Environments that are needed: [ meta, spec ]
    envs = plan
        .flatMap { data -> data.envs }
        .filter { env -> env.needed }
        .map { env -> tuple([env_id: env.env_id, store: env.store, squash: env.spec.squash_venv, resources: env.resources], text_of(env.spec)) }
    ENVIRONMENT(envs)

    // Runs that need something: [ meta, spec ], what to make of them: [ run_id, init_times, forecaster,
    // resources ], and what downscalers need that is there: [ run_id, init_time, folder ]
    runs = plan
        .flatMap { data -> data.runs }
        .filter { run -> run.needed }
        .map { run -> tuple([run_id: run.run_id, env_id: run.env_id, store: run.store], text_of(run.spec)) }
    tasks = plan
        .flatMap { data -> data.tasks }
        .map { task -> tuple(task.run_id, task.init_times, task.forecaster, task.resources) }
    stored = plan
        .flatMap { data -> data.inputs }
        .map { input -> tuple(input.run_id, input.init_time, file(input.folder, glob: false)) }
    def made_twice = [] // lists of forecasts that another launch has made as well
    if (params.target == 'sandbox') {
        SANDBOX(runs.combine(plan.map { data -> data.init_times[0] }), ENVIRONMENT.out.locks)
    }
    else {
        INFERENCE(runs, tasks, stored, ENVIRONMENT.out.ready)
        INFERENCE.out.made_twice.subscribe { file -> made_twice << file }
    }

    // Say at the end what there is now, from the store itself.
    def planned = []
    PLAN.out.subscribe { file -> planned << file }
    def trace = file("${launchDir}/.nextflow/evalflow-trace.txt", glob: false)
    workflow.onComplete {
        summarize(planned, trace, made_twice)
        // After a signal, jobs are cancelled only now, and may outlive that: the next launch sees to them.
        if (!is_ended_by_signal()) {
            mark.delete()
        }
    }
}

// End what a launch that ended early has left in the work folder. Return the file that says that this one uses it now.
def recover() {
    if (run_script(["${projectDir}/bin/recover.py", '--work_dir', workflow.workDir, '--session', workflow.sessionId])) {
        error("the work folder ${workflow.workDir} cannot be used")
    }
    return file("${workflow.workDir}/launches/${workflow.sessionId}.json", glob: false)
}

def is_ended_by_signal() {
    return workflow.errorMessage ==~ /SIG[A-Z]+/
}

// The arguments of plan.py, each ended by a NUL.
def plan_arguments() {
    def words = ['--config', params.config, '--launch_dir', workflow.launchDir, '--target', params.target, '--inits_per_task', params.inits_per_task, '--inits_at_once', params.inits_at_once]
    words += params.outdir ? ['--outdir', params.outdir] : []
    words += params.max_gpus != null ? ['--max_gpus', params.max_gpus] : []
    words += params.gpus ? ['--gpus', params.gpus] : []
    words += params.verify_store ? ['--verify_store'] : []
    return words.collect { word -> "${word}\0" }.join()
}

// A mistyped parameter must not be passed over.
def check_params() {
    def known = ['config', 'outdir', 'target', 'inits_per_task', 'inits_at_once', 'verify_store', 'sandbox_checkpoint', 'help']
    known += ['gpus', 'max_gpus', 'slurm_partition', 'slurm_account', 'slurm_qos', 'slurm_options', 'gpu_flag']
    def unknown = params.keySet().collect { name -> name.replaceAll(/([a-z])([A-Z])/, '$1_$2').toLowerCase().replace('-', '_') } as Set
    unknown = unknown - known
    if (unknown) {
        error("unknown parameter --${unknown.join(', --')}; known: --${known.join(', --')}")
    }
}

def text_of(spec) {
    return groovy.json.JsonOutput.toJson(spec)
}

def summarize(planned, trace, made_twice) {
    planned.each { plan ->
        def words = ["${projectDir}/bin/summarize.py", '--plan', plan]
        words += trace.exists() && trace.lastModified() >= workflow.start.toInstant().toEpochMilli() ? ['--trace', trace] : []
        words += made_twice.collectMany { file -> ['--made_twice', file] }
        run_script(words)
    }
}

// Run a script inside the launch; what it says is shown. Return its exit status.
def run_script(words) {
    def script = words*.toString().execute()
    script.consumeProcessOutput(System.out, System.err)
    return script.waitFor()
}
