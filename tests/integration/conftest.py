"""Real launches: each test gets a workspace of its own and drives `nextflow run` on it."""

import pytest
from support.launches import Workspace, copy_workspace, make_workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workspace:
    """A workspace after its first launch. Do not change it: take `workspace`, a copy."""
    workspace = make_workspace(tmp_path_factory.mktemp("base") / 'it\'s a "test" $(touch pwned) ;& {x}')
    result = workspace.launch()
    assert result.status == 0, result.text
    assert result.tasks == {
        "MAKE_PLAN": 1, "GET_CHECKPOINT": 2, "LOCK_REQUIREMENTS": 2, "BUILD_IMAGE": 1, "SEAL_ENVIRONMENT": 2,
        "PREPARE_RUN": 2, "RUN_FORECAST": 4,
    }, result.text  # fmt: skip
    return workspace


@pytest.fixture
def workspace(finished, tmp_path) -> Workspace:
    """A copy of the finished workspace, store included."""
    return copy_workspace(finished, tmp_path)


@pytest.fixture
def fresh(tmp_path) -> Workspace:
    """A workspace that was never launched."""
    return make_workspace(tmp_path)
