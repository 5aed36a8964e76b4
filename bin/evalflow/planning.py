"""The plan: what an experiment consists of, what of it is in the store already, and what is left to do."""

import glob
import json
import os
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from evalflow import environment, forecast, store
from evalflow.config import ConfigModel, load_config
from evalflow.config_fields import show
from evalflow.digests import digest, file_digest
from evalflow.errors import UserError
from evalflow.identity import (
    ID_LENGTH,
    RECIPE_VERSION,
    Run,
    baseline_identity,
    canonical_path,
    collect_all_envs,
    collect_all_runs,
    forecasts_identity,
    host_platform,
    master_hash,
    refuse_collision,
)
from evalflow.jobs import assign_lanes, build_resources, describe_unused, run_resources
from evalflow.lookup import PROJECT, Lookup
from evalflow.sources.local import LocalFile
from evalflow.yamlio import dump_yaml, read_text

TARGETS = ("environments", "forecasts", "experiment", "sandbox")
_TIME = "%Y%m%d%H%M"


@dataclass(frozen=True)
class Options:
    """How to plan.

    Attributes
    ----------
    outdir : root of all output; None means `locations.output_root` of the config
    launch : folder that the launch was started in
    target : how far the launch is to go (one of TARGETS)
    inits_per_task : init times that one task makes
    inits_at_once : how many of these at a time, each on GPUs of its own
    verify_store : whether to compare digests of everything stored, not only sizes
    repair : whether damaged things are moved aside and links mended; without it the plan only reports
    stub : whether to plan a stub run, whose empty files go to a store of their own
    gpus : GPUs of a forecast's job where neither its run nor the config's profile says it
    max_gpus : GPUs in use at a time; None means what the config's profile says
    """

    outdir: Path | None
    launch: Path
    target: str = "experiment"
    inits_per_task: int = 1
    inits_at_once: int = 1
    verify_store: bool = False
    repair: bool = False
    stub: bool = False
    gpus: int = 0
    max_gpus: int | None = None


def code_digest() -> str:
    """Return a digest of the package's code: results of a task must not outlive the code that made them."""
    package = Path(__file__).resolve().parent
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


