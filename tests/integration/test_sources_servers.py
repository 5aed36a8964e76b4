"""Checkpoints on servers: a real MLflow server, and one that speaks as the Hugging Face hub does, all on this machine.

The tests run the real scripts, bin/plan.py and bin/get_checkpoint.py, with an environment of their own: no proxies, no
credentials, no configuration of the clients but what a test gives.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
CONTENT = os.urandom(3_000_000)
OTHER = os.urandom(1_000_000)
SECRET = "hush-8d1f2c"


# --- evalflow ---------------------------------------------------------------------------------------------------------


@dataclass
class Result:
    """How a script ended."""

    status: int
    text: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        return self.text.strip().splitlines()


class Evalflow:
    """The scripts of evalflow, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.variables: dict[str, str] = {}
        for name in ("home", "scratch", "launch"):
            (root / name).mkdir(parents=True)

    def run(self, script: str, *arguments: str, text: str | None = None, before: tuple = ()) -> Result:
        environment = {
            "PATH": os.environ["PATH"],
            "EVALFLOW_VENV": sys.prefix,
            "HOME": str(self.root / "home"),
            "EVALFLOW_SCRATCH": str(self.root / "scratch"),
            **self.variables,
        }
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, *before, str(PROJECT / "bin" / script), *arguments], input=text, text=True, timeout=120,
            cwd=self.root / "launch", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, time.monotonic() - start)

    def try_plan(self, *uris: str) -> Result:
        runs = [{"forecaster": {"checkpoint": uri, "steps": "0/6/6"}} for uri in uris]
        config = {"description": "a test", "dates": ["2024-01-01T00:00"], "runs": runs}
        (self.root / "config.yaml").write_text(yaml.safe_dump(config))
        paths = ["--config", str(self.root / "config.yaml"), "--outdir", str(self.root / "out")]
        return self.run("plan.py", *paths, "--output", str(self.root / "plan.json"))

    def plan(self, *uris: str) -> list[dict]:
        """Return the environments of a plan."""
        result = self.try_plan(*uris)
        assert result.status == 0 and not result.text, result.text
        return json.loads((self.root / "plan.json").read_text())["envs"]

    def try_fetch(self, env: dict, before: tuple = ()) -> Result:
        return self.run("get_checkpoint.py", text=json.dumps(env["spec"]), before=before)

    def fetch(self, env: dict) -> bytes:
        """Return the checkpoint that lies in the store afterwards."""
        result = self.try_fetch(env)
        assert result.status == 0 and not result.text, result.text
        assert self.stored() >= {"anemoi.json", "inference-last.ckpt"}
        assert not self.left_over()
        return (Path(env["spec"]["folder"]) / "inference-last.ckpt").read_bytes()

    def stored(self) -> set[str]:
        return {path.name for path in (self.root / "out").rglob("*") if not path.is_dir()}

    def left_over(self) -> list[Path]:
        files = [path for path in (self.root / "scratch").rglob("*") if path.is_file() and "hf-xet" not in path.parts]
        return [*files, *(self.root / "launch").iterdir()]

    def holds(self, text: str) -> list[Path]:
        """Return the files in which `text` can be read: of the plan, the store, the scratch and the launch folder."""
        files = [path for path in self.root.rglob("*") if path.is_file() and "home" not in path.parts]
        return [path for path in files if text.encode() in path.read_bytes()]


@pytest.fixture
def evalflow(tmp_path) -> Evalflow:
    return Evalflow(tmp_path / "evalflow")


def refused(evalflow: Evalflow, result: Result, *parts: str) -> None:
    """Check that a script ended with one clear line, and with nothing stored."""
    assert result.status == 1, result.text
    assert len(result.lines) == 1 and result.text.startswith("evalflow: "), result.text
    assert "checkpoint" in result.text and all(part in result.text for part in parts), result.text
    assert not evalflow.stored() and not evalflow.left_over()


KEY = "runs[0].forecaster.checkpoint: "


# --- a server that can be made to fail --------------------------------------------------------------------------------


@dataclass
class Faults:
    """What goes wrong at a server.

    Attributes
    ----------
    cuts : of the next downloads, break the connection after so many bytes
    status : answer every request with this status
    ranges : whether downloads can be resumed
    page : answer with this HTML page
    need : the Authorization header without which access is denied
    """

    cuts: list[int] = field(default_factory=list)
    status: int | None = None
    ranges: bool = True
    page: str | None = None
    need: str | None = None


