"""Sources of checkpoints: what a URL means, what is refused, and what is never said. No network here."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from evalflow.checkpoints import huggingface, mlflow, remote
from evalflow.checkpoints.local import LocalFile
from evalflow.checkpoints.mlflow_addresses import Reference, parse_reference
from evalflow.checkpoints.providers import provider_of
from evalflow.errors import UserError
from evalflow.lookup import Lookup
from hypothesis import assume, given
from hypothesis import strategies as st

KEY = "runs[0].forecaster.checkpoint"
RUN = "b30acf68520a4bbd8324c44666561696"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOOKUP = Lookup(Path("/nowhere"), Path("/nowhere"))


@pytest.fixture(autouse=True)
def _the_public_hub(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


def resolve(uri: str):
    return provider_of(uri, KEY).resolve(uri, LOOKUP, KEY)


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("/scratch/model/inference-last.ckpt", LocalFile),
        ("model.ckpt", LocalFile),
        ("a#/models/b.ckpt", LocalFile),
        (f"https://mlflow.ecmwf.int/#/experiments/103/runs/{RUN}", mlflow.MLflow),
        (f"http://localhost:5000#/experiments/1/runs/{RUN}", mlflow.MLflow),
        ("https://service.meteoswiss.ch/mlstore#/models/sruc-m-1-forecaster/versions/4", mlflow.MLflow),
        ("https://mlflow.example.org/#models/forecaster", mlflow.MLflow),
        ("https://huggingface.co/ecmwf/aifs-single-1.1/resolve/main/aifs.ckpt", huggingface.HuggingFace),
        ("https://hf.co/ecmwf/aifs-single-1.1/blob/main/aifs.ckpt", huggingface.HuggingFace),
    ],
)
def test_the_provider_of_a_checkpoint(uri, kind):
    assert type(provider_of(uri, KEY)) is kind


@pytest.mark.parametrize(
    ("uri", "model_id", "identity", "location"),
    [
        (
            f"https://servicedepl.meteoswiss.ch/mlstore#/experiments/409/runs/{RUN}",
            "b30a",
            {"mlflow": f"run {RUN}"},
            f"https://servicedepl.meteoswiss.ch/mlstore#/experiments/409/runs/{RUN}",
        ),
        (
            f"https://Other.Name.example:443/mlstore/#/experiments/409/runs/{RUN}/artifacts?x=y",
            "b30a",
            {"mlflow": f"run {RUN}"},
            f"https://other.name.example/mlstore#/experiments/409/runs/{RUN}",
        ),
        (
            f"http://localhost:5000#/experiments/1/runs/{RUN}/artifacts/a%20b/last.ckpt",
            "b30a",
            {"mlflow": f"run {RUN}", "artifact": "a b/last.ckpt"},
            f"http://localhost:5000#/experiments/1/runs/{RUN}/artifacts/a%20b/last.ckpt",
        ),
        (
            "https://mlflow.example.org/#/experiments/1/runs/my_run-7",
            "my_r",
            {"mlflow": "run my_run-7", "server": "mlflow.example.org"},
            "https://mlflow.example.org#/experiments/1/runs/my_run-7",
        ),
        (
            f"https://mlflow.example.org/#/runs/{RUN}/model-metrics",
            "b30a",
            {"mlflow": f"run {RUN}"},
            f"https://mlflow.example.org#/runs/{RUN}",
        ),
        (
            f"https://mlflow.example.org/#/experiments/1/runs/{RUN}/artifactPath/a/last.ckpt",
            "b30a",
            {"mlflow": f"run {RUN}", "artifact": "a/last.ckpt"},
            f"https://mlflow.example.org#/experiments/1/runs/{RUN}/artifacts/a/last.ckpt",
        ),
        (
            f"https://mlflow.example.org/#/experiments/1/models/m-{RUN}/traces?x=y",
            None,
            {"mlflow": f"logged model m-{RUN}"},
            f"https://mlflow.example.org#/experiments/1/models/m-{RUN}",
        ),
        (
            f"https://mlflow.example.org/#/experiments/1/models/m-{RUN}/artifacts/a%20b/x.ckpt",
            None,
            {"mlflow": f"logged model m-{RUN}", "artifact": "a b/x.ckpt"},
            f"https://mlflow.example.org#/experiments/1/models/m-{RUN}/artifacts/a%20b/x.ckpt",
        ),
        (
            "https://service.meteoswiss.ch/mlstore#/models/sruc-m-1-forecaster/versions/4",
            None,
            {"mlflow": "model sruc-m-1-forecaster version 4", "server": "service.meteoswiss.ch/mlstore"},
            "https://service.meteoswiss.ch/mlstore#/models/sruc-m-1-forecaster/versions/4",
        ),
        (
            f"https://huggingface.co/met-no/bris_cloudy-skies/blob/{COMMIT}/2025-10/cloudy.ckpt",
            None,
            {"huggingface": f"met-no/bris_cloudy-skies@{COMMIT}", "file": "2025-10/cloudy.ckpt"},
            f"https://huggingface.co/met-no/bris_cloudy-skies/resolve/{COMMIT}/2025-10/cloudy.ckpt",
        ),
        (
            f"https://hf.co/org/repo/resolve/{COMMIT}/my%20model.onnx?download=true",
            None,
            {"huggingface": f"org/repo@{COMMIT}", "file": "my model.onnx"},
            f"https://huggingface.co/org/repo/resolve/{COMMIT}/my%20model.onnx",
        ),
    ],
)
def test_what_cannot_move_is_resolved_without_the_network(uri, model_id, identity, location):
    checkpoint = resolve(uri)
    assert (checkpoint.uri, checkpoint.identity, checkpoint.location) == (uri, identity, location)
    assert len(checkpoint.model_id) == 4
    if model_id:
        assert checkpoint.model_id == model_id
    else:
        assert int(checkpoint.model_id, 16) >= 0
    again = resolve(location)
    assert (again.identity, again.model_id, again.location) == (identity, checkpoint.model_id, location)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/model.ckpt",
        "ftp://example.org/model.ckpt",
        "https://example.org/model.ckpt",
        "https://example.org/mlflow#/compare-runs",
        "https://huggingface.co",
        "https://huggingface.co/org/repo",
        "https://huggingface.co/org/repo/resolve/main",
        "https://huggingface.co/org/repo/resolve/main/README.md",
        "https://huggingface.co/org/repo/raw/main/a.ckpt",
        "https://huggingface.co/org/repo/tree/main/a.ckpt",
        "https://huggingface.co/datasets/org/repo/resolve/main/a.ckpt",
        "https://huggingface.co/org/repo/resolve/main/../a.ckpt",
        "https://huggingface.co/org/repo/resolve/main/%2e%2e/a.ckpt",
        "https://huggingface.co/org/repo/resolve/main/b%2Fa.ckpt",
        "https://huggingface.co/org/repo/resolve/main//a.ckpt",
        "https://huggingface.co/org/repo/resolve/main/a.ckpt?token=x",
        "https://example.org/#/experiments/1",
        "https://example.org/#/experiments/1/runs",
        "https://example.org/#/experiments/1/runs/abc",
        "https://example.org/#/experiments/1/models",
        "https://example.org/#/experiments/1/models/m-short",
        f"https://example.org/#/experiments/1/models/{RUN}",
        f"https://example.org/#/experiments/1/models/m-{RUN}/artifacts/MLmodel",
        f"https://example.org/#/experiments/1/runs/{RUN}/artifacts/checkpoint",
        f"https://example.org/#/experiments/1/runs/{RUN}/artifacts/notes.txt",
        f"https://example.org/#/experiments/1/runs/{RUN}/artifactPath/checkpoint/",
        f"https://example.org/#/experiments/1/runs/{RUN}?workspace=a",
        "https://example.org/#/experiments/1/traces",
        "https://example.org/#/models/a@",
        "https://example.org/#/models/a@champion/versions/1",
        "https://example.org/#/models/a/versions/1?workspace=b",
        "https://example.org/#/models/a/other",
        'https://example.org/#/compare-runs?runs=["a"]&experiments=["0"]',
        "https://example.org/#/compare-model-versions?name=a",
        "https://example.org/#/metric?runs=a",
        "https://example.org/#/prompts/a",
        "https://example.org/#/models",
        "https://example.org/#/models/",
        "https://example.org/#/models/a/versions/latest",
        "https://example.org/#/models/a/versions/0",
        "https://example.org/?workspace=a#/models/a/versions/1",
        "https://:80/#/models/a/versions/1",
        "https://example.org:http/#/models/a/versions/1",
        "https://[::1/#/models/a/versions/1",
    ],
)
def test_other_urls_are_refused_in_one_line(uri):
    with pytest.raises(UserError) as refusal:
        resolve(uri)
    text = str(refusal.value)
    assert text.startswith(f"{KEY}: ") and "\n" not in text
    assert "allowed: " in text or "not a valid URL" in text
    assert "token=x" not in text


words = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-_.~!$&'()*+,;=:%"), min_size=8)
places = st.sampled_from(
    [
        f"example.org/mlstore#/experiments/1/runs/{RUN}",
        "example.org#/models/name",
        f"huggingface.co/org/repo/resolve/{COMMIT}/a.ckpt",
        "bucket/model.ckpt",
        "no host@",
    ]
)


@given(words, words, st.sampled_from(["https", "http", "s3"]), places)
def test_credentials_in_a_url_are_refused_and_not_repeated(user, password, scheme, place):
    with pytest.raises(UserError) as refusal:
        resolve(f"{scheme}://:@{place}")
    assume(user not in str(refusal.value) and password not in str(refusal.value))  # a word such as `checkpoi`
    with pytest.raises(UserError) as refusal:
        resolve(f"{scheme}://{user}:{password}@{place}")
    assert str(refusal.value).startswith(f"{KEY}: a URL with a user name or password in it: ")
    assert user not in str(refusal.value) and password not in str(refusal.value)


@pytest.mark.parametrize("password", ["a#b", "a/b", "a?b", "1/2"])
def test_a_password_that_breaks_the_url_is_not_repeated(password):
    with pytest.raises(UserError) as refusal:
        resolve(f"https://me:{password}@example.org/#/models/a")
    assert f"me:{password[0]}" not in str(refusal.value)


names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1)
runs = st.from_regex(r"[0-9a-f]{32}|[A-Za-z0-9][A-Za-z0-9_-]{3,40}", fullmatch=True)
servers = st.sampled_from(["https://example.org", "https://example.org:8443/ml/store", "http://[::1]:5000/x"])


@given(servers, runs, st.lists(names, max_size=3), st.booleans())
def test_the_url_of_a_run_is_read_as_it_is_written(server, run, folders, named):
    artifact = "/".join([*folders, "x.ckpt"]) if named else None
    written = Reference(server, server.split("://")[1], experiment="12", run=run, artifact=artifact)
    assert parse_reference(written.url, KEY) == written


@given(servers, names, st.integers(1, 10**9) | names | st.none())
def test_the_url_of_a_model_is_read_as_it_is_written(server, name, which):
    meant = {"version": which} if isinstance(which, int) else {"alias": which}
    written = Reference(server, server.split("://")[1], model=name, **meant)
    assert parse_reference(written.url, KEY) == written


@given(servers, st.text("0123456789abcdef", min_size=32, max_size=32), st.lists(names, max_size=3), st.booleans())
def test_the_url_of_a_logged_model_is_read_as_it_is_written(server, number, folders, named):
    artifact = "/".join([*folders, "x.ckpt"]) if named else None
    about = {"experiment": "12", "logged": f"m-{number}", "artifact": artifact}
    written = Reference(server, server.split("://")[1], **about)
    assert parse_reference(written.url, KEY) == written


@given(names, st.lists(names.filter(lambda name: name not in (".", "..")), max_size=3))
def test_the_url_of_a_file_on_the_hub_is_read_as_it_is_written(revision, folders):
    written = huggingface.Reference(huggingface.HUB, "org/re.po", revision, "/".join([*folders, "x.ckpt"]))
    if revision not in (".", ".."):
        assert huggingface.parse_reference(written.url, KEY) == written


def test_versions_of_models_are_told_apart_by_server_name_and_version():
    places = [("a.org", "x", 1), ("b.org", "x", 1), ("a.org/p", "x", 1), ("a.org", "y", 1), ("a.org", "x", 2)]
    found = [resolve(f"https://{server}#/models/{name}/versions/{version}") for server, name, version in places]
    assert len({str(one.identity) for one in found}) == len({one.model_id for one in found}) == len(places)
    assert resolve("http://a.org#/models/x/versions/1").identity == found[0].identity


@pytest.mark.parametrize(
    ("endpoint", "host", "allowed"),
    [
        ("", huggingface.HUB, True),
        ("https://mirror.example.org/hub/", huggingface.HUB, True),
        ("http://127.0.0.1:8000", huggingface.HUB, True),
        ("http://localhost:8000", huggingface.HUB, True),
        ("http://mirror.example.org", huggingface.HUB, False),
        ("http://mirror.example.org", "http://mirror.example.org", True),
        ("https://me:hush@mirror.example.org", huggingface.HUB, False),
        ("mirror.example.org", huggingface.HUB, False),
    ],
)
def test_the_hub_is_reached_with_tls(monkeypatch, endpoint, host, allowed):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    if allowed:
        assert huggingface.endpoint(host, KEY) == (endpoint.rstrip("/") or huggingface.HUB)
        return
    with pytest.raises(UserError, match="HF_ENDPOINT") as refusal:
        huggingface.endpoint(host, KEY)
    assert "hush" not in str(refusal.value)


def test_a_mirror_serves_the_same_commits(monkeypatch):
    public = resolve(f"https://huggingface.co/org/repo/resolve/{COMMIT}/a.ckpt")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example.org/hub")
    mirrored = resolve(f"https://mirror.example.org/hub/org/repo/resolve/{COMMIT}/a.ckpt")
    assert mirrored.identity == public.identity
    assert provider_of(mirrored.location, KEY).resolve(mirrored.location, LOOKUP, KEY).location == mirrored.location


# --- clients --------------------------------------------------------------------------------------------------------


def test_planning_imports_no_client_where_it_needs_no_network():
    uris = [
        f"https://example.org#/experiments/1/runs/{RUN}",
        "https://example.org#/models/a/versions/1",
        f"https://huggingface.co/org/repo/resolve/{COMMIT}/a.ckpt",
    ]
    program = (
        "import sys; from evalflow.checkpoints.providers import provider_of\n"
        f"for uri in {uris}: provider_of(uri, 'k').resolve(uri, None, 'k')\n"
        "import evalflow.plan.plan\n"
        "print(*{'mlflow', 'huggingface_hub', 'requests', 'httpx2', 'httpx'} & set(sys.modules))"
    )
    path = str(Path(remote.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done


def test_a_dead_mlflow_server_is_known_within_half_a_minute():
    tries = 1 + int(mlflow._QUICK["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
    pauses = int(mlflow._QUICK["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"]) * 2**tries
    assert tries * int(mlflow._QUICK["MLFLOW_HTTP_REQUEST_TIMEOUT"]) + pauses <= 32


def test_settings_of_a_client_are_for_the_call_and_the_users_go_before(monkeypatch):
    monkeypatch.setenv("EVALFLOW_TEST_A", "mine")
    with remote.client_settings({"EVALFLOW_TEST_A": "ours", "EVALFLOW_TEST_B": "ours"}):
        assert (os.environ["EVALFLOW_TEST_A"], os.environ["EVALFLOW_TEST_B"]) == ("mine", "ours")
    assert os.environ["EVALFLOW_TEST_A"] == "mine" and "EVALFLOW_TEST_B" not in os.environ


def wrapped(inner: Exception) -> Exception:
    """Return an exception as the clients make them: around another one, whose text it repeats."""
    try:
        try:
            raise inner
        except Exception as error:
            raise RuntimeError(f"API request to https://me:hush@example.org/?sig=hush failed with {error}")  # noqa: B904
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "no such host"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (OSError(errno.ENETUNREACH, "x"), "network is unreachable"),
        (TimeoutError("x"), "no answer in time"),
        (ConnectionResetError("x"), "broke off"),
        (ModuleNotFoundError("x", name="boto3"), "RuntimeError"),
        (ValueError("token hf_abcdefgh and Bearer abcdefgh"), "RuntimeError"),
    ],
)
def test_what_a_client_raises_becomes_one_line_without_secrets(monkeypatch, inner, said):
    monkeypatch.setenv("HF_TOKEN", "a word")
    with pytest.raises(UserError) as refusal, remote.answers("here", "https://s", "log in", "gone", lambda error: None):
        raise wrapped(type(inner)(*inner.args) if inner.args else inner)
    text = str(refusal.value)
    assert text.startswith("here: ") and said in text and "\n" not in text
    assert not any(secret in text for secret in ("hush", "abcdefgh", "a word"))


def test_a_package_that_a_storage_needs_is_named():
    with pytest.raises(UserError, match="-m pip install boto3"):
        with remote.answers("here", "https://s", "log in", "gone", lambda error: None):
            raise ModuleNotFoundError("No module named 'boto3'", name="boto3")


@given(st.binary(max_size=100), st.integers(0, 100) | st.none(), st.booleans())
def test_only_what_was_promised_is_delivered(tmp_path_factory, content, size, right):
    import hashlib

    folder = tmp_path_factory.mktemp("deliver")
    (folder / "a").write_bytes(content)
    sha256 = hashlib.sha256(content if right else content + b"x").hexdigest()
    if content and right and size in (None, len(content)):
        remote.deliver(folder / "a", folder / "b", size, sha256)
        assert (folder / "b").read_bytes() == content
    else:
        with pytest.raises(UserError):
            remote.deliver(folder / "a", folder / "b", size, sha256)


def test_what_does_not_fit_is_not_downloaded(tmp_path):
    remote.check_space(tmp_path, None)
    remote.check_space(tmp_path, 1)
    with pytest.raises(UserError, match="EVALFLOW_SCRATCH"):
        remote.check_space(tmp_path, 1 << 60)


def test_downloads_that_were_killed_are_cleared_away(monkeypatch, tmp_path):
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path))
    with remote.download_folder() as young:
        old = young.with_name("download-old")
        old.mkdir()
        os.utime(old, (0, 0))
        with remote.download_folder():
            assert young.exists() and not old.exists()
    assert not list(tmp_path.glob("*/download-*"))
