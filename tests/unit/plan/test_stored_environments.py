"""Environments in the store: complete, or reported, or set aside with all that shares the damage."""

import json
import os
import re
from pathlib import Path

import pytest
from evalflow.errors import UserError
from evalflow.plan.options import Options
from evalflow.plan.stored import Stored
from evalflow.store.layout import proof_of
from support.stored import SEAL, contents, cut, flip, folder_of, image_of, rewrite, snapshot, states, store_environment


def test_a_missing_environment_is_not_complete_and_nothing_is_said(experiment):
    (env,) = experiment.plan(repair=True)["envs"]
    assert env["complete"] is False and "image_id" not in env
    assert experiment.plan()["warnings"] == []


def test_a_whole_environment_is_complete_even_by_its_digests(stored):
    for options in ({}, {"verify_store": True}, {"repair": True}, {"verify_store": True, "repair": True}):
        plan = stored.plan(**options)
        assert set(states(plan).values()) == {True} and plan["warnings"] == []
        assert {env["image_id"] for env in plan["envs"]} == {image_of(plan).stem}


ENVIRONMENT_DAMAGE = {
    # what happens to an environment (its folder, its image), and what is said of it
    "env.json empty": (lambda folder, image: (folder / SEAL).write_text(""), "env.json is not whole"),
    "env.json cut": (lambda folder, image: cut(folder / SEAL), "env.json is not whole"),
    "env.json garbage": (lambda folder, image: (folder / SEAL).write_bytes(b"\xff\x00{"), "env.json is not whole"),
    "env.json another JSON": (lambda folder, image: (folder / SEAL).write_text("{}"), "env.json is not whole"),
    "env.json a list": (lambda folder, image: (folder / SEAL).write_text("[]"), "env.json is not whole"),
    "env.json without files": (
        lambda folder, image: rewrite(folder / SEAL, lambda data: data.update(files={})),
        "env.json is not whole",
    ),
    "env.json without image_id": (
        lambda folder, image: rewrite(folder / SEAL, lambda data: data.pop("image_id")),
        "env.json is not whole",
    ),
    "env.json with half a proof": (
        lambda folder, image: rewrite(folder / SEAL, lambda data: data["files"]["venv.squashfs"].pop("sha256")),
        "env.json is not whole",
    ),
    "lock cut": (lambda folder, image: cut(folder / "requirements.txt"), "requirements.txt has "),
    "lock missing": (lambda folder, image: (folder / "requirements.txt").unlink(), "requirements.txt cannot be read"),
    "metadata missing": (lambda folder, image: (folder / "anemoi.json").unlink(), "anemoi.json cannot be read"),
    "link to the image missing": (
        lambda folder, image: (folder / "venv.squashfs").unlink(),
        "venv.squashfs is missing",
    ),
    "image cut": (lambda folder, image: cut(image), "has 15 bytes instead of 18"),
    "image emptied": (lambda folder, image: image.write_text(""), "has 0 bytes instead of 18"),
    "image missing": (lambda folder, image: image.unlink(), "squashfs is missing"),
    "proof of the image emptied": (
        lambda folder, image: proof_of(image).write_text(""),
        "squashfs.json is missing or not whole",
    ),
    "proof of another image": (
        lambda folder, image: rewrite(proof_of(image), lambda data: data.update(sha256=64 * "0")),
        "is another one",
    ),
}
OF_THE_IMAGE = {name for name in ENVIRONMENT_DAMAGE if "image" in name and not name.startswith(("env.json", "link"))}


@pytest.mark.parametrize("name", ENVIRONMENT_DAMAGE)
def test_a_damaged_environment_is_only_reported_without_repair(stored, name):
    harm, said = ENVIRONMENT_DAMAGE[name]
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    harm(folder, image_of(plan))
    before = snapshot(root)
    plan = stored.plan()
    assert states(plan)[folder.name] is False
    assert any(warning.startswith(f"{folder}: ") and said in warning for warning in plan["warnings"])
    assert all("a launch moves it aside" in text for text in plan["warnings"] if text.startswith(f"{folder}: "))
    assert snapshot(root) == before, "nothing is touched"


