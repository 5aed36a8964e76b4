"""The entries of a plan: environments, runs, forecasts made elsewhere, baselines."""

import glob
import os
from dataclasses import asdict
from pathlib import Path

from evalflow.config.model import ConfigModel
from evalflow.digests import digest, file_digest
from evalflow.host import target_platform
from evalflow.identity import ID_LENGTH, RECIPE_VERSION, Run, baseline_identity, forecasts_identity, refuse_collision
from evalflow.lookup import Lookup
from evalflow.plan.stored import Stored
from evalflow.store.layout import environment_folder, images_folder, init_time_of, run_folder
from evalflow.yamlio import dump_yaml


def env_entry(env_id: str, runs: list[Run], data: Path, found: dict, needed: bool) -> dict:
    run = runs[0]
    return {
        "env_id": env_id,
        "model_type": run.model_type,
        "store": str(data),
        "needed": needed,
        **found,
        "spec": {
            "env_id": env_id,
            "folder": str(environment_folder(data, env_id)),
            "images": str(images_folder(data)),
            "sha256": run.env_digest,
            "identity": run.env_identity,
            "checkpoint": asdict(run.checkpoint),
            "runner": run.config.runner,
            "requirements": run.requirements["requirements"],
            "extra_requirements": run.requirements["extra_requirements"],
            "python": run.config.python,
            "torch_backend": run.config.torch_backend,
            "disable_local_eccodes_definitions": run.config.disable_local_eccodes_definitions,
            "platform": target_platform(),
            "recipe": RECIPE_VERSION,
            "squash_venv": all(run.config.squash_venv for run in runs),
        },
    }


def _file_digests(paths: list[str]) -> dict[str, str]:
    """Return path → SHA-256 of those that are files (not Zarr stores, say)."""
    files = sorted({path for path in paths if os.path.isfile(path) and os.path.getsize(path)})
    return {path: file_digest(Path(path)) for path in files}


def run_entry(run: Run, data: Path, needed: bool, code: str, resources: dict) -> dict:
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
            "folder": str(run_folder(data, run.run_id)),
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


def external_runs(
    config: ConfigModel, lookup: Lookup, init_times: list[str], stored: Stored
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
            files = glob.iglob(init_time_of(init_time).strftime(entry.pattern), root_dir=identity["root"])
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


def baseline_entries(config: ConfigModel, lookup: Lookup) -> list[dict]:
    """Return the plan's entries of baselines; one that is named twice is one."""
    entries: dict[str, dict] = {}
    for baseline in config.baselines():
        identity = baseline_identity(baseline, lookup)
        baseline_id = f"baseline-{digest(identity)[:ID_LENGTH]}"
        about = {"label": baseline.label, "root": identity["root"], "steps": baseline.steps, "member": baseline.member}
        entries.setdefault(baseline_id, {"baseline_id": baseline_id, "sha256": digest(identity), **about})
    return list(entries.values())