class _Store:
    """What of the plan is in the store: looks, reports, and (where asked to) moves damaged things aside."""

    def __init__(self, data: Path, options: Options) -> None:
        self.data = data
        self.options = options
        self.warnings: list[str] = []
        self.checked_images: dict[Path, str | None] = {}

    def _set_aside(self, path: Path) -> None:
        if os.path.lexists(path):
            if self.options.repair:
                self.warnings.append(f"{path}: moved aside to {store.set_aside(path).name}")
            else:
                self.warnings.append(f"{path}: damaged; a launch moves it aside")

    def _set_environment_aside(self, folder: Path, reason: str) -> None:
        """Move an environment's files (not the forecasts of its runs, which are below the same folder) to one place."""
        present = [name for name in _ENVIRONMENT_FILES if os.path.lexists(folder / name)]
        if not self.options.repair:
            self.warnings.append(f"{folder}: {reason}; a launch moves it aside and builds it again")
            return
        target = store.bad_name(folder)
        try:
            target.mkdir()
            for name in reversed(present):
                try:
                    (folder / name).rename(target / name)
                except FileNotFoundError:
                    pass  # another launch has moved it
        except OSError as error:
            raise UserError(
                f"{folder}: {reason}, and it cannot be moved aside: {error.strerror}; repair or remove it"
            ) from None
        self.warnings.append(f"{folder}: {reason}; moved aside to {target.name}, to be built again")

    def _image(self, image_id: str, squash: bool) -> Path:
        return Path(os.path.realpath(self.data / "images")) / environment.image_name(image_id, squash)

    def _image_problem(self, image: Path) -> str | None:
        """Return what is wrong with an image, or None; it is set aside once, however many environments share it."""
        if image not in self.checked_images:
            whole = image.exists()
            problem = environment.check_image(image, self.options.verify_store) if whole else f"{image.name} is missing"
            self.checked_images[image] = problem
            # An image without a proof may be one that another launch is finishing right now: BUILD_IMAGE proves it.
            if problem and environment.proof_of(image).exists():
                self.warnings.append(f"{image}: {problem}")
                self._set_aside(image)
                self._set_aside(environment.proof_of(image))
        return self.checked_images[image]

    def _mend_checkpoint(self, folder: Path, run: Run) -> bool:
        """Point the link to a local checkpoint at where its content is now. Return whether the link is known to be right then."""
        link = folder / environment.CHECKPOINT
        if not link.is_symlink() or not run.checkpoint.sha256 or not LocalFile().accepts(run.checkpoint.uri):
            return False
        try:
            whole = file_digest(link) == run.checkpoint.sha256
        except UserError:
            whole = False
        if whole:
            return True
        if self.options.repair:
            try:
                store.replace_link(link, run.checkpoint.location)
            except OSError:  # a store to read only, which serves what it has
                pass
        self.warnings.append(
            f"{link}: its target was moved or changed; the same checkpoint is at {run.checkpoint.location}"
        )
        return True

    def check_environment(self, env_id: str, run: Run, squash: bool) -> dict:
        """Return `complete` and, where it is known, the `image_id` of an environment."""
        if self.options.stub:
            return {"complete": False}  # its files are empty, and are to be gone through again
        folder = self.data / "runs" / env_id
        seal = store.read_json(folder / environment.SEAL)
        if seal is not None and "identity" in seal:
            refuse_collision(env_id, seal["identity"], run.env_identity)
        known = {environment.CHECKPOINT} if self._mend_checkpoint(folder, run) else set()
        if not os.path.lexists(folder / environment.SEAL):
            self._check_unsealed(folder, known)
            return {"complete": False}
        problem = self._sealed_problem(folder, seal, known)
        if problem:
            self._set_environment_aside(folder, problem)
            return {"complete": False}
        image = self._image(seal["image_id"], squash)
        complete = image.exists() and self._image_problem(image) is None
        return {"complete": complete, "image_id": seal["image_id"]}

    def _sealed_problem(self, folder: Path, seal: dict | None, known: set[str]) -> str | None:
        """Return what is wrong with a sealed environment, or None; files in `known` are whole."""
        if not _is_whole(seal):
            return f"{environment.SEAL} is not whole"
        for name, proof in seal["files"].items():
            if name in known:
                continue
            if name in environment.LINKS.values():
                target = os.readlink(folder / name) if (folder / name).is_symlink() else name
                image = Path(os.path.normpath(Path(os.path.realpath(folder)) / target))
                problem = self._image_problem(image)
                if problem is None and store.read_json(environment.proof_of(image)).get("sha256") != proof["sha256"]:
                    problem = f"its image {image.name} is another one"
            else:
                problem = store.compare_file(folder / name, proof, self.options.verify_store)
            if problem:
                return problem
        return None

    def _check_unsealed(self, folder: Path, known: set[str]) -> None:
        """Of an environment that is not finished, keep what is whole: the rest must not be built upon."""
        lock = folder / environment.LOCK
        if os.path.lexists(lock):
            locked = environment.read_lock(lock)
            if locked is None:
                self._set_aside(lock)
            else:
                for squash in (True, False):
                    self._image_problem(self._image(locked["image_id"], squash))
        if os.path.lexists(folder / environment.METADATA) and store.read_json(folder / environment.METADATA) is None:
            self._set_aside(folder / environment.METADATA)
        checkpoint = folder / environment.CHECKPOINT
        if checkpoint.name in known:
            return
        if os.path.lexists(checkpoint) and (not checkpoint.exists() or checkpoint.stat().st_size == 0):
            self._set_aside(checkpoint)

    def _set_forecast_aside(self, folder: Path, problem: str) -> None:
        why = f"{forecast.SEAL} is missing" if problem == "missing" else problem
        aside = (
            f"moved aside to {store.set_aside(folder).name}, to be" if self.options.repair else "to be moved aside and"
        )
        self.warnings.append(f"{folder}: {why}; {aside} made again")

    def check_forecasts(self, run: Run, init_times: list[str]) -> list[bool]:
        """Return for every init time whether its forecast is complete."""
        folder = self.data / "runs" / run.run_id
        try:
            present = set(os.listdir(folder))
        except OSError:
            return [False] * len(init_times)
        run_digest = run.run_digest
        about = store.read_json(folder / forecast.RUN)
        if about is not None and "identity" in about:
            refuse_collision(run.run_id, about["identity"], run.run_identity)
        complete = []
        for init_time in init_times:
            problem = "missing"
            if init_time in present and not self.options.stub:
                problem = forecast.check_forecast(folder / init_time, run_digest, self.options.verify_store)
                if problem is not None:
                    self._set_forecast_aside(folder / init_time, problem)
            complete.append(problem is None)
        return complete


_ENVIRONMENT_FILES = (
    environment.CHECKPOINT, environment.METADATA, environment.LOCK, *environment.LINKS.values(), environment.SEAL,
)  # fmt: skip


def _is_whole(seal: dict | None) -> bool:
    """Return whether an `env.json` says all that SEAL_ENVIRONMENT writes into it."""
    files = seal.get("files") if seal else None
    if not isinstance(files, dict) or not isinstance(seal.get("image_id"), str):
        return False
    needed = {environment.CHECKPOINT, environment.METADATA, environment.LOCK}
    proofs = all(isinstance(proof, dict) and {"size", "sha256"} <= proof.keys() for proof in files.values())
    return proofs and needed <= files.keys() and not files.keys().isdisjoint(environment.LINKS.values())