@pytest.mark.parametrize("name", ENVIRONMENT_DAMAGE)
def test_a_damaged_environment_is_set_aside_with_repair_and_nothing_is_deleted(stored, name):
    harm, said = ENVIRONMENT_DAMAGE[name]
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    image = image_of(plan)
    harm(folder, image)
    left = {path.name for path in folder.iterdir() if not path.is_dir()}
    before = contents(root)
    plan = stored.plan(repair=True)

    assert contents(root) == before, "nothing is deleted, nothing is copied"
    assert states(plan)[folder.name] is False
    assert states(plan)[folder_of(plan, 1).name] is (name not in OF_THE_IMAGE), (
        "only what shares the damage is set aside"
    )
    assert any(text.startswith(f"{folder}: ") and said in text for text in plan["warnings"])
    (aside,) = folder.parent.glob(f"{folder.name}.bad-*")
    assert {path.name for path in aside.iterdir()} == left
    assert [path.name for path in folder.iterdir()] == [plan["runs"][0]["run_id"].split("/")[1]], "its runs stay"
    assert all(entry["complete"] for entry in plan["forecasts"]) and plan["tasks"] == []
    if name in OF_THE_IMAGE and "proof of another" not in name:
        assert not image.exists() and not proof_of(image).exists()

    again = stored.plan(repair=True)
    assert again["warnings"] == [] and states(again) == states(plan)


@pytest.mark.parametrize("part", ["anemoi.json", "requirements.txt", "image"])
def test_verify_store_finds_a_flipped_byte_of_an_environment(stored, part):
    plan = stored.plan()
    folder = folder_of(plan)
    flip(image_of(plan) if part == "image" else folder / part)
    assert states(stored.plan())[folder.name] is True
    plan = stored.plan(verify_store=True)
    assert states(plan)[folder.name] is False
    assert any("its digest differs" in warning for warning in plan["warnings"])


def test_two_environments_that_share_a_damaged_image_are_both_set_aside_and_the_image_once(stored):
    plan = stored.plan()
    image = image_of(plan)
    assert image == Path(os.path.realpath(folder_of(plan, 1) / "venv.squashfs")), "they share it"
    cut(image)
    plan = stored.plan(repair=True)
    assert set(states(plan).values()) == {False}
    asides = sorted(path.name for path in image.parent.iterdir())
    assert len(asides) == 2 and all(re.match(rf"{image.name}(\.json)?\.bad-", name) for name in asides)
    assert len(list(folder_of(plan).parent.glob("*.bad-*"))) == 2


UNSEALED_DAMAGE = {
    # what happens to an environment that is not sealed → the file that is set aside
    "lock cut": (lambda folder: cut(folder / "requirements.txt"), "requirements.txt"),
    "lock empty": (lambda folder: (folder / "requirements.txt").write_text(""), "requirements.txt"),
    "lock with another header": (
        lambda folder: (folder / "requirements.txt").write_text(
            (folder / "requirements.txt").read_text().replace("3.11", "3.12")
        ),
        "requirements.txt",
    ),
    "metadata empty": (lambda folder: (folder / "anemoi.json").write_text(""), "anemoi.json"),
    "checkpoint empty": (
        lambda folder: ((folder / "inference-last.ckpt").unlink(), (folder / "inference-last.ckpt").touch()),
        "inference-last.ckpt",
    ),
}


@pytest.mark.parametrize(("harm", "name"), UNSEALED_DAMAGE.values(), ids=UNSEALED_DAMAGE)
def test_of_an_unsealed_environment_only_what_is_bad_is_set_aside(stored, harm, name):
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    (folder / SEAL).unlink()
    harm(folder)
    kept = {path.name for path in folder.iterdir()} - {name}

    before = snapshot(root)
    plan = stored.plan()
    assert plan["warnings"] == [f"{folder / name}: damaged; a launch moves it aside"]
    assert snapshot(root) == before

    before = contents(root)
    plan = stored.plan(repair=True)
    assert states(plan)[folder.name] is False and len(plan["warnings"]) == 1
    assert contents(root) == before
    (aside,) = folder.glob(f"{name}.bad-*")
    assert {path.name for path in folder.iterdir()} == kept | {aside.name}


def test_an_unsealed_environment_that_is_whole_so_far_stays(experiment, monkeypatch):
    store_environment(experiment.plan()["envs"][0], monkeypatch, seal=False)
    root = Path(experiment.plan()["store"])
    before = snapshot(root)
    plan = experiment.plan(repair=True, verify_store=True)
    assert set(states(plan).values()) == {False} and plan["warnings"] == []
    assert snapshot(root) == before


