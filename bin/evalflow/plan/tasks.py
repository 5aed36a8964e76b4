"""What is left to do: which init times one task makes, and what its job asks for."""

from evalflow.identity import Run
from evalflow.plan.options import Options
from evalflow.plan.resources import assign_lanes


def plan_tasks(runs: dict[str, Run], complete: dict[str, dict[str, bool]], options: Options) -> list[dict]:
    """Return what is left to do: entries with `id`, `run_id`, `init_times` and, for a downscaler, its `forecaster`.

    Of a forecaster that is there only for a downscaler, only those init times are made that the downscaler lacks.

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
        about = {"run_id": run_id} | ({"forecaster": run.forecaster.run_id} if run.forecaster else {})
        size = options.inits_per_task
        for i in range(0, len(left), size):
            times = left[i : i + size]
            more = f"+{len(times) - 1}" if len(times) > 1 else ""
            # No number: with -resume, a task is the same whatever else is left to do.
            tasks.append({"id": f"{run_id} {times[0]}{more}", **about, "init_times": times})
    return tasks


def add_resources(tasks: list[dict], resources: dict[str, dict], max_gpus: int | None, at_once: int) -> None:
    """Add to tasks how many forecasts they make `at_once`, and the `resources` that their jobs ask for each of these.

    Where there may be more GPUs in use than wanted, a `lane` is among them, in which jobs wait for each other.

    Parameters
    ----------
    tasks : entries as `plan_tasks` returns them
    resources : run_id → what a forecast of the run asks for
    max_gpus : GPUs in use at a time; None: any number
    at_once : forecasts that a task makes at a time
    """
    jobs = []
    for task in tasks:
        wanted, number = resources[task["run_id"]], len(task["init_times"])
        width = task["at_once"] = min(at_once, number)
        jobs.append((wanted.get("gpu", 0) * width, wanted.get("runtime_seconds", 3600) * -(-number // width)))
    for task, lane in zip(tasks, assign_lanes(jobs, max_gpus), strict=True):
        task["resources"] = resources[task["run_id"]] | ({"lane": lane} if lane else {})
