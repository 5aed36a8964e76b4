#!/usr/bin/env nextflow

/*
 * evalflow: evaluate machine-learned weather models.
 *
 *     config.yaml ─▶ PLAN ─┬─ environments ─▶ ENVIRONMENT ─▶ data/runs/{env_id}/
 *                          ├─ runs × init times ─▶ INFERENCE ─▶ data/runs/{run_id}/{init_time}/
 *                          └─ sources × truths ─▶ VERIFICATION ─▶ data/verification/, results/{experiment_id}/
 */

include { begin_launch ; end_launch } from './modules/launch'
include { PLAN                      } from './modules/plan'
include { ENVIRONMENT               } from './modules/environment'
include { INFERENCE                 } from './modules/inference'
include { VERIFICATION              } from './modules/verification'
include { SANDBOX                   } from './modules/sandbox'

workflow {
    main:
    options = begin_launch(params)

    PLAN(options)

    ENVIRONMENT(PLAN.out.environments)

    INFERENCE(PLAN.out.runs, PLAN.out.tasks, PLAN.out.stored, ENVIRONMENT.out.ready)

    VERIFICATION(PLAN.out.verification, INFERENCE.out.forecasts)

    SANDBOX(PLAN.out.sandboxes, ENVIRONMENT.out.locks, options.sandbox_checkpoint)

    end_launch(PLAN.out.plan_file, INFERENCE.out.made_twice, VERIFICATION.out.verified, VERIFICATION.out.aggregated)
}
