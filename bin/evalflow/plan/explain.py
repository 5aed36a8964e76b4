"""Why two ids differ: which fields of what was hashed are not the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalflow.errors import UserError
from evalflow.plan.model import Plan
from evalflow.store.files import read_json
from evalflow.store.layout import ENVIRONMENT_SEAL, RUN_FILE


def _leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list) and any(isinstance(item, dict | list) for item in data):
        for index, value in enumerate(data):
            yield from _leaves(value, f"{path}[{index}]")
    else:
        yield path, data


def differences(one: dict, other: dict) -> list[tuple[str, Any, Any]]:
    """Return (field, value in one, value in other) where two identities differ; None for none."""
    left, right = dict(_leaves(one)), dict(_leaves(other))
    fields = sorted(left.keys() | right.keys())
    return [(name, left.get(name), right.get(name)) for name in fields if left.get(name) != right.get(name)]


def read_identity(path: Path) -> tuple[str, dict]:
    """Return id and identity of a stored environment or run, from its folder or its JSON file.

    Raises
    ------
    UserError
        Where there is none.
    """
    candidates = [path / RUN_FILE, path / ENVIRONMENT_SEAL] if path.is_dir() else [path]
    for candidate in candidates:
        document = read_json(candidate)
        if document and "identity" in document:
            return document.get("run_id") or document["env_id"], document["identity"]
    raise UserError(f"{path}: neither the folder of an environment or a run nor its env.json or run.json")


def _nearest(identity: dict, known: list[tuple[str, dict]]) -> tuple[str, list] | None:
    compared = [(name, differences(other, identity)) for name, other in known]
    return min(compared, key=lambda pair: len(pair[1]), default=None)


def explain_new(plan: Plan) -> list[tuple[str, str | None, list]]:
    """Return (id, nearest stored id, differences) for what a plan has and the store lacks."""
    data = plan.store
    stored_envs = [
        read_identity(path) for path in sorted(data.glob(f"runs/*/{ENVIRONMENT_SEAL}")) if ".bad-" not in str(path)
    ]
    stored_runs = [read_identity(path) for path in sorted(data.glob(f"runs/*/*/{RUN_FILE}"))]
    found = []
    for entries, known, name in ((plan.envs, stored_envs, "env_id"), (plan.runs, stored_runs, "run_id")):
        for entry in entries:
            new = getattr(entry, name)
            if new not in dict(known):
                nearest = _nearest(entry.spec.identity, known)
                found.append((new, *(nearest or (None, []))))
    return found


def describe(one: str, other: str, found: list[tuple[str, Any, Any]]) -> str:
    """Return the differences of two ids as text for people."""
    lines = [f"{one}", f"{other}"]
    for name, left, right in found:
        lines.append(f"  {name}: {_show(left)} → {_show(right)}")
        if name == "env" and "/" in one:
            lines[-1] += "  (their environments differ: explain those)"
    if not found:
        lines.append("  no difference")
    return "\n".join(lines)


def _show(value: Any) -> str:
    text = "(not set)" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:24]}…{text[-24:]}"
