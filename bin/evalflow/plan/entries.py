"""What the plan says of environments and runs."""

import os
from pathlib import Path

from evalflow.digests import file_digest
from evalflow.environment.spec import EnvironmentSpec
from evalflow.host import target_platform
from evalflow.identity import (
    RECIPE_VERSION,
    Run,
)
from evalflow.inference.spec import Resources, RunSpec
from evalflow.runners.base import Asked
from evalflow.store.layout import environment_folder, images_folder, run_folder
from evalflow.yamlio import dump_yaml


def environment_spec(runs: list[Run], data: Path, asked: list[Asked]) -> EnvironmentSpec:
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
        asked=asked,
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
        command=run.command.located,
        config=dump_yaml(inference.located),
        checkpoint=run.checkpoint.sha256,
        files=inference.files,
        digests=_file_digests([*inference.counted, *run.command.counted, *inference.linked.values()]),
        resources=Resources(linked=inference.linked, rewritten=inference.rewritten),
        disable_local_eccodes_definitions=run.config.disable_local_eccodes_definitions,
        torch_backend=run.config.torch_backend,
        code=code,
    )
