"""A config with one participant of each kind, and what is said of changes of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evalflow.config.model import ConfigModel, load_config
from evalflow.errors import UserError
from evalflow.yamlio import dump_yaml
from support.changes import with_changes

BASE = {
    "description": "One participant of each kind",
    "dates": ["2024-01-01T00:00"],
    "runs": [
        {"forecaster": {"checkpoint": "model.ckpt", "steps": "0/24/6", "label": "model"}},
        {"forecasts": {"label": "AI", "root": "/data/ai", "pattern": "%Y%m%d%H/*.grib", "steps": "0/24/6"}},
        {"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6"}},
    ],
    "truth": {"label": "analyses", "root": "/archive/analyses.zarr"},
}


def changed(changes: dict[str, Any]) -> dict:
    """Return BASE with other values at some places (`runs.0.forecaster.steps`); `...` deletes."""
    return with_changes(BASE, changes)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[dict[str, Any]], ConfigModel]:
    """Return a function that reads the config with other values at some places."""

    def read_changed(changes: dict[str, Any]) -> ConfigModel:
        path = tmp_path / "experiment.yaml"
        path.write_text(dump_yaml(changed(changes)), encoding="utf-8")
        return load_config(path)

    return read_changed


@pytest.fixture
def refusals(read, tmp_path) -> Callable[[dict[str, Any]], list[str]]:
    """Return a function that returns the lines with which such a config is refused, without the file's name."""

    def refused(changes: dict[str, Any]) -> list[str]:
        with pytest.raises(UserError) as caught:
            read(changes)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{tmp_path / 'experiment.yaml'}: ") and "; allowed: " in line for line in lines)
        return [line.removeprefix(f"{tmp_path / 'experiment.yaml'}: ") for line in lines]

    return refused
