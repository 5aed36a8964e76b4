"""The runners by name."""

from evalflow.errors import UserError
from evalflow.runners import anemoi, command, onnx
from evalflow.runners.base import Runner

_RUNNERS = {runner.name: runner for runner in (anemoi.RUNNER, onnx.RUNNER, command.RUNNER)}


def runner_named(name: str) -> Runner:
    """Return the runner called `name`."""
    if name not in _RUNNERS:
        raise UserError(f"runner {name!r} is not available; use one of {', '.join(_RUNNERS)}")
    return _RUNNERS[name]
