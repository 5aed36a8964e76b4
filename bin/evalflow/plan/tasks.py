"""What is left to do: which init times one task makes, and what its job asks for."""

from evalflow.identity import Run
from evalflow.plan.model import JobResources, Task
from evalflow.plan.options import Options
from evalflow.plan.resources import assign_lanes


def _task_id(run_id: str, init_times: list[str]) -> str:
    """Return the id of a task.

    It is not a number: with -resume, a task is the same whatever else is left to do.
    """
    more = f"+{len(init_times) - 1}" if len(init_times) > 1 else ""
    return f"{run_id} {init_times[0]}{more}"


def plan_tasks(runs: dict[str, Run], complete: dict[str, dict[str, bool]], options: Options) -> list[Task]:
    """Return what is left to do.

    A forecaster that is there only for a downscaler makes only the init times that the downscaler
    lacks.

    Parameters
    ----------
    runs : run_id → run, dependencies before those that need them
    complete : run_id → init_time → whether the forecast is in the store
    """
    missing = {run_id: [time for time, done in times.items() if not done] for run_id, times in complete.items()}
    wanted = {run_id: set(missing[run_id]) if run.candidate else set() for run_id, run in runs.items()}
    for run_id, run in reversed(runs.items()):
        if run.forecaster:
            wanted[run.forecaster.run_id] |= wanted[run_id]
    tasks = []
    for run_id, run in runs.items():
        left = [time for time in missing[run_id] if time in wanted[run_id]]
        forecaster = run.forecaster.run_id if run.forecaster else None
        packs = [left[i : i + options.inits_per_task] for i in range(0, len(left), options.inits_per_task)]
        tasks += [
            Task(id=_task_id(run_id, pack), run_id=run_id, forecaster=forecaster, init_times=pack) for pack in packs
        ]
    return tasks


def with_resources(
    tasks: list[Task], resources: dict[str, JobResources], max_gpus: int | None, at_once: int
) -> list[Task]:
    """Return tasks with the number of forecasts that they make `at_once` and with their resources.

    The resources are those of each forecast. Where more GPUs than wanted could be in use, a `lane`
    is among them: jobs of one lane wait for each other.

    Parameters
    ----------
    resources : run_id → what a forecast of the run asks for
    max_gpus : GPUs in use at a time; None: any number
    at_once : forecasts that a task makes at a time
    """
    widths = [min(at_once, len(task.init_times)) for task in tasks]
    jobs: list[tuple[int, float]] = []
    for task, width in zip(tasks, widths, strict=True):
        wanted = resources[task.run_id]
        seconds = (wanted.runtime_seconds or 3600) * -(-len(task.init_times) // width)
        jobs.append(((wanted.gpu or 0) * width, seconds))
    lanes = assign_lanes(jobs, max_gpus)
    return [
        task.model_copy(
            update={"at_once": width, "resources": resources[task.run_id].model_copy(update={"lane": lane})}
        )
        for task, width, lane in zip(tasks, widths, lanes, strict=True)
    ]
