"""Real launches: each test gets an experiment of its own and drives `nextflow run` on it."""

import pytest
from support.launches import Experiment, copy_experiment, make_experiment


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Experiment:
    """An experiment after its first launch. Do not change it: take `experiment`, a copy."""
    experiment = make_experiment(tmp_path_factory.mktemp("base"))
    result = experiment.launch()
    assert result.status == 0, result.text
    assert result.tasks == {
        "MAKE_PLAN": 1, "GET_CHECKPOINT": 2, "LOCK_REQUIREMENTS": 2, "BUILD_IMAGE": 1, "SEAL_ENVIRONMENT": 2,
        "PREPARE_RUN": 2, "RUN_FORECAST": 4,
    }, result.text  # fmt: skip
    return experiment


@pytest.fixture
def experiment(finished, tmp_path) -> Experiment:
    """A copy of the finished experiment, store included."""
    return copy_experiment(finished, tmp_path)


@pytest.fixture
def fresh(tmp_path) -> Experiment:
    """An experiment that was never launched."""
    return make_experiment(tmp_path)
