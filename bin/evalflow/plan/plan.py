"""The plan: what an experiment consists of, what of it is in the store already, and what is left to do."""

import json
import os
import re
from pathlib import Path

from evalflow.config.model import ConfigModel, load_config
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.identity import canonical_path, collect_all_envs, collect_all_runs, master_hash
from evalflow.lookup import PROJECT, Lookup
from evalflow.plan.entries import baseline_entries, env_entry, external_runs, run_entry
from evalflow.plan.options import Options
from evalflow.plan.resources import build_resources, describe_unused, run_resources
from evalflow.plan.stored import Stored
from evalflow.plan.tasks import add_resources, plan_tasks
from evalflow.store.files import write_over
from evalflow.store.layout import data_folder, forecast_folder, init_time_name, runs_folder
from evalflow.texts import show
from evalflow.yamlio import read_text


def code_digest() -> str:
    """Return a digest of the package's code: results of a task must not outlive the code that made them."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(path for path in package.rglob("*.py"))
    return digest({str(path.relative_to(package)): path.read_text(encoding="utf-8") for path in files})[:16]


def output_folder(config: ConfigModel, lookup: Lookup, outdir: Path | None) -> Path:
    """Return the absolute root of all output.

    A relative `locations.output_root` that exists is looked up like any other path; a new one is made in the launch
    folder.
    """
    if outdir is not None:
        return Path(os.path.abspath(lookup.launch / outdir))
    name = str(config.locations.output_root)
    return Path(os.path.abspath(lookup.find(name) or lookup.launch / os.path.expanduser(name)))


def _check_folder(folder: Path, key: str) -> None:
    """Check that a folder is there or can be made, nothing on the way to it being a file, and that Nextflow can link to it."""
    if re.search(r"\{.*(,|\.\.).*\}", str(folder)):
        raise UserError(
            f"{key}: {show(str(folder))} holds braces, which Nextflow's scripts expand; name another folder"
        )
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not os.path.isdir(there):
        raise UserError(f"{key}: {there}: is not a folder; name one, or a place where one can be made")


def _name_experiment(label: str, hash_part: str) -> str:
    """Return the experiment_id: fit to be the name of a folder and a word of a command line."""
    # A config_label is never longer; the name of a config file may be.
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", label).lstrip(".-")[:200]
    return f"{name or 'experiment'}_{hash_part}"


def make_plan(config_path: Path, options: Options) -> dict:
    """Return the plan of the experiment in `config_path` (see docs/output.md for what it holds).

    Raises
    ------
    UserError
        Where the config is wrong, something that it points at is missing, or two things would share an id.
    """
    config_path = Path(os.path.abspath(options.launch / config_path))
    config = load_config(config_path)
    lookup = Lookup(config_path.parent, options.launch)
    outdir = output_folder(config, lookup, options.outdir)
    if options.stub:
        outdir = outdir / "stub"
    _check_folder(runs_folder(data_folder(outdir)), "locations.output_root" if options.outdir is None else "--outdir")
    label = config.config_label or config_path.stem
    runs = collect_all_runs(config, lookup)
    envs = collect_all_envs(runs)
    init_times = [init_time_name(time) for time in config.init_times()]

    code = code_digest()
    stored = Stored(data_folder(outdir), options)
    complete = {
        run_id: dict(zip(init_times, stored.check_forecasts(run, init_times), strict=True))
        for run_id, run in runs.items()
    }
    tasks = plan_tasks(runs, complete, options) if options.target in {"forecasts", "experiment"} else []
    busy = {task["run_id"] for task in tasks}
    profile = config.profile
    resources = {run_id: run_resources(run.config, profile, options.gpus) for run_id, run in runs.items()}
    max_gpus = options.max_gpus or (profile.global_resources.gpus if profile else None)
    add_resources(tasks, resources, max_gpus, options.inits_at_once)
    if options.target == "sandbox":
        busy = {run_id for run_id, run in runs.items() if run.candidate}
    env_entries = []
    for env_id, sharing in envs.items():
        squash = all(run.config.squash_venv for run in sharing)
        needed = options.target == "environments" or any(run.run_id in busy for run in sharing)
        found = stored.check_environment(env_id, sharing[0], squash)
        entry = env_entry(env_id, sharing, stored.data, found, needed)
        env_entries.append(entry | {"resources": build_resources(profile)})

    external = external_runs(config, lookup, init_times, stored)
    if options.inits_at_once > options.inits_per_task:
        stored.warnings.append(
            f"--inits_at_once {options.inits_at_once}: no task has more than --inits_per_task {options.inits_per_task}"
        )
    return {
        "experiment_id": _name_experiment(label, master_hash(config, runs, lookup)),
        "config": str(config_path),
        "config_text": read_text(config_path),
        "target": options.target,
        "stub": options.stub,
        "outdir": str(outdir),
        "store": str(stored.data),
        "project": str(PROJECT),
        "envs": env_entries,
        "runs": [run_entry(run, stored.data, run.run_id in busy, code, resources[run.run_id]) for run in runs.values()]
        + [run for run, _ in external],
        "baselines": baseline_entries(config, lookup),
        "truth": {"label": config.truth.label, "root": canonical_path(config.truth.root, lookup)}
        if config.truth
        else None,
        "init_times": init_times,
        "inits_at_once": options.inits_at_once,
        "forecasts": [
            {"run_id": run_id, "init_time": init_time, "complete": done}
            for run_id, times in [*complete.items(), *((run["run_id"], found) for run, found in external)]
            for init_time, done in times.items()
        ],
        "tasks": tasks,
        "inputs": [
            {"run_id": run_id, "init_time": init_time, "folder": str(forecast_folder(stored.data, run_id, init_time))}
            for run_id, init_time in sorted(
                {(task["forecaster"], time) for task in tasks if "forecaster" in task for time in task["init_times"]}
            )
            if complete[run_id][init_time]
        ],
        "warnings": stored.warnings + describe_unused(config),
    }


def write_plan(plan: dict, path: Path) -> None:
    """Write the plan, whole or not at all."""
    write_over(path, json.dumps(plan, ensure_ascii=False, indent=1) + "\n")
