"""Runs whose model is a shell script of the test's, with a scratch folder of the test's own."""

import pytest
from support.shell_model import Model


@pytest.fixture(autouse=True)
def scratch(monkeypatch, tmp_path):
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture
def model(tmp_path) -> Model:
    return Model(tmp_path)
