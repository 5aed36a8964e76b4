"""Experiments that are planned with hostile text."""

import os

import pytest
from evalflow.config import inference
from evalflow.config import model as config
from evalflow.plan import plan as planning
from support.hostile import HostileTrial, read_if_it_ends


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return HostileTrial(tmp_path_factory.mktemp("hostile") / "experiment")


@pytest.fixture
def given(trial, monkeypatch):
    """Return a function that gives data to a trial without writing it to a file: reading YAML takes most of the time."""
    data = {}
    monkeypatch.chdir(trial.launch)
    monkeypatch.setattr(config, "read_yaml", lambda path: data[path.name])
    monkeypatch.setattr(inference, "read_yaml", read_if_it_ends)
    monkeypatch.setattr(planning, "code_digest", lambda: "0" * 16)
    yield lambda **files: data.update({f"{name}.yaml": content for name, content in files.items()})
    monkeypatch.undo()
    assert trial.tree() == trial.before
    assert not any(os.path.lexists(path) for path in ("/tmp/pwned", os.path.expanduser("~/pwned"), "pwned"))
