"""Checkpoints of MLflow runs and registered models, from a real server on this machine."""

from pathlib import Path

import pytest
from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.mlflow import _version_now
from evalflow.checkpoints.providers import provider_of
from evalflow.errors import UserError
from evalflow.lookup import Lookup
from support.mlflow_server import logged_url, model_url, run_url
from support.servers import CONTENT, OTHER


@pytest.mark.parametrize(
    ("name", "tail", "content"),
    [
        ("last", "", CONTENT),
        ("last", "/artifacts/checkpoint/last.ckpt", OTHER),
        ("last", "/artifacts", CONTENT),
        ("single", "/model-metrics?x=y", CONTENT),
        ("several", "/artifacts/b/two.ckpt", OTHER),
        ("shared", "", OTHER),
        ("bucket, shared", "", OTHER),
    ],
)
def test_the_checkpoint_of_an_mlflow_run(evalflow, mlflow, known, name, tail, content):
    (env,) = evalflow.plan(run_url(mlflow, known, name, tail))
    assert not mlflow.seen, "a run's id is planned with without the network"
    assert env["env_id"].startswith(f"forecaster-{known.runs[name][:4]}-")
    assert evalflow.fetch(env) == content
    assert (Path(env["spec"]["folder"]) / "inference-last.ckpt").is_symlink() == ("shared" in name)


def test_versions_of_a_registered_model(evalflow, mlflow, known):
    first, second = evalflow.plan(model_url(mlflow, "/versions/1"), model_url(mlflow, "/versions/2"))
    assert not mlflow.seen
    assert first["env_id"] != second["env_id"]
    assert evalflow.fetch(first) == CONTENT
    assert evalflow.fetch(second) == CONTENT


def test_latest_moves_on_and_the_old_version_stays(evalflow, mlflow, known):
    from mlflow import MlflowClient

    (pinned,) = evalflow.plan(model_url(mlflow, "/versions/2"))
    (latest,) = evalflow.plan(model_url(mlflow))
    assert latest["env_id"] == pinned["env_id"]
    client = MlflowClient(f"http://{known.upstream}", f"http://{known.upstream}")
    run = known.runs["shared"]
    client.create_model_version("model 1", f"runs:/{run}", run)
    try:
        assert evalflow.fetch(latest) == CONTENT
        again, old = evalflow.plan(model_url(mlflow), model_url(mlflow, "/versions/2"))
        assert again["env_id"] != old["env_id"] == latest["env_id"]
        assert again["spec"]["checkpoint"]["location"].endswith("#/models/model%201/versions/3")
        assert evalflow.fetch(again) == CONTENT
        assert evalflow.fetch(old) == CONTENT
    finally:
        client.delete_model_version("model 1", "3")


# --- MLflow 3: in this process, which has its client already --------------------------------------------------------


@pytest.fixture
def fetched(tmp_path):
    """Return a function that resolves an address and returns what it names, and the bytes of the checkpoint."""

    def fetch(uri: str) -> tuple[Checkpoint, bytes]:
        provider = provider_of(uri, "key")
        found = provider.resolve(uri, Lookup(tmp_path, tmp_path), "key")
        (tmp_path / "checkpoint").unlink(missing_ok=True)
        provider.fetch(found, tmp_path / "checkpoint")
        return found, (tmp_path / "checkpoint").read_bytes()

    return fetch


@pytest.mark.parametrize(
    ("name", "tail", "content"),
    [
        ("one", "", CONTENT),
        ("one", "/artifacts", CONTENT),
        ("one", "/traces?x=y", CONTENT),
        ("two", "/artifacts/b.ckpt", OTHER),
        ("one", "/artifacts/data/model.ckpt", CONTENT),
    ],
)
def test_the_checkpoint_of_a_logged_model(fetched, mlflow, known, name, tail, content):
    found, got = fetched(logged_url(mlflow, known, name, tail))
    assert got == content and found.identity["mlflow"] == f"logged model {known.models[name]}"


def test_a_run_whose_checkpoint_is_in_the_model_that_it_logged(fetched, mlflow, known):
    found, got = fetched(run_url(mlflow, known, "logged one"))
    assert got == CONTENT
    direct, again = fetched(f"{mlflow.url}/mlstore#/runs/{known.runs['logged one']}/overview")
    assert (direct.identity, again) == (found.identity, CONTENT), "the address of a run without its experiment"


def test_a_version_that_is_a_logged_model(fetched, mlflow, known):
    assert fetched(f"{mlflow.url}/mlstore#/models/of%20MLflow%203/versions/1")[1] == OTHER


REFUSED = {
    "a deleted run": (run_url, "deleted", "", "run {run} is deleted; restore it, or name another"),
    "a deleted logged model": (logged_url, "deleted", "", "there is no logged model {model} at "),
    "a model that failed": (
        logged_url,
        "failed",
        "",
        "logged model {model} is not whole: its status is FAILED; name another",
    ),
    "a model without a checkpoint": (
        logged_url,
        "none",
        "",
        "logged model {model} has no artefact that ends in .ckpt; ",
    ),
    "a model with several": (
        logged_url,
        "two",
        "",
        "logged model {model} has 2 checkpoints: a.ckpt, b.ckpt; name one of them",
    ),
    "a file that is not there": (logged_url, "one", "/artifacts/x.ckpt", "there is no artefact x.ckpt"),
    "a run whose model has several": (run_url, "logged two", "", "run {run} logged 2 checkpoints: models/"),
    "a run whose model has none": (run_url, "logged none", "", "run {run} has no artefact that ends in .ckpt"),
}


@pytest.mark.parametrize(("address", "name", "tail", "said"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_checkpoint_of_its_own_is_refused(fetched, mlflow, known, tmp_path, address, name, tail, said):
    with pytest.raises(UserError) as caught:
        fetched(address(mlflow, known, name, tail))
    (line,) = str(caught.value).splitlines()
    assert said.format(run=known.runs.get(name), model=known.models.get(name)) in line
    assert not (tmp_path / "checkpoint").exists()


def test_an_alias_means_the_version_that_it_has_now(fetched, mlflow, known):
    from mlflow import MlflowClient

    found, got = fetched(model_url(mlflow, "@champion"))
    assert found.identity["mlflow"] == "model model 1 version 1" and got == CONTENT
    assert found.location.endswith("#/models/model%201/versions/1")
    client = MlflowClient(f"http://{known.upstream}", f"http://{known.upstream}")
    client.set_registered_model_alias("model 1", "champion", "2")
    try:
        assert fetched(model_url(mlflow, "@champion"))[0].identity == found.identity, "the same for the whole launch"
        _version_now.cache_clear()
        assert fetched(model_url(mlflow, "@champion"))[0].identity["mlflow"] == "model model 1 version 2"
    finally:
        client.set_registered_model_alias("model 1", "champion", "1")
        _version_now.cache_clear()


def test_an_alias_that_is_not_there_is_one_line(fetched, mlflow, known):
    with pytest.raises(UserError) as caught:
        fetched(model_url(mlflow, "@nobody"))
    assert str(caught.value) == f"key: there is no alias nobody of the model model 1 at {mlflow.url}/mlstore"
