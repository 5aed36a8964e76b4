"""Checkpoints on a Hugging Face hub, from a server on this machine that speaks as it does."""

import hashlib
import json

import pytest
from support.hub_server import NEW, OLD, file_url
from support.servers import CONTENT, KEY, OTHER, check_refused


@pytest.mark.parametrize(
    ("revision", "file", "content", "asked"),
    [
        (OLD, "a.ckpt", CONTENT, False),
        (OLD, "2025-10/b%20c.ckpt?download=true", OTHER, False),
        ("main", "a.ckpt", CONTENT, True),
        ("refs%2Fpr%2F1", "a.ckpt", OTHER, True),
        ("refs/pr/1", "a.ckpt", OTHER, True),
    ],
)
def test_a_checkpoint_on_the_hub(evalflow, hub, revision, file, content, asked):
    (env,) = evalflow.plan(file_url(revision, file))
    assert bool(hub.seen) == asked, "the network is asked only where a name can move"
    commit = OLD if revision in (OLD, "main") else NEW
    assert f"/org/repo/resolve/{commit}/" in env["spec"]["checkpoint"]["location"]
    assert evalflow.fetch(env) == content
    known = json.loads((evalflow.root / "plan.json").read_text())["envs"][0]["spec"]["checkpoint"]
    assert known.get("sha256") in (None, hashlib.sha256(content).hexdigest())


def test_a_branch_is_the_commit_that_it_is_at(evalflow, hub):
    urls = [file_url(), file_url(verb="blob"), file_url(OLD), f"{hub.url}/org/repo/resolve/main/a.ckpt"]
    assert len(evalflow.plan(*urls)) == 1
    (before,) = evalflow.plan(file_url())
    assert evalflow.fetch(before) == CONTENT
    hub.branches["main"] = NEW
    moved, pinned = evalflow.plan(file_url(), file_url(OLD))
    assert moved["env_id"] != before["env_id"] == pinned["env_id"]
    assert evalflow.fetch(moved) == OTHER
    assert evalflow.fetch(before) == CONTENT


def test_a_branch_that_moves_between_plan_and_fetch_changes_nothing(evalflow, hub):
    (env,) = evalflow.plan(file_url())
    hub.branches["main"] = NEW
    assert evalflow.fetch(env) == CONTENT


def test_without_the_network_a_commit_can_be_planned(evalflow, hub):
    evalflow.variables["HF_HUB_OFFLINE"] = "1"
    assert evalflow.plan(file_url(OLD))
    check_refused(evalflow, evalflow.try_plan(file_url()), KEY, "HF_HUB_OFFLINE")
    assert not hub.seen
