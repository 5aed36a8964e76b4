"""Who is who: env_id, run_id, baseline_id, experiment_id.

All ids are pure functions of the validated config and of the content that it points at. Labels and resources belong to
none of them. Canonical form first, hash second: what differs from a field's default is hashed, so that a new optional
field renames nothing.
"""

import os
import re
from dataclasses import dataclass, replace
from typing import Any

from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.providers import provider_of
from evalflow.config.inference import InferenceConfig, read_inference_config
from evalflow.config.model import ConfigModel
from evalflow.config.runs import BaselineConfig, ForecastsConfig, RunConfig
from evalflow.digests import canonical, digest
from evalflow.errors import UserError
from evalflow.host import target_platform
from evalflow.lookup import Lookup
from evalflow.requirements import identify_requirement
from evalflow.runners.registry import runner_named

ID_LENGTH = 8
RECIPE_VERSION = 1
"""Version of how environments are built. Raise it when the same lock would give another environment."""


@dataclass(frozen=True)
class Run:
    """A run of the config with its identities.

    Attributes
    ----------
    model_type : "forecaster" or "temporal_downscaler"
    config : the validated run entry
    checkpoint, inference : what the entry points at, resolved
    requirements : field → texts to install
    env_identity, run_identity : what is hashed
    forecaster : the run that a temporal downscaler reads, if any
    candidate : whether the config lists it itself (a mere dependency gets no report of its own)
    """

    model_type: str
    config: RunConfig
    checkpoint: Checkpoint
    inference: InferenceConfig
    requirements: dict[str, list[str]]
    env_identity: dict
    run_identity: dict
    env_id: str
    run_id: str
    candidate: bool
    forecaster: "Run | None" = None

    @property
    def env_digest(self) -> str:
        return digest(self.env_identity)

    @property
    def run_digest(self) -> str:
        return digest(self.run_identity)


def env_entry_hash(env_identity: dict) -> str:
    """Return the hash part of an env_id (8 hex digits)."""
    return digest(env_identity)[:ID_LENGTH]


def run_specific_hash(run_identity: dict) -> str:
    """Return the hash part of a run_id (8 hex digits)."""
    return digest(run_identity)[:ID_LENGTH]


def flat_id(run_id: str) -> str:
    """Return the run_id as one name, for where a path is not possible."""
    return run_id.replace("/", "-")


def _steps(config: RunConfig | ForecastsConfig | BaselineConfig) -> list[int]:
    """Return first lead time, last one that is reached, and step, in hours: `0/33/6` and `0/30/6` are the same."""
    leads = config.lead_times()
    return [leads[0], leads[-1], int(config.steps.split("/")[2])]


def _changed_fields(config: RunConfig, names: frozenset[str]) -> dict[str, Any]:
    """Return the fields of `names` that differ from their defaults."""
    fields = type(config).model_fields
    values = {name: getattr(config, name) for name in names if name in fields}
    return {
        name: value for name, value in values.items() if value != fields[name].get_default(call_default_factory=True)
    }


def register_run(
    model_type: str, config: RunConfig, lookup: Lookup, key: str, as_candidate: bool = True
) -> dict[str, Run]:
    """Resolve a run entry and name it. A downscaler's forecaster comes first in the result, as a dependency.

    Parameters
    ----------
    model_type : "forecaster" or "temporal_downscaler"
    lookup : where relative paths are looked up
    key : the entry's key in the config (`runs[0].forecaster`), for messages

    Raises
    ------
    UserError
        Where something that the entry points at is missing or unreadable.
    """
    registered: dict[str, Run] = {}
    forecaster = None
    if getattr(config, "forecaster", None) is not None:
        registered = register_run("forecaster", config.forecaster, lookup, f"{key}.forecaster", as_candidate=False)
        forecaster = next(reversed(registered.values()))

    checkpoint = provider_of(config.checkpoint, f"{key}.checkpoint").resolve(
        config.checkpoint, lookup, f"{key}.checkpoint"
    )
    runner = runner_named(config.runner)
    inference = read_inference_config(config.config, lookup, f"{key}.config", runner.overrides, runner.rewrites)

    env_fields = _changed_fields(config, RunConfig.ENV_FIELDS - {"checkpoint"})
    requirements = {}
    for name in ("requirements", "extra_requirements"):
        pairs = [
            identify_requirement(text, lookup, f"{key}.{name}[{i}]") for i, text in enumerate(getattr(config, name))
        ]
        requirements[name] = sorted({text for _, text in pairs})
        if pairs:
            env_fields[name] = sorted({identity for identity, _ in pairs})
    env_identity = {
        "model_type": model_type,
        "checkpoint": checkpoint.identity,
        "platform": target_platform(),
        "recipe": RECIPE_VERSION,
        **env_fields,
    }
    env_id = f"{model_type}-{checkpoint.model_id}-"
    if model_type == "temporal_downscaler":
        env_identity["on"] = forecaster.env_digest if forecaster else "analysis"
        env_id += f"{env_entry_hash(env_identity)}-on-{forecaster.env_id if forecaster else 'analysis'}"
    else:
        env_id += env_entry_hash(env_identity)

    known = RunConfig.ENV_FIELDS | RunConfig.HASH_EXCLUDE | {"config", "steps", "forecaster"}
    run_identity = {
        "env": digest(env_identity),
        "steps": _steps(config),
        "config": inference.identity,
        **_changed_fields(config, frozenset(type(config).model_fields) - known),
    }
    if runner.version != 1:
        run_identity["runner_version"] = runner.version
    if forecaster:
        run_identity["forecaster"] = forecaster.run_digest
    run_id = f"{env_id}/{run_specific_hash(run_identity)}"

    run = Run(
        model_type, config, checkpoint, inference, requirements, env_identity, run_identity,
        env_id, run_id, as_candidate, forecaster,
    )  # fmt: skip
    return merge_runs(registered, {run_id: run})


