"""Seal an environment: `env.json`, by which it is complete."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from evalflow import __version__
from evalflow.digests import digest, file_digest
from evalflow.environment.image import check_image
from evalflow.environment.lock import training_warnings
from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError, changed_since_planned
from evalflow.requirements import read_lock
from evalflow.store.files import describe_file, new_in_store, read_json, to_json, write_new
from evalflow.store.layout import CHECKPOINT, ENVIRONMENT_SEAL, IMAGE_LINKS, LOCK, METADATA, proof_of


def seal_environment(spec: EnvironmentSpec, image: Path) -> None:
    """Write `env.json`, an environment's last file: identity, sizes and digests of all.

    Raises
    ------
    UserError
        Where a part of the environment is not whole.
    """
    folder, image = Path(os.path.realpath(spec.folder)), Path(os.path.realpath(image))
    problem, proof = check_image(image, verify=False), read_json(proof_of(image))
    if problem or proof is None:
        raise UserError(f"{image}: {problem or f'{proof_of(image).name} is missing'}; launch again")
    locked = read_lock(folder / LOCK)
    if locked is None:
        raise UserError(f"{folder / LOCK}: not a whole lock file; launch again")
    link = folder / IMAGE_LINKS[spec.squash_venv]
    with new_in_store(link) as temporary:
        temporary.symlink_to(os.path.relpath(image, folder))
    files = {name: describe_file(folder / name) for name in (METADATA, LOCK)}
    checkpoint = folder / CHECKPOINT
    files[CHECKPOINT] = {"size": checkpoint.stat().st_size, "sha256": file_digest(checkpoint)}
    if spec.checkpoint.sha256 not in (None, files[CHECKPOINT]["sha256"]):
        raise changed_since_planned(checkpoint)
    files[link.name] = {"size": proof["size"], "sha256": proof["sha256"]}
    document = {
        "evalflow": __version__,
        "env_id": spec.env_id,
        "sha256": digest(spec.identity),
        "identity": spec.identity,
        "checkpoint": spec.checkpoint.uri,
        "python": locked["python"],
        "image_id": locked["image_id"],
        "warnings": training_warnings(
            spec,
            json.loads((folder / METADATA).read_text(encoding="utf-8")),
            locked["python"],
            (folder / LOCK).read_text(encoding="utf-8"),
        ),
        "files": dict(sorted(files.items())),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_new(folder / ENVIRONMENT_SEAL, to_json(document))
