"""Configs with other values at some places."""

import copy
from typing import Any


def with_changes(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a config with other values at some places (`runs.0.forecaster.steps`); `...` deletes."""
    data = copy.deepcopy(data)
    for place, value in changes.items():
        *parents, last = [int(key) if key.isdigit() else key for key in place.split(".")]
        node: Any = data
        for key in parents:
            node = node[key] if isinstance(node, list) else node.setdefault(key, {})
        if value is ...:
            del node[last]
        else:
            node[last] = value
    return data
