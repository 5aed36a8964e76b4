"""What a plan holds. Every script that reads a plan validates it; docs/output.md has its tables."""

from pathlib import Path

from pydantic import Field

from evalflow.documents import Document
from evalflow.environment.spec import EnvironmentSpec
from evalflow.inference.spec import RunSpec
from evalflow.plan.options import MAKES_FORECASTS, REPORTS, SHOWS, VERIFIES
from evalflow.report.spec import ReportSpec
from evalflow.showcase.spec import ShowcaseSpec
from evalflow.store.layout import SCORES
from evalflow.verification.spec import SourceEntry, VerificationSpec


class JobResources(Document):
    """What a job asks for; what nobody says is left out, and conf/ decides."""

    gpu: int | None = Field(None, description="GPUs of a forecast.")
    tasks: int | None = Field(None, description="Slurm tasks (--ntasks).")
    cpus_per_task: int | None = Field(None, description="CPUs of a task.")
    mem_mb_per_cpu: int | None = Field(None, description="Memory per CPU in MB.")
    runtime: str | None = Field(None, description="Longest wall-clock time, as the config has it.")
    runtime_seconds: int | None = Field(None, description="The same in seconds.")
    slurm_partition: str | None = Field(None, description="Slurm partition.")
    slurm_account: str | None = Field(None, description="Slurm account.")
    lane: int | None = Field(None, description="Jobs of one lane wait for each other: the cap on GPUs.")


class EnvironmentEntry(Document):
    """An environment of the experiment."""

    env_id: str = Field(description="Name of the environment.")
    model_type: str = Field(description="forecaster or temporal_downscaler.")
    store: Path = Field(description="The store.")
    needed: bool = Field(description="Whether this launch needs it.")
    complete: bool = Field(description="Whether the store has it.")
    image_id: str | None = Field(None, description="Its image, once that is known.")
    resources: JobResources = Field(description="What the jobs that build it ask for.")
    spec: EnvironmentSpec = Field(description="What its steps work from.")


class RunEntry(Document):
    """A run of the experiment."""

    run_id: str = Field(description="Name of the run, `{env_id}/{config_hash}`.")
    env_id: str = Field(description="Its environment.")
    model_type: str = Field(description="forecaster or temporal_downscaler.")
    label: str = Field(description="Name for people.")
    candidate: bool = Field(description="False for a forecaster that only a downscaler needs.")
    store: Path = Field(description="The store.")
    forecaster: str | None = Field(None, description="run_id of the forecaster whose forecasts it refines.")
    needed: bool = Field(description="Whether this launch makes something of it.")
    resources: JobResources = Field(description="What a forecast's job asks for.")
    spec: RunSpec = Field(description="What its steps work from.")


class ForecastEntry(Document):
    """A forecast, made or not."""

    run_id: str = Field(description="Its run, or its source where it was made elsewhere.")
    init_time: str = Field(description="`YYYYmmddHHMM`, UTC.")
    complete: bool = Field(description="Whether it is there.")


class Task(Document):
    """What one task makes."""

    id: str = Field(description="Name of the task: the run, its first init time, how many more.")
    run_id: str = Field(description="The run.")
    init_times: list[str] = Field(description="`YYYYmmddHHMM`, UTC.")
    forecaster: str | None = Field(None, description="run_id of a downscaler's forecaster.")
    at_once: int = Field(1, description="Forecasts that it makes at a time.")
    resources: JobResources = Field(JobResources(), description="What its job asks for, for each forecast at a time.")


class InputEntry(Document):
    """A forecast that the store has and that a downscaler's task reads."""

    run_id: str = Field(description="The forecaster's run.")
    init_time: str = Field(description="`YYYYmmddHHMM`, UTC.")
    folder: Path = Field(description="Where it is.")


class Plan(Document):
    """What an experiment consists of, what of it is in the store, and what is left to do."""

    evalflow: str = Field(description="Version of evalflow.")
    experiment_id: str = Field(description="`{label}_{hash}`.")
    config: Path = Field(description="The experiment's YAML.")
    config_text: str = Field(description="Its text.")
    target: str = Field(description="How far the launch goes.")
    stub: bool = Field(description="Whether this is a stub run.")
    outdir: Path = Field(description="Root of all output.")
    store: Path = Field(description="The store, `{outdir}/data`.")
    project: Path = Field(description="The checkout of evalflow.")
    envs: list[EnvironmentEntry] = Field(description="Environments.")
    runs: list[RunEntry] = Field(description="Models to run, dependencies before those that need them.")
    init_times: list[str] = Field(description="`YYYYmmddHHMM`, UTC.")
    inits_at_once: int = Field(description="Forecasts that a task makes at a time.")
    forecasts: list[ForecastEntry] = Field(description="Every forecast of every run, made or not.")
    tasks: list[Task] = Field(description="What is left to do, packed.")
    inputs: list[InputEntry] = Field(description="Stored forecasts that downscalers read.")
    verification: VerificationSpec = Field(description="What is verified, against what, and how.")
    report: ReportSpec = Field(description="What the pages are drawn from, besides the tables of scores.")
    showcase: ShowcaseSpec = Field(description="What is drawn of single forecasts.")
    warnings: list[str] = Field(description="What was found damaged, missing or without meaning.")

    @property
    def external(self) -> list[SourceEntry]:
        """Forecasts that were made elsewhere, which are looked for like those of runs."""
        return [source for source in self.verification.sources if source.kind == "forecasts"]

    @property
    def labels(self) -> dict[str, str]:
        """Label of each run, and of each source whose forecasts were made elsewhere."""
        runs = {run.run_id: run.label for run in self.runs}
        return runs | {source.source_id: source.label for source in self.external}

    @property
    def makes_forecasts(self) -> bool:
        """Whether the launch is to make the forecasts that are missing."""
        return self.target in MAKES_FORECASTS

    @property
    def verifies(self) -> bool:
        """Whether the launch is to verify something."""
        return self.target in VERIFIES and bool(self.verification.truths)

    @property
    def reports(self) -> bool:
        """Whether the launch is to draw the pages: that of a showcase alone does where they exist, for the link."""
        return self.target in REPORTS or (self.shows and (self.report.results / SCORES).is_file())

    @property
    def shows(self) -> bool:
        """Whether the launch is to draw single forecasts."""
        return self.target in SHOWS and self.showcase.draws
