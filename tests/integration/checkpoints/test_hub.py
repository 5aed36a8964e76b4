"""Checkpoints on a Hugging Face hub: the scripts against a server that speaks as it does."""

import hashlib
import json
import shutil

import pytest
from support.hub_server import NEW, OLD
from support.servers import CONTENT, KEY, OTHER, SECRET, Faults, check_refused


def file_url(revision: str = "main", file: str = "a.ckpt", verb: str = "resolve") -> str:
    return f"https://huggingface.co/org/repo/{verb}/{revision}/{file}"


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
    assert known["sha256"] in (None, hashlib.sha256(content).hexdigest())


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


def test_a_broken_download_from_the_hub_goes_on_where_it_was(evalflow, hub):
    hub.files[OLD, "a.ckpt"] = CONTENT * 8
    hub.faults.cuts = [11 << 20, 11 << 20]
    (env,) = evalflow.plan(file_url())
    assert evalflow.fetch(env) == CONTENT * 8
    assert hub.ranges() == [f"bytes={10 << 20}-", f"bytes={20 << 20}-"]  # the client keeps whole blocks of 10 MiB


def test_a_truncated_file_on_the_hub_stores_nothing(evalflow, hub):
    (env,) = evalflow.plan(file_url())
    hub.faults = Faults(cuts=[1000] * 99, ranges=False)
    check_refused(evalflow, evalflow.try_fetch(env), "broke off", hub.url)


def test_a_wrong_digest_from_the_hub_stores_nothing(evalflow, hub):
    hub.sha256 = "a" * 64
    (env,) = evalflow.plan(file_url(OLD))
    check_refused(evalflow, evalflow.try_fetch(env), "damaged", "a" * 64, hashlib.sha256(CONTENT).hexdigest())
    hub.sha256 = None
    (env,) = evalflow.plan(file_url())
    hub.sha256 = "a" * 64
    check_refused(evalflow, evalflow.try_fetch(env), "another file there now than when the launch was planned")


def test_an_empty_file_on_the_hub_stores_nothing(evalflow, hub):
    (env,) = evalflow.plan(file_url(file="empty.ckpt"))
    check_refused(evalflow, evalflow.try_fetch(env), "empty")


def test_a_token_for_the_hub_goes_to_the_hub_alone(evalflow, hub):
    hub.faults.need = f"Bearer {SECRET}"
    check_refused(evalflow, evalflow.try_plan(file_url()), KEY, "denies access (401)", "HF_TOKEN")
    hub.faults.need = None
    for where in ("variable", "file"):
        if where == "variable":
            evalflow.variables["HF_TOKEN"] = SECRET
        else:
            del evalflow.variables["HF_TOKEN"]
            file = evalflow.root / "home" / ".cache" / "huggingface" / "token"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(SECRET)
            shutil.rmtree(evalflow.root / "out")
        hub.seen.clear()
        (env,) = evalflow.plan(file_url())
        assert evalflow.fetch(env) == CONTENT
        sent = {("storage" in path, headers.get("authorization")) for _, path, headers in hub.seen}
        assert sent == {(False, f"Bearer {SECRET}"), (True, None)}
    assert not evalflow.holds(SECRET)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://huggingface.co/org/none/resolve/{}/a.ckpt", "no repository org/none"),
        ("https://huggingface.co/org/gated/resolve/{}/a.ckpt", "gated"),
        ("https://huggingface.co/org/repo/resolve/gone/a.ckpt", "no revision gone"),
        ("https://huggingface.co/org/repo/resolve/{}/b.ckpt", "no file b.ckpt"),
    ],
)
def test_what_the_hub_does_not_have(evalflow, hub, url, said):
    check_refused(evalflow, evalflow.try_plan(url.format("main")), KEY, said)
    if "{}" in url:
        (env,) = evalflow.plan(url.format(OLD))
        check_refused(evalflow, evalflow.try_fetch(env), said)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_hub_in_trouble(evalflow, hub, status):
    (env,) = evalflow.plan(file_url(OLD))
    hub.faults.status = status
    evalflow.variables["HF_TOKEN"] = SECRET
    for result in (evalflow.try_fetch(env), evalflow.try_plan(file_url())):
        check_refused(evalflow, result, f"{status}", hub.url)
        assert SECRET not in result.text and result.seconds < 30


def test_something_else_in_place_of_the_hub(evalflow, hub):
    hub.faults.page = "<html>log in</html>"
    check_refused(evalflow, evalflow.try_plan(file_url()), KEY, "does not answer like a Hugging Face hub")


def test_without_the_network_a_commit_can_be_planned(evalflow, hub):
    evalflow.variables["HF_HUB_OFFLINE"] = "1"
    assert evalflow.plan(file_url(OLD))
    check_refused(evalflow, evalflow.try_plan(file_url()), KEY, "HF_HUB_OFFLINE")
    assert not hub.seen


def test_a_full_disk_stores_nothing(evalflow, hub):
    (env,) = evalflow.plan(file_url())
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    run = (
        "sys.argv.pop(0); sys.path[0] = os.path.dirname(sys.argv[0]); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    result = evalflow.try_fetch(env, before=("-c", f"import os, resource, runpy, sys; {limit}; {run}"))
    check_refused(evalflow, result, "File too large", "EVALFLOW_SCRATCH")
