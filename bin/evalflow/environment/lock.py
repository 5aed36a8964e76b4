"""Lock an environment's requirements: every package with version and hash."""

import hashlib
import json
import os
import re
from pathlib import Path

import click

from evalflow.config.fields import check_requirement
from evalflow.digests import digest
from evalflow.environment.pythons import find_python
from evalflow.environment.spec import EnvironmentSpec
from evalflow.environment.uv import backend_options, run_uv
from evalflow.errors import UserError
from evalflow.host import temporary_scratch
from evalflow.requirements import locked_packages, merge_requirements, requirement_name
from evalflow.runners.base import Installed
from evalflow.runners.registry import runner_named
from evalflow.store.files import write_new
from evalflow.store.layout import LOCK


def _with_backend(spec: EnvironmentSpec) -> str:
    """Return a hint for an error text: PyTorch's own index may be out of reach."""
    return "" if spec.torch_backend == "auto" else f" with torch_backend {spec.torch_backend}"


def _chosen(spec: EnvironmentSpec) -> frozenset[str]:
    return frozenset(requirement_name(text) for text in spec.extra_requirements)


def training_warnings(spec: EnvironmentSpec, metadata: dict, python: str, locked: str) -> list[str]:
    """Return how an environment differs from that of the training, though nobody asked for it.

    Parameters
    ----------
    metadata : what the checkpoint says of itself
    python : the version of Python that is used
    locked : the text of the lock
    """
    runner = runner_named(spec.runner)
    warnings = runner.warnings(metadata, Installed(locked_packages(locked), _chosen(spec), spec.torch_backend))
    wanted = runner.python(metadata)
    if wanted and spec.python is None and not f"{python}.".startswith(f"{wanted}."):
        warnings.append(f"Python {wanted} of the training is not on this host; Python {python} is used")
    return warnings


def _wanted(spec: EnvironmentSpec, known: dict) -> list[str]:
    """Return the requirements of an environment, merged, after a check that uv reads them as such."""
    runner = runner_named(spec.runner)
    try:
        needed = runner.requirements(known, not spec.disable_local_eccodes_definitions, _chosen(spec))
    except UserError as error:
        raise UserError(f"{spec.checkpoint.uri}: {error}") from None
    wanted = merge_requirements(needed, spec.requirements)
    wanted = merge_requirements(wanted, spec.extra_requirements)
    # As URLs, local files may have any character in their path.
    wanted = [Path(text).as_uri() if os.path.isabs(text) else text for text in wanted]
    for text in wanted:  # those of the config are checked, but a checkpoint's metadata may hold any text
        try:
            check_requirement(text)
        except ValueError as error:
            cure = "if its metadata says so, name another in extra_requirements"
            raise UserError(f"{spec.checkpoint.uri}: requirement of its environment: {error}; {cure}") from None
    return wanted


def _resolve(spec: EnvironmentSpec, wanted: list[str], python: str) -> str:
    """Return the lock of requirements. Packages that give way do so where there is no other solution."""
    gives_way = runner_named(spec.runner).gives_way - _chosen(spec)
    firm = [text for text in wanted if requirement_name(text) not in gives_way]
    with temporary_scratch("build") as scratch:

        def compile_lock(texts: list[str]) -> str:
            (scratch / "requirements.in").write_text("\n".join(texts) + "\n", encoding="utf-8")
            return run_uv(
                ["pip", "compile", "requirements.in", "--python", python, "--no-python-downloads", "--generate-hashes",
                 "--no-header", "--no-annotate", *backend_options(spec)],
                scratch,
                f"{spec.env_id}: requirements cannot be resolved{_with_backend(spec)}",
            ) if texts else ""  # fmt: skip

        try:
            return compile_lock(wanted)
        except UserError:
            if firm == wanted:
                raise
            return compile_lock(firm)


def lock_requirements(spec: EnvironmentSpec, metadata: Path) -> None:
    """Resolve an environment's requirements to a full lock with hashes in its folder.

    The first lines say for which Python and platform the lock is, and the image_id that follows
    from it: the same packages for the same Python, platform and recipe are one image.

    Raises
    ------
    UserError
        With the solver's own explanation, where the requirements cannot be met; where the
        checkpoint's metadata asks for what is no requirement.
    """
    known = json.loads(metadata.read_text(encoding="utf-8"))
    wanted = _wanted(spec, known)
    version, python = find_python(spec.python or runner_named(spec.runner).python(known), nearest=spec.python is None)
    body = _resolve(spec, wanted, python)
    for warning in training_warnings(spec, known, version, body):
        click.echo(f"evalflow: {spec.env_id}: warning: {warning}", err=True)
    image_id = digest(
        {
            "lock": re.sub(r"file://\S*/", "", body),
            "python": version,
            "platform": spec.platform,
            "recipe": spec.recipe,
        }
    )[:8]
    header = f"# Locked by evalflow for Python {version} on {spec.platform}.\n# image_id: {image_id}\n"
    sha256 = hashlib.sha256((header + body).encode()).hexdigest()
    write_new(spec.folder / LOCK, f"{header}# sha256: {sha256}\n{body}")
