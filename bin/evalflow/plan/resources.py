"""What jobs ask for: resources of a run, defaults of the config's profile, and the cap on GPUs.

Slurm has no cap on the GPUs of one launch that a user could set. Any user can say
`--dependency=singleton`: of the jobs with one name, one runs at a time. So each GPU job gets one of
a few names, its lane. A lane is as wide as its widest job, and all lanes together are no wider than
the cap. So whichever jobs run, their GPUs are within the cap.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from evalflow.config.fields import parse_runtime
from evalflow.config.model import ConfigModel
from evalflow.config.resources import Profile
from evalflow.config.runs import RunConfig
from evalflow.plan.model import JobResources


def build_resources(profile: Profile | None) -> JobResources:
    """Return where the config's profile builds environments (not how big the jobs are)."""
    if profile is None:
        return JobResources()
    defaults = profile.default_resources
    return JobResources(slurm_partition=defaults.slurm_partition, slurm_account=defaults.slurm_account)


def run_resources(run: RunConfig, profile: Profile | None, gpus: int = 0) -> JobResources:
    """Return what a run's forecast jobs ask for, as the run says it, else the profile, else `gpus`.

    `runtime_seconds` is the `runtime` in seconds. What nobody says is left out.
    """
    defaults = profile.default_resources.model_dump(exclude_none=True) if profile else {}
    own = run.inference_resources.model_dump(exclude_none=True) if run.inference_resources else {}
    gpus = defaults.pop("gpus", gpus)
    resources = ({"gpu": gpus} if gpus else {}) | defaults | own
    if "runtime" in resources:
        resources["runtime_seconds"] = parse_runtime(resources["runtime"])
    return JobResources(**resources)


def describe_unused(config: ConfigModel) -> list[str]:
    """Return warnings that name what the config has and evalflow does not use."""
    blocks = [name for name in ("mec", "ffv2") if getattr(config, name) is not None]
    lines = [f"{name}: accepted, and not run: evalflow makes no files for {name.upper()}" for name in blocks]
    profile = config.profile
    if profile is None:
        return lines
    unused = ["executor (say -profile)", f"jobs (say -queue-size {profile.jobs})"]
    unused += ["batch_rules (say --inits_per_task)"] if profile.batch_rules else []
    return [*lines, f"profile: these have no meaning here: {', '.join(unused)}"]


def lane_widths(demand: Mapping[int, float], cap: int) -> list[int]:
    """Return how many GPUs each lane is for, widest first; together they are no more than the cap.

    Parameters
    ----------
    demand : GPUs of a job → how long all such jobs together run, in any unit
    cap : GPUs in use at a time; a job that needs more runs in a lane of its own, while no other
        runs
    """
    widths = [min(max(demand), cap)]
    sizes = sorted(demand, reverse=True)
    while True:
        lanes = Counter(widths)
        # The jobs that wait longest for each other get the next lane. Jobs without a lane of their
        # width share wider ones.
        waits = {size: demand[size] / (lanes[size] or 0.5) for size in sizes if size <= cap - sum(widths)}
        if not waits:
            return sorted(widths, reverse=True)
        widths.append(max(waits, key=lambda size: (waits[size], size)))


def assign_lanes(jobs: list[tuple[int, float]], cap: int | None) -> list[int | None]:
    """Return the lane of each job: a number from 1 on, or None where it needs none.

    Parameters
    ----------
    jobs : GPUs and expected duration of each job; durations are in any unit
    cap : GPUs in use at a time; None: any number
    """
    with_gpus = [index for index, (gpus, _) in enumerate(jobs) if gpus > 0]
    lanes: list[int | None] = [None] * len(jobs)
    if cap is None or sum(jobs[index][0] for index in with_gpus) <= cap:
        return lanes
    demand: defaultdict[int, float] = defaultdict(float)
    for index in with_gpus:
        demand[jobs[index][0]] += jobs[index][1]
    widths = lane_widths(demand, cap)
    busy = [0.0] * len(widths)
    # Widest jobs first, because they have the least choice. Each goes to the lane that is free
    # first, and of these to the narrowest.
    for index in sorted(with_gpus, key=lambda index: (-jobs[index][0], -jobs[index][1], index)):
        gpus, duration = jobs[index]
        fitting = [lane for lane, width in enumerate(widths) if width >= min(gpus, cap)]
        lane = min(fitting, key=lambda lane: (busy[lane], widths[lane], lane))
        busy[lane] += duration
        lanes[index] = lane + 1
    return lanes