class Server(ThreadingHTTPServer):
    """A server on loopback that notes what it is asked.

    Attributes
    ----------
    seen : (method, path, headers by their names in lower case) of the requests
    """

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.seen: list[tuple[str, str, dict]] = []
        self.faults = Faults()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def ranges(self) -> list[str]:
        """Return the ranges that were asked for."""
        return [headers["range"] for _, _, headers in self.seen if "range" in headers]


class Handler(BaseHTTPRequestHandler):
    """Answers requests, with the faults of the server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.seen.append(
            (self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        )
        faults = self.server.faults
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if faults.page is not None:
            self.send(200, {"Content-Type": "text/html"}, faults.page.encode())
        elif faults.status:
            self.send(faults.status, {}, f"<p>trouble with {self.headers.get('Authorization')}</p>".encode())
        elif faults.need and self.headers.get("Authorization") != faults.need:
            self.send(401, {}, b"who are you?")
        else:
            self.answer(body)

    def answer(self, body: bytes) -> None:
        raise NotImplementedError

    def send(self, status: int, headers: dict, body: bytes = b"", cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *_arguments) -> None:
        pass


# --- MLflow -----------------------------------------------------------------------------------------------------------


class Front(Handler):
    """What stands before the MLflow server at a site: it serves it below a prefix."""

    upstream = ""

    def answer(self, body: bytes) -> None:
        assert self.path.startswith("/mlstore/"), self.path
        faults = self.server.faults
        drop = {"host", "content-length", "authorization"} | (set() if faults.ranges else {"range", "if-range"})
        headers = {name: value for name, value in self.headers.items() if name.lower() not in drop}
        with closing(http.client.HTTPConnection(self.upstream)) as connection:
            connection.request(self.command, self.path.removeprefix("/mlstore"), body or None, headers)
            response = connection.getresponse()
            content = response.read()
        kept = {
            name: value for name, value in response.getheaders() if name.lower() in {"content-type", "content-range"}
        }
        if faults.ranges and response.getheader("ETag"):
            kept["ETag"] = response.getheader("ETag")
        is_download = "mlflow-artifacts/artifacts/" in self.path
        self.send(response.status, kept, content, faults.cuts.pop(0) if is_download and faults.cuts else None)


@dataclass
class Known:
    """What the MLflow server knows: ids of runs by what they have."""

    upstream: str
    folder: Path
    runs: dict[str, str] = field(default_factory=dict)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def known(tmp_path_factory):
    """A real MLflow server with runs and a registered model of two versions."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = _free_port()
    mlflow = Path(sys.executable).with_name("mlflow")
    command = [mlflow, "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", folder / "artifacts", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--gunicorn-opts", "--log-level warning"]  # uvicorn would want the whole of MLflow
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        state = Known(f"127.0.0.1:{port}", folder)
        _wait_for(state, server)
        _fill(state)
        yield state
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def _wait_for(known: Known, server: subprocess.Popen) -> None:
    for _ in range(240):
        assert server.poll() is None, (known.folder / "log").read_text()
        try:
            with closing(http.client.HTTPConnection(known.upstream)) as connection:
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.25)
    raise AssertionError((known.folder / "log").read_text())


def _fill(known: Known) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"http://{known.upstream}", f"http://{known.upstream}")
    experiment = client.create_experiment("training")

    bucket = client.create_experiment("storage that the server does not pass on", "s3://bucket/training")

    def log(name: str, artifacts: dict[str, bytes], experiment: str = experiment, **params: str) -> None:
        run = client.create_run(experiment)
        known.runs[name] = run.info.run_id
        for key, value in params.items():
            client.log_param(run.info.run_id, key, value)
        for path, content in artifacts.items():
            local = known.folder / "local" / Path(path).name
            local.parent.mkdir(exist_ok=True)
            local.write_bytes(content)
            client.log_artifact(run.info.run_id, str(local), str(Path(path).parent) if "/" in path else None)

    plots = {"plots/loss/map.png": b"picture"}
    log("last", {"checkpoint/inference-last.ckpt": CONTENT, "checkpoint/last.ckpt": OTHER, **plots})
    log("single", {"weights/my model.ckpt": CONTENT, "notes.txt": b"notes"})
    log("several", {"a/one.ckpt": CONTENT, "b/two.ckpt": OTHER, **plots})
    log("none", plots)
    shared = known.folder / "shared"
    (shared / "run").mkdir(parents=True)
    (shared / "run" / "inference-last.ckpt").write_bytes(OTHER)
    log("shared", {"last.ckpt": CONTENT}, **{"config.system.output.checkpoints.root": str(shared / "run")})
    log("gone", plots, **{"config.hardware.paths.checkpoints": "/scratch/of/another/site"})
    log("bucket", {}, bucket)
    log("bucket, shared", {}, bucket, **{"config.hardware.paths.checkpoints": str(shared)})
    (shared / known.runs["bucket, shared"]).symlink_to("run")
    for name in ("model 1", "empty"):
        client.create_registered_model(name)
    # The first version holds a checkpoint; what the second registers does not, but the run that it came from does.
    for run, folder in (("several", "a"), ("last", "plots")):
        client.create_model_version("model 1", f"runs:/{known.runs[run]}/{folder}", known.runs[run])


