"""What all tests share."""

import os
from collections.abc import Callable

import evalflow.fields.grib.codes  # noqa: F401 - before any other import of eccodes: it and pyproj load one library
import pytest
from hypothesis import settings
from support.experiment import Experiment

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
