"""Servers that do not answer, or that nobody vouches for."""

import socket

import pytest
from support.mlflow_server import _free_port
from support.servers import KEY, check_refused


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
            check_refused(evalflow, result, KEY, server, said)
            assert result.seconds < 30


def test_a_server_without_a_certificate_is_not_trusted(evalflow, mlflow):
    """TLS to a server that has none: a handshake that fails, not a request in clear text."""
    server = mlflow.url.replace("http", "https")
    evalflow.variables = {"HF_ENDPOINT": server}
    for uri in (f"{server}/mlstore#/models/model", "https://huggingface.co/org/repo/resolve/main/a.ckpt"):
        check_refused(evalflow, evalflow.try_plan(uri), KEY, "no trusted TLS connection")
    assert not mlflow.seen