@pytest.fixture
def mlflow(known):
    """The MLflow server as it is reached: below a prefix, and with faults."""
    server = Server(type("Front", (Front,), {"upstream": known.upstream}))
    yield server
    server.shutdown()


def run_url(mlflow: Server, known: Known, name: str, tail: str = "") -> str:
    return f"{mlflow.url}/mlstore#/experiments/1/runs/{known.runs[name]}{tail}"


def model_url(mlflow: Server, tail: str = "") -> str:
    return f"{mlflow.url}/mlstore/#/models/model%201{tail}"


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
    refused(evalflow, evalflow.try_fetch(env), known.runs[name], *parts)


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
    refused(evalflow, evalflow.try_fetch(env), "broke off", mlflow.url)


def test_credentials_of_mlflow(evalflow, mlflow, known):
    mlflow.faults.need = f"Bearer {SECRET}"
    refused(evalflow, evalflow.try_plan(model_url(mlflow)), KEY, "denies access (401)", "MLFLOW_TRACKING_TOKEN")
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    refused(evalflow, evalflow.try_fetch(env), "denies access (401)", "MLFLOW_TRACKING_TOKEN")
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
        refused(evalflow, result, f"{status}", mlflow.url)
        assert SECRET not in result.text and "<p>" not in result.text
        assert result.seconds < 30


def test_a_login_page_in_place_of_mlflow(evalflow, mlflow, known):
    mlflow.faults.page = "<html>log in</html>"
    (env,) = evalflow.plan(run_url(mlflow, known, "last"))
    refused(evalflow, evalflow.try_fetch(env), "does not answer like an MLflow server")
    refused(evalflow, evalflow.try_plan(model_url(mlflow)), KEY, "does not answer like an MLflow server")


def test_what_mlflow_does_not_have(evalflow, mlflow, known):
    server = f"{mlflow.url}/mlstore"
    refused(evalflow, evalflow.try_plan(f"{server}#/models/empty"), KEY, "no registered model empty with a version")
    refused(evalflow, evalflow.try_plan(f"{server}#/models/none"), KEY, "no registered model none")
    for tail in (f"experiments/1/runs/{'0' * 32}", "models/model%201/versions/77", "models/none/versions/1"):
        (env,) = evalflow.plan(f"{server}#/{tail}")
        refused(evalflow, evalflow.try_fetch(env), "there is no ", "(404)")


@pytest.fixture(scope="module")
def silent():
    """The URL of a server that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_servers_that_do_not_answer(evalflow, silent):
    nobody = f"http://127.0.0.1:{_free_port()}"
    for server, said in (
        (nobody, "connection refused"),
        ("https://no.such.host.invalid", "no such host"),
        (silent, "no answer in time"),
    ):
        evalflow.variables = {"HF_ENDPOINT": server}
        if server == silent:
            evalflow.variables |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
        for uri in (f"{server}/mlstore#/models/model", "https://huggingface.co/org/repo/resolve/main/a.ckpt"):
            result = evalflow.try_plan(uri)
            refused(evalflow, result, KEY, server, said)
            assert result.seconds < 30


def test_a_server_without_a_certificate_is_not_trusted(evalflow, mlflow):
    """TLS to a server that has none: a handshake that fails, not a request in clear text."""
    server = mlflow.url.replace("http", "https")
    evalflow.variables = {"HF_ENDPOINT": server}
    for uri in (f"{server}/mlstore#/models/model", "https://huggingface.co/org/repo/resolve/main/a.ckpt"):
        refused(evalflow, evalflow.try_plan(uri), KEY, "no trusted TLS connection")
    assert not mlflow.seen


# --- Hugging Face -----------------------------------------------------------------------------------------------------

OLD, NEW = "1" * 40, "2" * 40


class Hub(Handler):
    """The hub: answers to HEAD and GET of /ORG/REPO/resolve/REVISION/FILE, and sends large files from another host."""

    def answer(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/storage/"):
            return self._storage(path.removeprefix("/storage/"))
        match = re.fullmatch(r"/(org/[\w.-]+)/resolve/(main|refs/pr/1|[12]{40}|gone)/(.+)", path)
        if not match or match[1] not in ("org/repo", "org/gated"):
            return self.send(401, {"X-Error-Code": "RepoNotFound"})
        if match[1] == "org/gated":
            return self.send(403, {"X-Error-Code": "GatedRepo"})
        if match[2] == "gone":
            return self.send(404, {"X-Error-Code": "RevisionNotFound"})
        commit = self.server.branches.get(match[2], match[2])
        content = self.server.files.get((commit, match[3]))
        if content is None:
            return self.send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        sha256 = hashlib.sha256(content).hexdigest()
        self.send(
            302,
            {
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{self.server.sha256 or sha256}"',
                "X-Linked-Size": str(len(content)),
                # Another host name than the hub's own: the token must not go there.
                "Location": f"http://localhost:{self.server.server_port}/storage/{sha256}?Signature={SECRET}-signed",
            },
        )

    def _storage(self, sha256: str) -> None:
        (content,) = {one for one in self.server.files.values() if hashlib.sha256(one).hexdigest() == sha256}
        faults = self.server.faults
        cut = faults.cuts.pop(0) if faults.cuts else None
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if faults.ranges else None
        if match:
            start = int(match[1])
            headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            return self.send(206, headers, content[start:], cut)
        self.send(200, {}, content, cut)


class HubServer(Server):
    """The hub's content: commit and path → bytes; branch → commit; the digest to claim in place of the right one."""

    def __init__(self) -> None:
        self.files = {
            (OLD, "a.ckpt"): CONTENT,
            (NEW, "a.ckpt"): OTHER,
            (OLD, "2025-10/b c.ckpt"): OTHER,
            (OLD, "empty.ckpt"): b"",
        }
        self.branches = {"main": OLD, "refs/pr/1": NEW}
        self.sha256: str | None = None
        super().__init__(Hub)


