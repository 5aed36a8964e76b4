"""The entries of a plan: environments, runs, forecasts made elsewhere, baselines."""

import glob
import os
from pathlib import Path

from evalflow.config.runs import ForecastsConfig
from evalflow.digests import digest, file_digest
from evalflow.environment.spec import EnvironmentSpec
from evalflow.host import target_platform
from evalflow.identity import (
    ID_LENGTH,
    RECIPE_VERSION,
    Run,
    baseline_identity,
    canonical_path,
    forecasts_identity,
    refuse_collision,
)
from evalflow.inference.spec import Resources, RunSpec
from evalflow.plan.experiment import Experiment
from evalflow.plan.model import BaselineEntry, ExternalEntry, TruthEntry
from evalflow.store.layout import environment_folder, images_folder, init_time_of, run_folder
from evalflow.yamlio import dump_yaml


def environment_spec(runs: list[Run], data: Path) -> EnvironmentSpec:
    """Return what the steps of an environment work from; `runs` are those that use it."""
    run = runs[0]
    return EnvironmentSpec(
        env_id=run.env_id,
        folder=environment_folder(data, run.env_id),
        images=images_folder(data),
        sha256=run.env_digest,
        identity=run.env_identity,
        checkpoint=run.checkpoint,
        runner=run.config.runner,
        requirements=run.requirements["requirements"],
        extra_requirements=run.requirements["extra_requirements"],
        python=run.config.python,
        torch_backend=run.config.torch_backend,
        disable_local_eccodes_definitions=run.config.disable_local_eccodes_definitions,
        platform=target_platform(),
        recipe=RECIPE_VERSION,
        squash_venv=all(run.config.squash_venv for run in runs),
    )


def _file_digests(paths: list[str]) -> dict[str, str]:
    """Return path → SHA-256 of those that are files (not Zarr stores, say)."""
    files = sorted({path for path in paths if os.path.isfile(path) and os.path.getsize(path)})
    return {path: file_digest(Path(path)) for path in files}


def run_spec(run: Run, data: Path, code: str) -> RunSpec:
    """Return what the steps of a run work from; `code` is the digest of evalflow's code."""
    inference = run.inference
    return RunSpec(
        run_id=run.run_id,
        env_id=run.env_id,
        folder=run_folder(data, run.run_id),
        model_type=run.model_type,
        runner=run.config.runner,
        sha256=run.run_digest,
        identity=run.run_identity,
        lead_times=run.config.lead_times(),
        step=run.run_identity["steps"][2],
        command=run.config.command or [],
        config=dump_yaml(inference.located),
        checkpoint=run.checkpoint.sha256,
        files=inference.files,
        digests=_file_digests([*inference.files.values(), *inference.linked.values()]),
        resources=Resources(linked=inference.linked, rewritten=inference.rewritten),
        disable_local_eccodes_definitions=run.config.disable_local_eccodes_definitions,
        torch_backend=run.config.torch_backend,
        code=code,
    )


def _external_entry(config: ForecastsConfig, experiment: Experiment) -> ExternalEntry:
    identity = forecasts_identity(config, experiment.lookup)
    return ExternalEntry(
        run_id=f"forecasts-{digest(identity)[:ID_LENGTH]}",
        label=config.label,
        sha256=digest(identity),
        identity=identity,
        root=identity["root"],
        pattern=config.pattern,
        lead_times=config.lead_times(),
    )


def external_entries(experiment: Experiment) -> list[ExternalEntry]:
    """Return the entries of forecasts made elsewhere; what is named twice is one."""
    entries: dict[str, ExternalEntry] = {}
    for kind, config in experiment.config.participants():
        if kind == "forecasts":
            entry = _external_entry(config, experiment)
            present = entries.setdefault(entry.run_id, entry)
            refuse_collision(entry.run_id, present.identity, entry.identity)
    return list(entries.values())


def find_external(entry: ExternalEntry, init_times: list[str]) -> dict[str, bool]:
    """Return init_time → whether there are files of this forecast made elsewhere, none of them empty alone."""
    found = {}
    for init_time in init_times:
        files = glob.iglob(init_time_of(init_time).strftime(entry.pattern), root_dir=entry.root)
        found[init_time] = any(os.path.getsize(f"{entry.root}/{name}") > 0 for name in files)
    return found


def baseline_entries(experiment: Experiment) -> list[BaselineEntry]:
    """Return the entries of baselines; one that is named twice is one."""
    entries: dict[str, BaselineEntry] = {}
    for baseline in experiment.config.baselines():
        identity = baseline_identity(baseline, experiment.lookup)
        entry = BaselineEntry(
            baseline_id=f"baseline-{digest(identity)[:ID_LENGTH]}",
            label=baseline.label,
            sha256=digest(identity),
            root=identity["root"],
            steps=baseline.steps,
            member=baseline.member,
        )
        entries.setdefault(entry.baseline_id, entry)
    return list(entries.values())


def truth_entry(experiment: Experiment) -> TruthEntry | None:
    """Return the entry of the truth, if there is one."""
    truth = experiment.config.truth
    return TruthEntry(label=truth.label, root=canonical_path(truth.root, experiment.lookup)) if truth else None
