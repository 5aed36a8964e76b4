"""Forms of checkpoints that people write: understood, or the form that works is named."""

import pytest
from evalflow.checkpoints.forms import form_that_works
from evalflow.checkpoints.providers import provider_of
from evalflow.errors import UserError
from evalflow.lookup import Lookup

KEY = "runs[0].forecaster.checkpoint"
RUN = "b30acf68520a4bbd8324c44666561696"
MLFLOW = "https://HOST/PREFIX"
HUB = "https://huggingface.co"
FORMS = {
    RUN: f"{MLFLOW}#/experiments/ID/runs/{RUN}",
    f"runs:/{RUN}": f"{MLFLOW}#/experiments/ID/runs/{RUN}",
    f"runs:/{RUN}/checkpoint": f"{MLFLOW}#/experiments/ID/runs/{RUN}",
    f"runs:/{RUN}/a b/last.ckpt": f"{MLFLOW}#/experiments/ID/runs/{RUN}/artifacts/a%20b/last.ckpt",
    "models:/forecaster/3": f"{MLFLOW}#/models/forecaster/versions/3",
    "models:/my model": f"{MLFLOW}#/models/my%20model",
    "models:/forecaster/latest": f"{MLFLOW}#/models/forecaster",
    "models:/forecaster/Production": f"{MLFLOW}#/models/forecaster",
    "models:/forecaster@champion": f"{MLFLOW}#/models/forecaster@champion",
    f"models:/m-{RUN}": f"{MLFLOW}#/experiments/ID/models/m-{RUN}",
    f"m-{RUN}": f"{MLFLOW}#/experiments/ID/models/m-{RUN}",
    "hf://ecmwf/aifs/a.ckpt": f"{HUB}/ecmwf/aifs/resolve/main/a.ckpt",
    "hf://ecmwf/aifs@v1/b/a.ckpt": f"{HUB}/ecmwf/aifs/resolve/v1/b/a.ckpt",
    "hf://ecmwf/aifs": f"the path of a file, or {HUB}/ecmwf/aifs/resolve/REVISION/FILE.ckpt",
    "ecmwf/aifs-single-1.1": f"the path of a file, or {HUB}/ecmwf/aifs-single-1.1/resolve/REVISION/FILE.ckpt",
}


@pytest.fixture(autouse=True)
def _no_server_in_the_shell(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def resolve_in(folder, uri):
    return provider_of(uri, KEY).resolve(uri, Lookup(folder, folder), KEY)


def refusal_of(folder, uri) -> str:
    with pytest.raises(UserError) as caught:
        resolve_in(folder, uri)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(("written", "works"), FORMS.items())
def test_the_form_that_works_is_named(tmp_path, written, works):
    assert refusal_of(tmp_path, written).startswith(f"{KEY}: ") and refusal_of(tmp_path, written).endswith(
        f"; allowed: {works}"
    )


def test_the_server_of_the_shell_is_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org/mlstore/")
    assert refusal_of(tmp_path, RUN).endswith(
        f"; allowed: https://mlflow.example.org/mlstore#/experiments/ID/runs/{RUN}"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hush@mlflow.example.org")
    assert f"https://HOST/PREFIX#/experiments/ID/runs/{RUN}" in refusal_of(tmp_path, RUN)


@pytest.mark.parametrize("name", ["model.ckpt", "models/model.ckpt", "a/b/c", "/abs/model", "~/model.ckpt", "x.onnx"])
def test_a_path_has_no_other_form(name):
    assert form_that_works(name) is None


@pytest.mark.parametrize("written", [RUN, "ecmwf/aifs"])
def test_a_file_of_that_name_is_a_file(tmp_path, written):
    (tmp_path / written).parent.mkdir(exist_ok=True)
    (tmp_path / written).write_text("weights")
    assert resolve_in(tmp_path, written).location == str(tmp_path / written)


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_file_url_is_a_file(tmp_path, host):
    (tmp_path / "my model#1.ckpt").write_text("weights")
    found = resolve_in(tmp_path, f"file://{host}{tmp_path}/my%20model%231.ckpt")
    plain = resolve_in(tmp_path, "my model#1.ckpt")
    assert (found.identity, found.location, found.model_id) == (plain.identity, plain.location, plain.model_id)


@pytest.mark.parametrize("uri", ["file://other/model.ckpt", "file://", "file://model.ckpt"])
def test_a_file_url_of_another_host_is_refused(tmp_path, uri):
    assert refusal_of(tmp_path, uri) == f"{KEY}: {uri}: names no file of this host; allowed: file:///PATH, or the path"


def test_a_variable_in_a_path_is_filled_in_and_never_shown(tmp_path, monkeypatch):
    (tmp_path / "model.ckpt").write_text("weights")
    monkeypatch.setenv("EVALFLOW_TEST_DATA", str(tmp_path))
    assert resolve_in(tmp_path, "$EVALFLOW_TEST_DATA/model.ckpt").location == str(tmp_path / "model.ckpt")
    monkeypatch.setenv("EVALFLOW_TEST_DATA", "hush")
    assert "hush" not in refusal_of(tmp_path, "$EVALFLOW_TEST_DATA/model.ckpt")


def test_a_folder_is_refused_and_the_file_in_it_is_named(tmp_path):
    (tmp_path / "run").mkdir()
    assert refusal_of(tmp_path, "run") == f"{KEY}: {tmp_path}/run: is a folder; allowed: a file in it"
    (tmp_path / "run" / "epoch=3.ckpt").touch()
    assert refusal_of(tmp_path, "run/").endswith(f"; allowed: {tmp_path}/run/epoch=3.ckpt")
    (tmp_path / "run" / "inference-last.ckpt").touch()
    assert refusal_of(tmp_path, "run/").endswith(f"; allowed: {tmp_path}/run/inference-last.ckpt")


def test_a_pointer_of_git_lfs_is_refused(tmp_path):
    (tmp_path / "m.ckpt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    expected = "is a pointer of Git LFS and not the file; allowed: the file, by `git lfs pull`"
    assert refusal_of(tmp_path, "m.ckpt") == f"{KEY}: {tmp_path}/m.ckpt: {expected}"
