"""The plan's part of the manual, made from the descriptions of the models' fields."""

import re
from typing import get_args

from evalflow.documents import Document
from evalflow.environment.spec import EnvironmentSpec
from evalflow.inference.spec import Resources, RunSpec
from evalflow.plan.model import (
    EnvironmentEntry,
    ForecastEntry,
    InputEntry,
    JobResources,
    Plan,
    RunEntry,
    Task,
)
from evalflow.report.spec import ReportSource, ReportSpec, ReportTruth, SectionSpec
from evalflow.runners.base import Asked
from evalflow.showcase.spec import DomainEntry, ShowcaseSpec, ShownTime, StationEntry
from evalflow.verification.spec import (
    CaseEntry,
    ComparingSpec,
    GridFileEntry,
    ReferenceSpec,
    RegionEntry,
    SignificanceSpec,
    SourceEntry,
    TruthEntry,
    VerificationSpec,
)

_MODELS = (
    Plan, EnvironmentEntry, EnvironmentSpec, Asked, RunEntry, RunSpec, Resources, ForecastEntry, Task,
    JobResources, InputEntry, VerificationSpec, SourceEntry, ReferenceSpec, TruthEntry, GridFileEntry, RegionEntry, CaseEntry,
    ComparingSpec, SignificanceSpec, ReportSpec, ReportSource, ReportTruth, SectionSpec,
    ShowcaseSpec, ShownTime, DomainEntry, StationEntry,
)  # fmt: skip


def _model_in(annotation: object) -> type[Document] | None:
    """Return the model that a field holds: itself, one or none, or a list of it."""
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def plan_docs() -> str:
    """Return a table of every model of the plan, in Markdown."""
    lines = []
    for model in _MODELS:
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
