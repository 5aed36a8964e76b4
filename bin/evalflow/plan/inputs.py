"""What a plan says of the inputs of runs."""

from collections.abc import Iterable

from evalflow.identity import Run

_SHOWN = 10


def describe_uncounted(runs: Iterable[Run]) -> list[str]:
    """Return one line for all inputs whose content is no part of ids, or none."""
    found: dict[str, str] = {}
    for run in runs:
        for key, names in (("config", run.inference.uncounted), ("command", run.command.uncounted)):
            for name, why in names.items():
                found.setdefault(name, f"{name} ({run.keys[0]}.{key}: {why})")
    if not found:
        return []
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return [
        f"inputs that count by name, not by content: {', '.join(list(found.values())[:_SHOWN])}{more}; where what they hold "
        "changes, give it another name, or forecasts of before are served"
    ]
