"""MLflow servers in trouble, and checkpoints that they do not have: one line, and nothing is stored."""

import base64

import pytest
from support.mlflow_server import model_url, run_url
from support.servers import CONTENT, KEY, SECRET, Faults, check_refused


@pytest.mark.parametrize(
    ("name", "tail", "parts"),
    [
        ("several", "", ["a/one.ckpt, b/two.ckpt", "/artifacts/PATH.ckpt"]),
        ("none", "", ["no artefact that ends in .ckpt"]),
        ("gone", "", ["/scratch/of/another/site/inference-last.ckpt", "not on this host"]),
        ("last", "/artifacts/checkpoint/first.ckpt", ["no artefact checkpoint/first.ckpt"]),
        ("bucket", "", ["-m pip install boto3"]),
    ],
)
def test_a_run_without_one_clear_checkpoint(evalflow, mlflow, known, name, tail, parts):
    (env,) = evalflow.plan(run_url(mlflow, known, name, tail))
    check_refused(evalflow, evalflow.try_fetch(env), known.runs[name], *parts)


def test_a_broken_download_from_mlflow_goes_on_where_it_was(evalflow, mlflow, known):
    mlflow.faults.cuts = [1_500_000, 1_000_000]
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    assert evalflow.fetch(env) == CONTENT
    assert len(mlflow.ranges()) == 2 and "bytes=0-" not in mlflow.ranges()


def test_a_broken_download_from_an_mlflow_server_without_ranges_starts_again(evalflow, mlflow, known):
    mlflow.faults = Faults(cuts=[2_000_000], ranges=False)
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    assert evalflow.fetch(env) == CONTENT


def test_a_download_from_mlflow_that_always_breaks_stores_nothing(evalflow, mlflow, known):
    mlflow.faults = Faults(cuts=[1_000_000] * 99, ranges=False)
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    check_refused(evalflow, evalflow.try_fetch(env), "broke off", mlflow.url)


def test_credentials_of_mlflow(evalflow, mlflow, known):
    mlflow.faults.need = f"Bearer {SECRET}"
    check_refused(evalflow, evalflow.try_plan(model_url(mlflow)), KEY, "denies access (401)", "MLFLOW_TRACKING_TOKEN")
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    check_refused(evalflow, evalflow.try_fetch(env), "denies access (401)", "MLFLOW_TRACKING_TOKEN")
    evalflow.variables["MLFLOW_TRACKING_TOKEN"] = SECRET
    assert evalflow.fetch(env) == CONTENT
    evalflow.plan(model_url(mlflow))
    assert not evalflow.holds(SECRET)


def test_credentials_in_the_files_of_the_mlflow_client(evalflow, mlflow):
    mlflow.faults.need = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    file = evalflow.root / "home" / ".mlflow" / "credentials"
    file.parent.mkdir()
    file.write_text(f"[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = {SECRET}\n")
    evalflow.plan(model_url(mlflow))
    assert not evalflow.holds(SECRET)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_an_mlflow_server_in_trouble(evalflow, mlflow, known, status):
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    mlflow.faults.status = status
    evalflow.variables["MLFLOW_TRACKING_TOKEN"] = SECRET  # the server sends it back in its page
    for result in (evalflow.try_fetch(env), evalflow.try_plan(model_url(mlflow))):
        check_refused(evalflow, result, f"{status}", mlflow.url)
        assert SECRET not in result.text and "<p>" not in result.text
        assert result.seconds < 30


def test_a_login_page_in_place_of_mlflow(evalflow, mlflow, known):
    mlflow.faults.page = "<html>log in</html>"
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    check_refused(evalflow, evalflow.try_fetch(env), "does not answer like an MLflow server")
    check_refused(evalflow, evalflow.try_plan(model_url(mlflow)), KEY, "does not answer like an MLflow server")


def test_what_mlflow_does_not_have(evalflow, mlflow, known):
    server = f"{mlflow.url}/mlstore"
    check_refused(
        evalflow, evalflow.try_plan(f"{server}#/models/empty"), KEY, "no registered model empty with a version"
    )
    check_refused(evalflow, evalflow.try_plan(f"{server}#/models/none"), KEY, "no registered model none")
    for tail in (f"experiments/1/runs/{'0' * 32}", "models/model%201/versions/77", "models/none/versions/1"):
        (env,) = evalflow.plan(f"{server}#/{tail}")
        check_refused(evalflow, evalflow.try_fetch(env), "there is no ", "(404)")
