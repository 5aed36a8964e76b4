"""A small config, and what becomes of it with other values."""

from pathlib import Path

import pytest
from evalflow.config.model import ConfigModel, load_config
from evalflow.config.runs import ForecasterConfig
from evalflow.errors import UserError
from evalflow.yamlio import dump_yaml

from support.changes import with_changes

BASE = {
    "description": "Two participants",
    "dates": ["2024-01-01T00:00"],
    "runs": [
        {"forecaster": {"checkpoint": "model.ckpt", "steps": "0/24/6"}},
        {"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6"}},
    ],
    "experiment": {"params": ["T_2M"]},
}
CARD = {"baseline": "EPS", "lead_times": "0/24/6", "stratification": "season", "variables": ["T_2M:RMSE"]}


def changed(changes: dict) -> dict:
    """Return BASE with the values at the given places (`runs.0.forecaster.steps`) replaced or deleted."""
    return with_changes(BASE, changes)


def valid(changes: dict) -> ConfigModel:
    return ConfigModel.model_validate(changed(changes))


def forecaster_config(**fields) -> ForecasterConfig:
    return ForecasterConfig.model_validate({"checkpoint": "model.ckpt", "steps": "0/24/6", **fields})


def refused(data: dict, folder: Path) -> list[str]:
    """Return the lines that `load_config` refuses the data with, without the file's name."""
    path = folder / "experiment.yaml"
    path.write_text(dump_yaml(data), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]
