"""The experiment's config: what it may say, and how it is read.

The models hold canonical values: steps as `0/120/6`, times as `2024-01-01T00:00`, a command as a
list of words. Two configs that say the same in different words are therefore equal.
"""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from evalflow.config import checks
from evalflow.config.archives import BaselineConfig, ForecastsConfig, TruthConfig
from evalflow.config.experiment import ExperimentConfig
from evalflow.config.fields import Model, Name, refuse, tag_of, unique
from evalflow.config.grids import Grids
from evalflow.config.messages import describe, problems
from evalflow.config.resources import Profile
from evalflow.config.runs import KINDS, RunConfig, RunItem, kinds_in
from evalflow.config.showcase import ShowcaseConfig
from evalflow.config.sites import Ffv2Config, Locations, MecConfig
from evalflow.config.times import Dates, InitTimes, lead_times_of, parse_time
from evalflow.errors import UserError
from evalflow.texts import check_texts, show
from evalflow.yamlio import read_yaml


def _one_or_several(truth: TruthConfig | list[TruthConfig]) -> TruthConfig | list[TruthConfig]:
    if isinstance(truth, list) and not truth:
        raise ValueError("is an empty list; allowed: at least one truth, or no key truth")
    return truth[0] if isinstance(truth, list) and len(truth) == 1 else truth


Truth = Annotated[
    Annotated[TruthConfig, Tag("<mapping>")] | Annotated[list[TruthConfig], Tag("<list>")],
    Discriminator(tag_of),
    AfterValidator(_one_or_several),
]
"""A list of one is that one."""


def _flag_tag(value: object) -> str:
    # What is not `auto` is for the other branch to judge: true and false have more spellings than
    # two.
    return "<text>" if value == "auto" else "<flag>"


class ConfigModel(Model):
    """An experiment: what to run, when, what to compare it with, and what to make of it."""

    description: str = Field(description="What the experiment is about.")
    config_label: Name | None = Field(
        None, description="Name of the experiment; part of a folder name. Left out: the config's file name."
    )
    dates: Annotated[
        Annotated[Dates, Tag("<mapping>")] | Annotated[InitTimes, Tag("<list>")], Discriminator(tag_of)
    ] = Field(description="Init times: start, end and frequency, or a list of ISO-8601 times (UTC).")
    grids: Grids = Field(
        [],
        description="Coordinates and elevation of grids whose messages carry none. `--grids FILE` names more of them.",
    )
    runs: list[RunItem] = Field(
        description="The participants: models to run, forecasts made elsewhere, and baselines. Without models, nothing is "
        "built and nothing is run."
    )
    truth: Truth | None = Field(
        None, description="What forecasts are verified against: one truth, or a list. Left out: nothing is verified."
    )
    lapse_rate_correction: Annotated[
        Annotated[Literal["auto"], Tag("<text>")] | Annotated[bool, Tag("<flag>")], Discriminator(_flag_tag)
    ] = Field(
        "auto",
        description="Correct T_2M for the difference in elevation between grids, by 0.0065 K/m. auto: all sources "
        "if every elevation is known, else none. true: an unknown elevation is an error, for T_2M "
        "alone. false: never.",
    )
    experiment: ExperimentConfig = Field(
        default_factory=ExperimentConfig, description="What is verified, and the products made of the scores."
    )
    locations: Locations = Field(default_factory=Locations, description="Where things are written.")
    profile: Profile | None = Field(None, description="How evalml ran the workflow, and the resources of its jobs.")
    showcase: ShowcaseConfig = Field(default_factory=ShowcaseConfig, description="Pictures of single forecasts.")
    mec: MecConfig | None = Field(None, description="Observation files for MEC, where a site has it.")
    ffv2: Ffv2Config | None = Field(None, description="Settings of FFV2, where a site has it.")

    @field_validator("runs")
    @classmethod
    def _some_runs(cls, runs: list) -> list:
        if not runs:
            raise ValueError(f"is empty; allowed: at least one item with {', '.join(KINDS)}")
        return runs

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "ConfigModel":
        participants, truths, init_times = self.participants(), self.truths(), self.init_times()
        wrong = (
            checks.check_labels(participants, truths)
            + checks.check_references(self.experiment, participants, truths)
            + checks.check_score_maps(self.experiment, participants)
            + checks.check_regions(self.experiment, self.showcase)
            + checks.check_showcase_dates(self.showcase, init_times)
            + checks.check_patterns(participants, init_times)
            + checks.check_built_in(participants, truths, init_times)
        )
        if wrong:
            raise refuse(wrong)
        return self

    def init_times(self) -> list[datetime]:
        """Return the init times in order: UTC, without a time zone, the blacklist left out."""
        return self.dates.times() if isinstance(self.dates, Dates) else [parse_time(text) for text in self.dates]

    def participants(self) -> list[tuple[str, RunConfig | ForecastsConfig | BaselineConfig]]:
        """Return the entries of `runs` in order: pairs of kind (such as forecaster) and content."""
        return [(kind, getattr(item, kind)) for item in self.runs for kind in kinds_in(item)]

    def baselines(self) -> list[BaselineConfig]:
        """Return the baselines in the order of `runs`."""
        return [entry for _, entry in self.participants() if isinstance(entry, BaselineConfig)]

    def truths(self) -> list[TruthConfig]:
        """Return what forecasts are verified against, in order."""
        return self.truth if isinstance(self.truth, list) else [self.truth] if self.truth else []

    def lead_times(self, entry: RunConfig | ForecastsConfig | BaselineConfig) -> list[timedelta]:
        """Return the lead times of an entry of `runs`: those of all others where it says none."""
        if entry.steps is not None:
            return lead_times_of(entry.steps)
        others = [other.steps for _, other in self.participants() if other.steps is not None]
        return sorted({lead_time for steps in others for lead_time in lead_times_of(steps)})

    def references(self) -> list[int]:
        """Return the indexes in `runs` of what differences are taken to, each once.

        They are those that `references` names (by default the first baseline, else the first of the
        runs), then the baselines of scorecards.
        """
        participants = self.participants()
        labels = self.experiment.references
        baselines = [index for index, (kind, _) in enumerate(participants) if kind == "baseline"]
        found: list[int | str] = [*(baselines or [0])[:1]] if labels is None else []
        named = [*(labels or []), *(card.baseline for card in self.experiment.sections().values())]
        found += [checks.find_source(label, participants) for label in named]
        return [index for index in unique(found) if isinstance(index, int)]

    def warnings(self) -> list[str]:
        """Return a line for each possible mistake that stops nothing: key, what is wrong, cure."""
        lines = checks.doubtful_blacklist(self.dates) if isinstance(self.dates, Dates) else []
        return lines + (checks.doubtful_params(self.experiment) if self.truth else [])


@cache
def config_schema() -> dict:
    """Return the JSON schema of the config."""
    return ConfigModel.model_json_schema()


def load_config(path: Path) -> ConfigModel:
    """Read and validate the config in the YAML file `path`.

    Raises
    ------
    UserError
        With one line per problem: file, key, what is wrong, what is allowed.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        what = "is empty" if data is None else f"holds {show(data)}"
        raise UserError(f"{path}: {what}; allowed: {describe(config_schema(), config_schema())}")
    check_texts(data, path)
    try:
        return ConfigModel.model_validate(data)
    except ValidationError as error:
        raise UserError("\n".join(f"{path}: {line}" for line in problems(error, config_schema(), data))) from None