def test_of_an_unsealed_environment_a_damaged_image_is_set_aside(experiment, monkeypatch):
    plan = experiment.plan()
    store_environment(plan["envs"][0], monkeypatch, seal=False)
    (image,) = (Path(plan["store"]) / "images").glob("*.squashfs")
    cut(image)
    plan = experiment.plan(repair=True)
    assert any(warning.startswith(f"{image}: ") for warning in plan["warnings"])
    assert not image.exists() and not proof_of(image).exists()
    store_environment(plan["envs"][0], monkeypatch)
    assert set(states(experiment.plan(verify_store=True)).values()) == {True}, "it can be built again"


def test_an_image_that_another_launch_is_finishing_is_left_alone(experiment, monkeypatch):
    plan = experiment.plan()
    store_environment(plan["envs"][0], monkeypatch, seal=False)
    (image,) = (Path(plan["store"]) / "images").glob("*.squashfs")
    proof_of(image).unlink()
    plan = experiment.plan(repair=True)
    assert image.exists() and plan["warnings"] == []


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_the_link_to_a_checkpoint_that_was_moved_is_mended(stored, sealed, how):
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    if not sealed:
        (folder / SEAL).unlink()
    moved = stored.folder / "moved.onnx"
    (stored.folder / "model.onnx").rename(moved)
    if how == "replaced":
        (stored.folder / "model.onnx").write_text("weights of some other model")
    for entry in (stored.data["runs"][0]["forecaster"], stored.data["runs"][1]["temporal_downscaler"]["forecaster"]):
        entry["checkpoint"] = str(moved)
    said = f"{folder / 'inference-last.ckpt'}: its target was moved or changed; the same checkpoint is at {moved}"

    before = snapshot(root)
    plan = stored.plan()
    assert plan["warnings"] == [said] and states(plan)[folder.name] is sealed
    assert snapshot(root) == before

    plan = stored.plan(repair=True)
    assert plan["warnings"] == [said] and states(plan)[folder.name] is sealed
    assert (folder / "inference-last.ckpt").read_text() == "weights of the model"
    assert stored.plan()["warnings"] == []


def test_a_damaged_environment_is_built_again_and_whole_then(stored, monkeypatch):
    plan = stored.plan()
    image_of(plan).unlink()
    plan = stored.plan(repair=True)
    for env in plan["envs"]:
        store_environment(env, monkeypatch)
    plan = stored.plan(verify_store=True)
    assert set(states(plan).values()) == {True} and plan["warnings"] == []


def test_an_environment_set_aside_is_never_used(stored):
    plan = stored.plan()
    (folder_of(plan) / SEAL).write_text("")
    stored.plan(repair=True)
    (aside,) = folder_of(plan).parent.glob("*.bad-*")
    assert aside.name not in json.dumps([*stored.plan()["envs"], *stored.plan()["runs"]])


def test_a_store_that_may_not_be_changed_is_said(stored, monkeypatch):
    plan = stored.plan()
    (folder_of(plan) / SEAL).write_text("")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"env\.json is not whole, and it cannot be moved aside: Permission denied"):
        Stored(Path(plan["store"]), Options(None, stored.launch, repair=True)).check_environment(
            plan["envs"][0]["env_id"], *_run_and_squash(stored)
        )


def _run_and_squash(experiment) -> tuple:
    from evalflow.config.model import load_config
    from evalflow.lookup import Lookup
    from evalflow.runs import collect_all_runs

    config = load_config(experiment.folder / "experiment.yaml")
    runs = collect_all_runs(config, Lookup(experiment.folder, experiment.launch))
    return next(iter(runs.values())), True


@pytest.mark.parametrize("part", ["data", "data/runs", "data/images"])
def test_parts_of_the_store_may_be_on_another_disk(experiment, part, tmp_path, monkeypatch):
    link = Path(experiment.data["locations"]["output_root"]) / part
    link.parent.mkdir(parents=True)
    (tmp_path / "far" / "disk").mkdir(parents=True)
    link.symlink_to(tmp_path / "far" / "disk")
    (env,) = experiment.plan()["envs"]
    store_environment(env, monkeypatch)
    plan = experiment.plan(verify_store=True, repair=True)
    assert set(states(plan).values()) == {True} and plan["warnings"] == []
    cut(image_of(plan))
    plan = experiment.plan(repair=True)
    assert set(states(plan).values()) == {False}
    store_environment(env, monkeypatch)
    assert set(states(experiment.plan()).values()) == {True}
