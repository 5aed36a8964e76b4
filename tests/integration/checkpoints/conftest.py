"""Checkpoints on servers: a real MLflow server, and one that speaks as the Hugging Face hub does, all on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.hub_server import HubServer
from support.mlflow_server import Front, Known, _fill, _free_port, _wait_for
from support.servers import Evalflow, Server


@pytest.fixture
def evalflow(tmp_path) -> Evalflow:
    return Evalflow(tmp_path / "evalflow")


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


@pytest.fixture
def mlflow(known):
    """The MLflow server as it is reached: below a prefix, and with faults."""
    server = Server(type("Front", (Front,), {"upstream": known.upstream}))
    yield server
    server.shutdown()


@pytest.fixture
def hub(evalflow):
    server = HubServer()
    evalflow.variables["HF_ENDPOINT"] = server.url
    yield server
    server.shutdown()
