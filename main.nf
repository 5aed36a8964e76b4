#!/usr/bin/env nextflow

/*
 * evalflow: evaluate machine-learned weather models.
 *
 *     config.yaml ─▶ PLAN ─┬─ environments ─▶ ENVIRONMENT ─▶ data/runs/{env_id}/
 *                          ├─ runs × init times ─▶ INFERENCE ─▶ data/runs/{run_id}/{init_time}/
 *                          ├─ sources × truths ─▶ VERIFICATION ─▶ data/verification/, results/{experiment_id}/
 *                          ├─ single forecasts ─▶ SHOWCASE ─▶ data/showcase/, results/{experiment_id}/showcase.html
 *                          └─ tables of scores ─▶ REPORT ─▶ results/{experiment_id}/index.html
 */

include { begin_launch ; end_launch } from './modules/launch'
include { PLAN                      } from './modules/plan'
include { ENVIRONMENT               } from './modules/environment'
include { INFERENCE                 } from './modules/inference'
include { VERIFICATION              } from './modules/verification'
include { SHOWCASE                  } from './modules/showcase'
include { REPORT                    } from './modules/report'
include { SANDBOX                   } from './modules/sandbox'

workflow {
    main:
    options = begin_launch(params)

    PLAN(options)

    ENVIRONMENT(PLAN.out.environments)

    INFERENCE(PLAN.out.runs, PLAN.out.tasks, PLAN.out.stored, ENVIRONMENT.out.ready)

    VERIFICATION(PLAN.out.verification, INFERENCE.out.forecasts)

    SHOWCASE(PLAN.out.showcase, INFERENCE.out.forecasts)

    // The report links to the page of the showcase, so it is drawn last.
    REPORT(
        PLAN.out.report, INFERENCE.out.forecasts,
        VERIFICATION.out.verified, VERIFICATION.out.aggregated.mix(SHOWCASE.out.shown)
    )

    SANDBOX(PLAN.out.sandboxes, ENVIRONMENT.out.locks, options.sandbox_checkpoint)

    end_launch(
        PLAN.out.plan_file, INFERENCE.out.made_twice,
        VERIFICATION.out.verified, VERIFICATION.out.aggregated, REPORT.out.reported, SHOWCASE.out.shown
    )
}