def _env_entry(env_id: str, runs: list[Run], data: Path, found: dict, needed: bool) -> dict:
    run = runs[0]
    return {
        "env_id": env_id,
        "model_type": run.model_type,
        "store": str(data),
        "needed": needed,
        **found,
        "spec": {
            "env_id": env_id,
            "folder": str(data / "runs" / env_id),
            "images": str(data / "images"),
            "sha256": run.env_digest,
            "identity": run.env_identity,
            "checkpoint": asdict(run.checkpoint),
            "runner": run.config.runner,
            "requirements": run.requirements["requirements"],
            "extra_requirements": run.requirements["extra_requirements"],
            "python": run.config.python,
            "torch_backend": run.config.torch_backend,
            "disable_local_eccodes_definitions": run.config.disable_local_eccodes_definitions,
            "platform": host_platform(),
            "recipe": RECIPE_VERSION,
            "squash_venv": all(run.config.squash_venv for run in runs),
        },
    }


def _file_digests(paths: list[str]) -> dict[str, str]:
    """Return path → SHA-256 of those that are files (not Zarr stores, say)."""
    files = sorted({path for path in paths if os.path.isfile(path) and os.path.getsize(path)})
    return {path: file_digest(Path(path)) for path in files}


def _run_entry(run: Run, data: Path, needed: bool, code: str, resources: dict) -> dict:
    return {
        "run_id": run.run_id,
        "env_id": run.env_id,
        "model_type": run.model_type,
        "label": run.config.label or run.run_id,
        "candidate": run.candidate,
        "store": str(data),
        "forecaster": run.forecaster.run_id if run.forecaster else None,
        "needed": needed,
        "resources": resources,
        "spec": {
            "run_id": run.run_id,
            "env_id": run.env_id,
            "folder": str(data / "runs" / run.run_id),
            "model_type": run.model_type,
            "runner": run.config.runner,
            "sha256": run.run_digest,
            "identity": run.run_identity,
            "leads": run.config.lead_times(),
            "step": run.run_identity["steps"][2],
            "command": run.config.command or [],
            "config": dump_yaml(run.inference.located),  # as text: JSON would change keys that are numbers
            "checkpoint": run.checkpoint.sha256,
            "files": run.inference.files,
            "digests": _file_digests([*run.inference.files.values(), *run.inference.linked.values()]),
            "resources": {"linked": run.inference.linked, "rewritten": run.inference.rewritten},
            "disable_local_eccodes_definitions": run.config.disable_local_eccodes_definitions,
            "torch_backend": run.config.torch_backend,
            "code": code,
        },
    }


def _external_runs(
    config: ConfigModel, lookup: Lookup, init_times: list[str], stored: _Store
) -> list[tuple[dict, dict[str, bool]]]:
    """Return the plan's entries of forecasts made elsewhere, each with init_time → whether its files are there."""
    entries: dict[str, tuple[dict, dict[str, bool]]] = {}
    for kind, entry in config.participants():
        if kind != "forecasts":
            continue
        identity = forecasts_identity(entry, lookup)
        run_id = f"forecasts-{digest(identity)[:ID_LENGTH]}"
        spec = {"run_id": run_id, "env_id": None, "model_type": kind, "sha256": digest(identity), "identity": identity}
        about = {
            "run_id": run_id,
            "env_id": None,
            "model_type": kind,
            "label": entry.label,
            "candidate": True,
            "store": str(stored.data),
            "forecaster": None,
            "needed": False,
            "resources": {},
            "spec": spec | {"leads": entry.lead_times(), "root": identity["root"], "pattern": entry.pattern},
        }
        found = {}
        for init_time in init_times:
            files = glob.iglob(datetime.strptime(init_time, _TIME).strftime(entry.pattern), root_dir=identity["root"])
            found[init_time] = any(os.path.getsize(f"{identity['root']}/{name}") > 0 for name in files)
        lacking = [init_time for init_time, there in found.items() if not there]
        if lacking:
            where = f"{identity['root']}/{entry.pattern}"
            stored.warnings.append(
                f"{run_id} ({entry.label}): no file {where} for {len(lacking)} init times, the first {lacking[0]}"
            )
        if run_id in entries:
            refuse_collision(run_id, entries[run_id][0]["spec"]["identity"], identity)
        else:
            entries[run_id] = (about, found)
    return list(entries.values())


def _baselines(config: ConfigModel, lookup: Lookup) -> list[dict]:
    """Return the plan's entries of baselines; one that is named twice is one."""
    entries: dict[str, dict] = {}
    for baseline in config.baselines():
        identity = baseline_identity(baseline, lookup)
        baseline_id = f"baseline-{digest(identity)[:ID_LENGTH]}"
        about = {"label": baseline.label, "root": identity["root"], "steps": baseline.steps, "member": baseline.member}
        entries.setdefault(baseline_id, {"baseline_id": baseline_id, "sha256": digest(identity), **about})
    return list(entries.values())