def refuse_collision(name: str, first: dict, second: dict) -> None:
    """Stop where two different identities would share one id.

    Raises
    ------
    UserError
        With both identities.
    """
    if digest(first) != digest(second):
        raise UserError(
            f"{name}: two different things have the same id; move one of them to another output_root\n"
            f"  one:   sha256:{digest(first)} {canonical(first)}\n"
            f"  other: sha256:{digest(second)} {canonical(second)}"
        )


def merge_runs(known: dict[str, Run], new: dict[str, Run]) -> dict[str, Run]:
    """Return both sets as one. A run named twice is one run; a dependency never demotes or relabels a candidate."""
    merged = dict(known)
    for run_id, run in new.items():
        present = merged.get(run_id)
        if present is None:
            merged[run_id] = run
            continue
        refuse_collision(run_id, present.run_identity, run.run_identity)
        if run.candidate and not present.candidate:
            merged[run_id] = replace(run, forecaster=present.forecaster)
    return merged


def collect_all_runs(config: ConfigModel, lookup: Lookup) -> dict[str, Run]:
    """Return run_id → run for all runs of the config, dependencies before those that need them."""
    runs: dict[str, Run] = {}
    for index, item in enumerate(config.runs):
        for model_type in ("forecaster", "temporal_downscaler"):
            entry = getattr(item, model_type, None)
            if entry is not None:
                runs = merge_runs(runs, register_run(model_type, entry, lookup, f"runs[{index}].{model_type}"))
    return runs


def collect_all_envs(runs: dict[str, Run]) -> dict[str, list[Run]]:
    """Return env_id → the runs that use this environment."""
    envs: dict[str, list[Run]] = {}
    for run in runs.values():
        sharing = envs.setdefault(run.env_id, [])
        if sharing:
            refuse_collision(run.env_id, sharing[0].env_identity, run.env_identity)
        sharing.append(run)
    return envs


def canonical_path(text: str, lookup: Lookup) -> str:
    """Return an input path in one spelling: absolute where it exists, no trailing slash."""
    if "://" in text:
        return text.rstrip("/")
    # POSIX gives two leading slashes a meaning of their own; nobody who writes them means it.
    return re.sub("^//", "/", os.path.normpath(lookup.find(text) or os.path.expanduser(text)))


def baseline_identity(config: BaselineConfig, lookup: Lookup) -> dict:
    """Return what is read of a baseline, and how."""
    member = "000" if config.member == "control" else config.member
    return {"root": canonical_path(config.root, lookup), "steps": _steps(config), "member": member}


def forecasts_identity(config: ForecastsConfig, lookup: Lookup) -> dict:
    """Return what is read of forecasts made elsewhere, and how."""
    return {"root": canonical_path(config.root, lookup), "pattern": config.pattern, "steps": _steps(config)}


def _unordered(data: Any) -> Any:
    """Return `data` with all lists sorted: which params, regions and thresholds there are counts, not their order."""
    if isinstance(data, dict):
        return {key: _unordered(value) for key, value in data.items()}
    return sorted(data) if isinstance(data, list) else data


def verification_identity(config: ConfigModel, lookup: Lookup) -> dict:
    """Return what changes a verification number: truth, params, thresholds, regions, corrections (no labels, no dates)."""
    part = config.experiment.model_dump(
        mode="json", exclude_defaults=True, include={"params", "thresholds", "stratification"}
    )
    part = {name: _unordered(value) for name, value in part.items()}
    if "root" in part.get("stratification", {}):
        part["stratification"]["root"] = canonical_path(part["stratification"]["root"], lookup)
    if config.truth:
        part["truth"] = canonical_path(config.truth.root, lookup)
    if not config.lapse_rate_correction:
        part["lapse_rate_correction"] = False
    return part


def master_hash(config: ConfigModel, runs: dict[str, Run], lookup: Lookup) -> str:
    """Return the hash part of an experiment_id: runs, baselines, verification and dates; order and labels change nothing."""
    external = [entry for kind, entry in config.participants() if kind == "forecasts"]
    return digest(
        {
            "runs": sorted(run.run_digest for run in runs.values() if run.candidate),
            # Like any optional part: where there is none, it renames nothing.
            **(
                {"forecasts": sorted({digest(forecasts_identity(entry, lookup)) for entry in external})}
                if external
                else {}
            ),
            "baselines": sorted({digest(baseline_identity(baseline, lookup)) for baseline in config.baselines()}),
            "verification": verification_identity(config, lookup),
            "dates": [time.isoformat() for time in config.init_times()],
        }
    )[:ID_LENGTH]
