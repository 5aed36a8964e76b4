"""The runs of a config, each under one id, and the environments that they share."""

from collections.abc import Callable
from dataclasses import replace

from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.providers import provider_of
from evalflow.config.command import read_command
from evalflow.config.inference import Reading, read_inference_config
from evalflow.config.model import ConfigModel
from evalflow.config.runs import RunConfig
from evalflow.identity import (
    Run,
    env_id_of,
    environment_identity,
    identify_requirements,
    refuse_collision,
    run_identity,
    run_specific_hash,
)
from evalflow.lookup import Lookup
from evalflow.runners.registry import runner_named
from evalflow.store.layout import FORECASTER

Resolve = Callable[[str, Lookup, str], Checkpoint]
"""Returns what the name of a checkpoint means now; see `Provider.resolve`."""


def resolve_checkpoint(uri: str, lookup: Lookup, key: str) -> Checkpoint:
    """Return what the name of a checkpoint means now; see `Provider.resolve`."""
    return provider_of(uri, key).resolve(uri, lookup, key)


def register_run(
    model_type: str,
    config: RunConfig,
    lookup: Lookup,
    key: str,
    as_candidate: bool = True,
    resolve: Resolve = resolve_checkpoint,
) -> dict[str, Run]:
    """Resolve a run entry and name it. A downscaler's forecaster comes first in the result.

    Parameters
    ----------
    model_type : "forecaster" or "temporal_downscaler"
    lookup : where relative paths are looked up
    key : the entry's key in the config (`runs[0].forecaster`), for messages
    resolve : says what a checkpoint's name means

    Raises
    ------
    UserError
        Where something that the entry points at is missing or unreadable.
    """
    refined = getattr(config, "forecaster", None)
    registered = register_run("forecaster", refined, lookup, f"{key}.forecaster", False, resolve) if refined else {}
    forecaster = next(reversed(registered.values()), None)
    checkpoint = resolve(config.checkpoint, lookup, f"{key}.checkpoint")
    runner = runner_named(config.runner)
    working = frozenset({FORECASTER}) if refined else frozenset()
    reading = Reading(runner.overrides, runner.rewrites, working)
    inference = read_inference_config(config.config, lookup, f"{key}.config", reading)
    command = read_command(config.command or [], lookup, f"{key}.command")
    requirements = identify_requirements(config, lookup, key)
    env_identity = environment_identity(model_type, config, checkpoint, requirements)
    if model_type == "temporal_downscaler":
        env_identity["on"] = forecaster.env_digest if forecaster else "analysis"
    env_id = env_id_of(checkpoint, env_identity, forecaster)
    named = run_identity(env_identity, config, inference.identity, runner.version)
    named |= {"command": command.identity} if config.command else {}
    named |= {"forecaster": forecaster.run_digest} if forecaster else {}
    run_id = f"{env_id}/{run_specific_hash(named)}"
    texts = {name: sorted(set(pairs.values())) for name, pairs in requirements.items()}
    run = Run(
        model_type, config, checkpoint, inference, command, texts, env_identity, named, env_id, run_id, as_candidate,
        forecaster, (key,),
    )  # fmt: skip
    return merge_runs(registered, {run_id: run})


def merge_runs(known: dict[str, Run], new: dict[str, Run]) -> dict[str, Run]:
    """Return both sets as one; a dependency never demotes or relabels a candidate."""
    merged = dict(known)
    for run_id, run in new.items():
        present = merged.get(run_id)
        if present is None:
            merged[run_id] = run
            continue
        refuse_collision(run_id, present.run_identity, run.run_identity)
        keys = present.keys + run.keys
        if run.candidate and not present.candidate:
            present = replace(run, forecaster=present.forecaster)
        merged[run_id] = replace(present, keys=keys)
    return merged


def collect_all_runs(config: ConfigModel, lookup: Lookup, resolve: Resolve = resolve_checkpoint) -> dict[str, Run]:
    """Return run_id → run for all runs of the config, dependencies before those that need them."""
    runs: dict[str, Run] = {}
    for index, item in enumerate(config.runs):
        for model_type in ("forecaster", "temporal_downscaler"):
            entry = getattr(item, model_type, None)
            if entry is not None:
                runs = merge_runs(
                    runs, register_run(model_type, entry, lookup, f"runs[{index}].{model_type}", resolve=resolve)
                )
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
