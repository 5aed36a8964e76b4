"""The plan: what an experiment consists of, what the store has of it, and what is left to do.

`experiment` reads and names an experiment, `stored` looks into the store, and this module decides
what is left.
"""

from dataclasses import dataclass
from pathlib import Path

from evalflow import __version__
from evalflow.digests import digest
from evalflow.environment.uv import shut_out
from evalflow.identity import Run
from evalflow.lookup import PROJECT
from evalflow.plan.elsewhere import count_files, describe_external
from evalflow.plan.entries import environment_spec, run_spec
from evalflow.plan.experiment import Experiment, read_experiment
from evalflow.plan.inputs import describe_uncounted
from evalflow.plan.model import EnvironmentEntry, ForecastEntry, InputEntry, Plan, RunEntry, Task
from evalflow.plan.options import MAKES_FORECASTS, SHOWS, Options
from evalflow.plan.refusals import asked_of, refuse_impossible
from evalflow.plan.report import report_spec, with_absent
from evalflow.plan.resources import build_resources, describe_unused, run_resources
from evalflow.plan.showcase import showcase_spec
from evalflow.plan.stored import FoundEnvironment, Stored
from evalflow.plan.tasks import plan_tasks, with_resources
from evalflow.plan.verification import verification_spec
from evalflow.runners.base import Asked
from evalflow.showcase.spec import ShowcaseSpec
from evalflow.store.files import write_over
from evalflow.store.layout import SHOWCASE_PAGE, forecast_folder
from evalflow.verification.spec import VerificationSpec


