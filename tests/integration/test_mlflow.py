"""Checkpoints of MLflow runs and registered models, from a real server on this machine."""

from pathlib import Path

import pytest
from support.mlflow_server import model_url, run_url
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
