"""The plan's part of the manual, made from the descriptions of the models' fields."""

import re
from collections.abc import Iterator
from typing import get_args

from evalflow.documents import Document
from evalflow.plan.model import Plan


def _model_in(annotation: object) -> type[Document] | None:
    """Return the model that a field holds: itself, one or none, or a list of it."""
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _models(model: type[Document]) -> Iterator[type[Document]]:
    """Yield a model and those that its fields hold, in their order; one that several hold comes several times."""
    yield model
    for field in model.model_fields.values():
        if below := _model_in(field.annotation):
            yield from _models(below)


def plan_docs() -> str:
    """Return a table of every model of the plan, in Markdown."""
    lines = []
    for model in dict.fromkeys(_models(Plan)):
        lines += [
            f"### {model.__name__}",
            "",
            re.sub(r"\s+", " ", model.__doc__ or ""),
            "",
            "| key | what |",
            "|---|---|",
        ]
        for name, field in model.model_fields.items():
            below = _model_in(field.annotation)
            link = f" See [{below.__name__}](#{below.__name__.lower()})." if below else ""
            lines.append(f"| `{name}` | {field.description}{link} |")
        lines.append("")
    return "\n".join(lines).rstrip()
