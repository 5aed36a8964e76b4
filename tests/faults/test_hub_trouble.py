"""Hubs in trouble, and files that they do not have: one line, and nothing is stored."""

import hashlib
import shutil

import pytest
from support.hub_server import OLD, file_url
from support.servers import CONTENT, KEY, SECRET, Faults, check_refused


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


def test_a_full_disk_stores_nothing(evalflow, hub):
    (env,) = evalflow.plan(file_url())
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    run = (
        "sys.argv.pop(0); sys.path[0] = os.path.dirname(sys.argv[0]); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    result = evalflow.try_fetch(env, before=("-c", f"import os, resource, runpy, sys; {limit}; {run}"))
    check_refused(evalflow, result, "File too large", "EVALFLOW_SCRATCH")
