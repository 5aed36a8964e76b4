"""A real MLflow server on this machine, with runs and a registered model."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.servers import CONTENT, OTHER, Handler, Server


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
    """What the MLflow server knows: ids of runs and of logged models by what they have."""

    upstream: str
    folder: Path
    runs: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    """Ids of logged models by what they have."""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


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
    client.set_registered_model_alias("model 1", "champion", "1")
    _fill_logged_models(known, client, experiment, log)


def _fill_logged_models(known: Known, client: Any, experiment: str, log: Callable[..., None]) -> None:
    """Log models as MLflow 3 does: beside the runs, whose outputs they are."""
    from mlflow.entities import LoggedModelOutput

    contents: dict[str, dict[str, bytes]] = {
        "one": {"data/model.ckpt": CONTENT, "MLmodel": b"flavors: {}"},
        "two": {"a.ckpt": CONTENT, "b.ckpt": OTHER},
        "none": {"MLmodel": b"flavors: {}"},
        "failed": {"a.ckpt": CONTENT},
        "registered": {"a.ckpt": OTHER},
        "deleted": {"a.ckpt": CONTENT},
    }
    for name, files in contents.items():
        log(f"logged {name}", {"plots/map.png": b"picture"})
        run = known.runs[f"logged {name}"]
        model = client.create_logged_model(experiment, name, source_run_id=run)
        folder = known.folder / "logged" / name
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "FAILED" if name == "failed" else "READY")
        client.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])
        known.models[name] = model.model_id
    client.create_registered_model("of MLflow 3")
    model_id = known.models["registered"]
    client.create_model_version(
        "of MLflow 3", f"models:/{model_id}", known.runs["logged registered"], model_id=model_id
    )
    client.delete_logged_model(known.models["deleted"])
    log("deleted", {"last.ckpt": CONTENT})
    client.delete_run(known.runs["deleted"])


def run_url(mlflow: Server, known: Known, name: str, tail: str = "") -> str:
    return f"{mlflow.url}/mlstore#/experiments/1/runs/{known.runs[name]}{tail}"


def logged_url(mlflow: Server, known: Known, name: str, tail: str = "") -> str:
    return f"{mlflow.url}/mlstore#/experiments/1/models/{known.models[name]}{tail}"


def model_url(mlflow: Server, tail: str = "") -> str:
    return f"{mlflow.url}/mlstore/#/models/model%201{tail}"


@contextmanager
def mlflow_server(folder: Path) -> Iterator[Known]:
    """Run an MLflow server with runs and a registered model of two versions, whose files are in `folder`."""
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