def code_digest() -> str:
    """Return a digest of the package's code: a task's results must not outlive the code."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(path for path in package.rglob("*.py"))
    return digest({str(path.relative_to(package)): path.read_text(encoding="utf-8") for path in files})[:16]


@dataclass(frozen=True)
class _Found:
    """What is there of an experiment.

    Attributes
    ----------
    envs : env_id → what the store has of the environment
    forecasts : run_id → init_time → whether the forecast is complete, of runs
    external : run_id → init_time → whether there are files, of forecasts made elsewhere
    warnings : what was found damaged or missing
    """

    envs: dict[str, FoundEnvironment]
    forecasts: dict[str, dict[str, bool]]
    external: dict[str, dict[str, bool]]
    warnings: list[str]


def _look(experiment: Experiment, verification: VerificationSpec, options: Options) -> _Found:
    external = [source for source in verification.sources if source.kind == "forecasts"]
    stored, init_times = Stored(experiment.data, options), experiment.init_times
    forecasts = {
        run_id: dict(zip(init_times, stored.check_forecasts(run, init_times), strict=True))
        for run_id, run in experiment.runs.items()
    }
    envs = {
        env_id: stored.check_environment(env_id, sharing[0], all(run.config.squash_venv for run in sharing))
        for env_id, sharing in experiment.envs.items()
    }
    elsewhere = {}
    for source in external:
        files = count_files(source, init_times)
        elsewhere[source.source_id] = {init_time: number > 0 for init_time, number in files.items()}
        stored.warnings += describe_external(verification, source, files)
    return _Found(envs, forecasts, elsewhere, stored.warnings)


def _decide_tasks(experiment: Experiment, found: _Found, options: Options) -> list[Task]:
    if options.target not in MAKES_FORECASTS:
        return []
    profile = experiment.config.profile
    resources = {run_id: run_resources(run.config, profile, options.gpus) for run_id, run in experiment.runs.items()}
    max_gpus = options.max_gpus or (profile.global_resources.gpus if profile else None)
    tasks = plan_tasks(experiment.runs, found.forecasts, options)
    return with_resources(tasks, resources, max_gpus, options.inits_at_once)


def _asked(sharing: list[Run], busy: set[str]) -> list[Asked]:
    """Return what the runs of an environment ask of its checkpoint: those that are to be made."""
    return [asked_of(run) for run in sharing if run.run_id in busy] or [asked_of(run) for run in sharing]


def _environment_entries(
    experiment: Experiment, found: _Found, busy: set[str], options: Options
) -> list[EnvironmentEntry]:
    return [
        EnvironmentEntry(
            env_id=env_id,
            model_type=sharing[0].model_type,
            store=experiment.data,
            needed=options.target == "environments" or any(run.run_id in busy for run in sharing),
            complete=found.envs[env_id].complete,
            image_id=found.envs[env_id].image_id,
            resources=build_resources(experiment.config.profile),
            spec=environment_spec(sharing, experiment.data, _asked(sharing, busy)),
        )
        for env_id, sharing in experiment.envs.items()
    ]


def _run_entries(experiment: Experiment, busy: set[str], options: Options) -> list[RunEntry]:
    code = code_digest()
    return [
        RunEntry(
            run_id=run.run_id,
            env_id=run.env_id,
            model_type=run.model_type,
            label=run.config.label or run.run_id,
            candidate=run.candidate,
            store=experiment.data,
            forecaster=run.forecaster.run_id if run.forecaster else None,
            needed=run.run_id in busy,
            resources=run_resources(run.config, experiment.config.profile, options.gpus),
            spec=run_spec(run, experiment.data, code),
        )
        for run in experiment.runs.values()
    ]


def _input_entries(experiment: Experiment, found: _Found, tasks: list[Task]) -> list[InputEntry]:
    wanted = sorted({(task.forecaster, time) for task in tasks if task.forecaster for time in task.init_times})
    return [
        InputEntry(run_id=run_id, init_time=time, folder=forecast_folder(experiment.data, run_id, time))
        for run_id, time in wanted
        if found.forecasts[run_id][time]
    ]


def _awaiting(verification: VerificationSpec, found: _Found, tasks: list[Task]) -> VerificationSpec:
    """Say which forecasts this launch is to make: what verifies them waits for them."""
    awaited: dict[str, list[str]] = {}
    for task in tasks:
        awaited.setdefault(task.run_id, []).extend(task.init_times)
    unseen = [run_id for run_id in awaited if not any(found.forecasts[run_id].values())]
    return verification.model_copy(update={"awaited": awaited, "unseen": unseen})


def _has_showcase(showcase: ShowcaseSpec, options: Options) -> bool:
    """Return whether there is a page of single forecasts, or will be one."""
    return (options.target in SHOWS and showcase.draws) or (showcase.results / SHOWCASE_PAGE).is_file()


def _warnings(experiment: Experiment, found: _Found, options: Options) -> list[str]:
    warnings = experiment.warnings + found.warnings
    if options.inits_at_once > options.inits_per_task:
        warnings.append(
            f"--inits_at_once {options.inits_at_once}: no task has more than --inits_per_task {options.inits_per_task}"
        )
    warnings += describe_uncounted(experiment.runs.values())
    return warnings + experiment.config.warnings() + describe_unused(experiment.config)


def _unused_variables(envs: list[EnvironmentEntry]) -> list[str]:
    """Say which variables of the shell uv does not get, where an environment is to be built."""
    names = shut_out() if any(env.needed and not env.complete for env in envs) else []
    cure = "say it in the run's extra_requirements, python or torch_backend, which are part of env_id"
    return (
        [f"{', '.join(names)} of the shell would change which packages are installed, and is not used; {cure}"]
        if names
        else []
    )


def make_plan(config_path: Path, options: Options) -> Plan:
    """Return the plan of the experiment in `config_path`.

    Raises
    ------
    UserError
        Where the config is wrong, something that it points at is missing, or two things would share
        an id.
    """
    experiment = read_experiment(config_path, options)
    verification = verification_spec(experiment, options)
    found = _look(experiment, verification, options)
    tasks = _decide_tasks(experiment, found, options)
    verification = _awaiting(verification, found, tasks)
    showcase = showcase_spec(experiment, verification, options.target)
    if options.target == "sandbox":
        busy = {run_id for run_id, run in experiment.runs.items() if run.candidate}
    else:
        busy = {task.run_id for task in tasks}
    making = [run for run in experiment.runs.values() if run.run_id in busy or options.target == "environments"]
    doubts = refuse_impossible(making, experiment.data, experiment.lookup)
    envs = _environment_entries(experiment, found, busy, options)
    return Plan(
        evalflow=__version__,
        experiment_id=experiment.experiment_id,
        config=experiment.path,
        config_text=experiment.text,
        target=options.target,
        stub=options.stub,
        outdir=experiment.outdir,
        store=experiment.data,
        project=PROJECT,
        envs=envs,
        runs=_run_entries(experiment, busy, options),
        init_times=experiment.init_times,
        inits_at_once=options.inits_at_once,
        forecasts=[
            ForecastEntry(run_id=run_id, init_time=init_time, complete=done)
            for run_id, times in [*found.forecasts.items(), *found.external.items()]
            for init_time, done in times.items()
        ],
        tasks=tasks,
        inputs=_input_entries(experiment, found, tasks),
        verification=verification,
        report=with_absent(
            report_spec(experiment, verification, options, showcase=_has_showcase(showcase, options)), found.external
        ),
        showcase=showcase,
        warnings=_warnings(experiment, found, options) + doubts + _unused_variables(envs),
    )


def write_plan(plan: Plan, path: Path) -> None:
    """Write the plan, whole or not at all.

    Beside it, what is to be verified goes to `verification.json`, and what is to be drawn to
    `report.json` (pages) and `showcase.json` (single forecasts).
    """
    write_over(path, plan.to_json(indent=1) + "\n")
    if plan.verifies:
        write_over(path.with_name("verification.json"), plan.verification.to_json(indent=1) + "\n")
    if plan.reports:
        write_over(path.with_name("report.json"), plan.report.to_json(indent=1) + "\n")
    if plan.shows:
        write_over(path.with_name("showcase.json"), plan.showcase.to_json(indent=1) + "\n")
