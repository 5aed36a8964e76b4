"""The seal of an environment: written last, and over what is whole only."""

import hashlib
import json
import os
from dataclasses import replace

import pytest
from evalflow.digests import digest
from evalflow.environment.image import check_image
from evalflow.environment.seal import seal_environment
from evalflow.errors import UserError
from evalflow.requirements import read_lock
from evalflow.store.layout import CHECKPOINT, ENVIRONMENT_SEAL, LOCK, METADATA, proof_of
from support.environments import (
    one_line,
    run,
)


def test_seal_describes_every_file_and_is_written_last(copy):
    spec, image = copy
    folder = spec.folder
    assert not (folder / ENVIRONMENT_SEAL).exists()
    seal_environment(spec, image)
    document = json.loads((folder / ENVIRONMENT_SEAL).read_text())
    others = {path.name for path in folder.iterdir()} - {ENVIRONMENT_SEAL}
    assert set(document["files"]) == others == {CHECKPOINT, METADATA, LOCK, "venv.squashfs"}
    for name, proof in document["files"].items():
        content = (folder / name).read_bytes()
        assert proof == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        assert (folder / name).lstat().st_mtime_ns <= (folder / ENVIRONMENT_SEAL).stat().st_mtime_ns
    assert document["env_id"] == spec.env_id and document["identity"] == spec.identity
    assert document["sha256"] == digest(spec.identity)
    assert document["image_id"] == image.stem == read_lock(folder / LOCK)["image_id"]
    assert os.readlink(folder / "venv.squashfs") == f"../../images/{image.name}"


def test_first_seal_stays(copy):
    spec, image = copy
    seal_environment(spec, image)
    before = (spec.folder / ENVIRONMENT_SEAL).read_bytes()
    seal_environment(spec.model_copy(update={"identity": {}}), image)
    assert (spec.folder / ENVIRONMENT_SEAL).read_bytes() == before


def test_a_checkpoint_that_has_changed_since_the_plan_is_not_sealed(copy):
    spec, image = copy
    planned = replace(spec.checkpoint, sha256="0" * 64)
    with pytest.raises(
        UserError, match=r"inference-last\.ckpt: has changed since the launch was planned; launch again"
    ):
        seal_environment(spec.model_copy(update={"checkpoint": planned}), image)
    assert not (spec.folder / ENVIRONMENT_SEAL).exists()


def test_seal_of_a_store_behind_a_link(copy, tmp_path):
    spec, image = copy
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "down" / "link").symlink_to(tmp_path / "store")
    base = tmp_path / "deep" / "down" / "link"
    spec = spec.model_copy(update={"folder": base / "runs" / spec.env_id, "images": base / "images"})
    seal_environment(spec, base / "images" / image.name)
    assert (spec.folder / "venv.squashfs").resolve() == image


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder, image: os.truncate(image, image.stat().st_size - 1), "bytes instead of"),
        (lambda folder, image: image.unlink(), "cannot be read"),
        (lambda folder, image: proof_of(image).unlink(), "is missing or not whole"),
        (lambda folder, image: os.truncate(proof_of(image), 20), "is missing or not whole"),
        (lambda folder, image: os.truncate(folder / LOCK, 150), "not a whole lock file"),
        (lambda folder, image: (folder / LOCK).unlink(), "not a whole lock file"),
        (lambda folder, image: (folder / CHECKPOINT).unlink(), "No such file"),
        (lambda folder, image: (folder / METADATA).unlink(), "No such file"),
    ],
)
def test_damaged_environment_is_not_sealed(copy, damage, reason):
    spec, image = copy
    damage(spec.folder, image)
    assert reason in one_line(run("seal_environment.py", "--image", image, spec=spec))
    assert not (spec.folder / ENVIRONMENT_SEAL).exists()


def test_other_bytes_of_the_same_size_are_found_by_their_digest(copy):
    _, image = copy
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 1
    image.write_bytes(content)
    assert check_image(image, verify=False) is None
    assert "digest differs" in check_image(image, verify=True)
