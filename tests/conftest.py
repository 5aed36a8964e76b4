"""What all tests share."""

import os
from collections.abc import Callable, Iterator

import evalflow.fields.grib.codes  # before any other import of eccodes: it and pyproj load one library
import pytest
from evalflow.config import inference
from evalflow.config import model as config
from evalflow.plan import plan as planning
from hypothesis import settings
from support import killed
from support.experiment import Experiment
from support.hostile import HostileTrial, read_if_it_ends
from support.hub_server import HubServer
from support.launches import Workspace
from support.mlflow_server import Front, Known, mlflow_server
from support.servers import Evalflow, Server

# How long an example takes says more about the machine than about the code.
settings.register_profile("evalflow", deadline=None)
settings.load_profile("evalflow")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Digests that tests compute do not go to the user's cache."""
    before = os.environ.get("EVALFLOW_CACHE")
    os.environ["EVALFLOW_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["EVALFLOW_CACHE"]
    else:
        os.environ["EVALFLOW_CACHE"] = before


@pytest.fixture(scope="session")
def new_experiment(tmp_path_factory) -> Callable[[], Experiment]:
    """Return a function that makes an experiment: for tests that need several, or one for many examples."""
    return lambda: Experiment(tmp_path_factory.mktemp("experiment"))


@pytest.fixture
def experiment(new_experiment) -> Experiment:
    return new_experiment()


@pytest.fixture
def quick(tmp_path) -> Workspace:
    """A workspace that was never launched; its environments need no packages, and all of a launch takes seconds."""
    workspace = Workspace(tmp_path)
    killed.make_quick_workspace(workspace)
    return workspace


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Workspace:
    """A quick workspace after a launch that nobody disturbed. Do not change it."""
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
    killed.make_quick_workspace(workspace)
    result = killed.launch(workspace)
    assert result.status == 0 and result.tasks.total() == killed.TASKS, result.text
    return workspace


@pytest.fixture
def umask():
    """Return a function that sets the umask for the rest of the test."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.fixture
def evalflow(tmp_path) -> Evalflow:
    """The scripts of evalflow, with an environment of their own."""
    return Evalflow(tmp_path / "evalflow")


@pytest.fixture(scope="session")
def known(tmp_path_factory) -> Iterator[Known]:
    """What a real MLflow server knows."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as state:
        yield state


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