def plan_tasks(runs: dict[str, Run], complete: dict[str, dict[str, bool]], options: Options) -> list[dict]:
    """Return what is left to do: entries with `run_id`, `init_times` and, for a temporal downscaler, `forecaster`.

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
        tasks += [{**about, "init_times": left[i : i + size]} for i in range(0, len(left), size)]
    return tasks


def add_resources(tasks: list[dict], resources: dict[str, dict], max_gpus: int | None, at_once: int) -> None:
    """Add to tasks the `resources` that their jobs ask for, for each forecast that they make at a time.

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
        members = min(at_once, number)
        jobs.append((wanted.get("gpu", 0) * members, wanted.get("runtime_seconds", 3600) * -(-number // members)))
    for task, lane in zip(tasks, assign_lanes(jobs, max_gpus), strict=True):
        task["resources"] = resources[task["run_id"]] | ({"lane": lane} if lane else {})


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
    _check_folder(outdir / "data" / "runs", "locations.output_root" if options.outdir is None else "--outdir")
    label = config.config_label or config_path.stem
    runs = collect_all_runs(config, lookup)
    envs = collect_all_envs(runs)
    init_times = [time.strftime(_TIME) for time in config.init_times()]

    code = code_digest()
    stored = _Store(outdir / "data", options)
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
        entry = _env_entry(env_id, sharing, stored.data, found, needed)
        env_entries.append(entry | {"resources": build_resources(profile)})

    external = _external_runs(config, lookup, init_times, stored)
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
        "store": str(outdir / "data"),
        "project": str(PROJECT),
        "envs": env_entries,
        "runs": [_run_entry(run, stored.data, run.run_id in busy, code, resources[run.run_id]) for run in runs.values()]
        + [run for run, _ in external],
        "baselines": _baselines(config, lookup),
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
            {"run_id": run_id, "init_time": init_time, "folder": str(stored.data / "runs" / run_id / init_time)}
            for run_id, init_time in sorted(
                {(task["forecaster"], time) for task in tasks if "forecaster" in task for time in task["init_times"]}
            )
            if complete[run_id][init_time]
        ],
        "warnings": stored.warnings + describe_unused(config),
    }


def check_writable(plan: dict) -> None:
    """Check that a launch may write where it has to: before anything is built, and with one line.

    Raises
    ------
    UserError
        Where something is missing in a store that may only be read.
    """
    data = Path(plan["store"])
    envs = [env for env in plan["envs"] if env["needed"] and not env["complete"]]
    forecasts = sum(len(task["init_times"]) for task in plan["tasks"])
    folders = [data / "runs" / env["env_id"] for env in envs] + [data / "images"] * bool(envs)
    folders += [data / "runs" / run["run_id"] for run in plan["runs"] if run["needed"]]
    for folder in folders:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(
                f"{there}: may only be read, and {len(envs)} environments and {forecasts} forecasts are missing in this "
                "store; use one of your own (--outdir), or ask its owner for the right to write"
            )


def write_plan(plan: dict, path: Path) -> None:
    """Write the plan, whole or not at all."""
    store.write_over(path, json.dumps(plan, ensure_ascii=False, indent=1) + "\n")


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def describe_plan(plan: dict) -> str:
    """Return the plan as text for people."""
    done = {run["run_id"]: 0 for run in plan["runs"]}
    for entry in plan["forecasts"]:
        done[entry["run_id"]] += entry["complete"]
    total = len(plan["init_times"])
    first, last = plan["init_times"][0], plan["init_times"][-1]
    lines = [
        f"experiment  {plan['experiment_id']}",
        f"config      {plan['config']}",
        f"output      {plan['outdir']}",
        f"init times  {total} ({first} to {last})",
        "",
    ]
    states = {True: "stored", False: "to build"}
    if plan["envs"]:
        rows = [("environment", "state")]
        rows += [
            (env["env_id"], states[env["complete"]] if env["needed"] or env["complete"] else "not needed")
            for env in plan["envs"]
        ]
        lines += [*_table(rows), ""]
    if plan["runs"]:
        rows = [("run", "label", "forecasts stored")]
        rows += [(run["run_id"], run["label"], f"{done[run['run_id']]} of {total}") for run in plan["runs"]]
        lines += [*_table(rows), ""]
    if plan["baselines"]:
        rows = [("baseline", "label", "root")]
        rows += [(entry["baseline_id"], entry["label"], entry["root"]) for entry in plan["baselines"]]
        lines += [*_table(rows), ""]
    lines += [f"warning: {warning}" for warning in plan["warnings"]]
    return "\n".join(lines).rstrip()