@pytest.fixture
def hub(evalflow):
    server = HubServer()
    evalflow.variables["HF_ENDPOINT"] = server.url
    yield server
    server.shutdown()


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
    refused(evalflow, evalflow.try_fetch(env), "broke off", hub.url)


def test_a_wrong_digest_from_the_hub_stores_nothing(evalflow, hub):
    hub.sha256 = "a" * 64
    (env,) = evalflow.plan(file_url(OLD))
    refused(evalflow, evalflow.try_fetch(env), "damaged", "a" * 64, hashlib.sha256(CONTENT).hexdigest())
    hub.sha256 = None
    (env,) = evalflow.plan(file_url())
    hub.sha256 = "a" * 64
    refused(evalflow, evalflow.try_fetch(env), "another file there now than when the launch was planned")


def test_an_empty_file_on_the_hub_stores_nothing(evalflow, hub):
    (env,) = evalflow.plan(file_url(file="empty.ckpt"))
    refused(evalflow, evalflow.try_fetch(env), "empty")


def test_a_token_for_the_hub_goes_to_the_hub_alone(evalflow, hub):
    hub.faults.need = f"Bearer {SECRET}"
    refused(evalflow, evalflow.try_plan(file_url()), KEY, "denies access (401)", "HF_TOKEN")
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
    refused(evalflow, evalflow.try_plan(url.format("main")), KEY, said)
    if "{}" in url:
        (env,) = evalflow.plan(url.format(OLD))
        refused(evalflow, evalflow.try_fetch(env), said)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_hub_in_trouble(evalflow, hub, status):
    (env,) = evalflow.plan(file_url(OLD))
    hub.faults.status = status
    evalflow.variables["HF_TOKEN"] = SECRET
    for result in (evalflow.try_fetch(env), evalflow.try_plan(file_url())):
        refused(evalflow, result, f"{status}", hub.url)
        assert SECRET not in result.text and result.seconds < 30


def test_something_else_in_place_of_the_hub(evalflow, hub):
    hub.faults.page = "<html>log in</html>"
    refused(evalflow, evalflow.try_plan(file_url()), KEY, "does not answer like a Hugging Face hub")


def test_without_the_network_a_commit_can_be_planned(evalflow, hub):
    evalflow.variables["HF_HUB_OFFLINE"] = "1"
    assert evalflow.plan(file_url(OLD))
    refused(evalflow, evalflow.try_plan(file_url()), KEY, "HF_HUB_OFFLINE")
    assert not hub.seen


def test_a_full_disk_stores_nothing(evalflow, hub):
    (env,) = evalflow.plan(file_url())
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    run = (
        "sys.argv.pop(0); sys.path[0] = os.path.dirname(sys.argv[0]); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    result = evalflow.try_fetch(env, before=("-c", f"import os, resource, runpy, sys; {limit}; {run}"))
    refused(evalflow, result, "File too large", "EVALFLOW_SCRATCH")
