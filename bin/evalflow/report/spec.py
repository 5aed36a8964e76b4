"""What the plan says of the report: all that its pages need besides the tables of scores."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from evalflow.documents import Document
from evalflow.drawing.names import DomainEntry


class ReportSource(Document):
    """A source as the pages show it."""

    source_id: str = Field(description="As in the tables.")
    label: str = Field(description="Name for people.")
    kind: Literal["run", "forecasts", "baseline"] = Field(description="run, forecasts (made elsewhere) or baseline.")
    origin: str = Field(
        description="Checkpoint of a run, folder or store of forecasts, or the baseline that is built in."
    )
    env_id: str | None = Field(None, description="Environment of a run.")
    runner: str | None = Field(None, description="Runner of a run.")
    checkpoint: str | None = Field(None, description="SHA-256 of a run's checkpoint.")
    lead_times: list[float] = Field(description="Hours.")
    absent: list[str] = Field(
        [], description="Of forecasts made elsewhere, the init times without files when the launch was planned."
    )


class ReportTruth(Document):
    """A truth as the pages show it."""

    label: str = Field(description="Name for people.")
    origin: str = Field(description="Where it is read from.")
    license: str | None = Field(None, description="Licence or source of the data.")


class ReportCase(Document):
    """An event that is scored on its own."""

    name: str = Field(description="As in the tables.")
    start: str = Field(description="First valid time, ISO-8601, UTC.")
    end: str = Field(description="Last valid time, ISO-8601, UTC.")
    region: str = Field(description="Where, in words.")


class SectionSpec(Document):
    """A scorecard: every source against one baseline."""

    name: str = Field(description="Title.")
    baseline: str = Field(description="source_id of what the others are compared with.")
    lead_times: list[float] = Field([], description="Hours; empty: chosen from those that all sources have.")
    stratification: str = Field("region", description="What the columns stand for.")
    variables: list[str] = Field([], description="Rows, as PARAM:METRIC,METRIC; empty: RMSE of the core params.")
    truth: str | None = Field(None, description="Label of the truth; left out: the first.")


class ReportSpec(Document):
    """The report of an experiment."""

    evalflow: str = Field(description="Version of evalflow.")
    experiment_id: str = Field(description="`{label}_{hash}`.")
    question: str = Field("", description="What the config says in its description.")
    config: Path = Field(description="The experiment's YAML.")
    config_text: str = Field(description="Its text.")
    store: Path = Field(description="The store, `{outdir}/data`.")
    results: Path = Field(description="Folder of the experiment's results.")
    init_times: list[str] = Field(description="`YYYYmmddHHMM`, UTC.")
    sources: list[ReportSource] = Field(description="What is scored, in the order of the config.")
    truths: list[ReportTruth] = Field(description="What it is verified against.")
    params: list[str] = Field(description="Params to verify.")
    references: list[str] = Field(description="source_id of what differences are taken to, the first one first.")
    sections: list[SectionSpec] = Field(
        description="Scorecards that the config asks for, or one where it asks for none."
    )
    cases: list[ReportCase] = Field([], description="Events that are scored on their own.")
    plots: list[Literal["png", "svg"]] = Field([], description="Formats of the plots; none: there are none.")
    map_domains: list[DomainEntry] = Field([], description="Domains of the score maps; none: there are no maps.")
    level: float = Field(description="Chance of a false alarm of one comparison.")
    false_discovery_rate: float = Field(description="Part of the marked differences that may be chance.")
    min_days: int = Field(description="Days from which there are intervals.")
    verifies: bool = Field(
        False, description="Whether this launch verifies. Else what the last summary says of missing data still holds."
    )

    showcase: bool = Field(False, description="Whether there is a page with single forecasts, `showcase.html`.")

    def label_of(self, source_id: str) -> str:
        """Return the label of a source, or its id where the config does not name it any more."""
        return next((source.label for source in self.sources if source.source_id == source_id), source_id)


class Lacking(Document):
    """What verification did not find of a source at an init time, or could not use."""

    source_id: str = Field(description="The source.")
    init_time: str = Field(description="`YYYYmmddHHMM`, UTC.")
    reason: str = Field(description="Why, in words.")


class Reported(Document):
    """What came of the report, as the summary reads it."""

    index: str | None = Field(None, description="Path of the page to open; none where it could not be written.")
    pages: list[str] = Field(description="Names of all pages, in the same folder.")
    drawn: bool = Field(description="Whether they were drawn now; else they were there.")
    problems: list[str] = Field([], description="What the config asks for and what could not be drawn, a line each.")
