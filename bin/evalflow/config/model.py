"""The experiment's config: what it may say, and how it is read.

The models hold canonical values: steps as `0/120/6`, times as `2024-01-01T00:00`, a command as a list of words. Two
configs that say the same in different words are therefore equal.
"""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from evalflow.config.experiment import ExperimentConfig
from evalflow.config.fields import Model, Name, Time, Times, parse_steps, parse_time, refuse
from evalflow.config.messages import describe, problems
from evalflow.config.resources import Profile
from evalflow.config.runs import (
    KINDS,
    BaselineConfig,
    BaselineItem,
    ForecastsConfig,
    RunConfig,
    RunItem,
    TruthConfig,
    kinds_in,
)
from evalflow.config.showcase import ShowcaseConfig
from evalflow.config.sites import Ffv2Config, Locations, MecConfig
from evalflow.errors import UserError
from evalflow.texts import check_texts, did_you_mean, show
from evalflow.yamlio import read_yaml

# A slip in a year or in a frequency would otherwise fill the memory before anything is said.
MAX_INIT_TIMES = 1_000_000


class Dates(Model):
    """Init times at equal distances, the end included where it is one of them."""

    start: Time = Field(description="First init time, ISO-8601, UTC.")
    end: Time = Field(description="Last init time, ISO-8601, UTC.")
    frequency: str = Field(
        pattern=r"^[1-9][0-9]{0,5}[hd]$",
        examples=["6h", "1d"],
        description="Time between init times, in hours or days.",
    )
    blacklist: list[Time] = Field([], description="Init times to leave out.")

    @model_validator(mode="after")
    def _some_times(self) -> "Dates":
        start, end = parse_time(self.start), parse_time(self.end)
        if end < start:
            raise refuse([(("end",), f"is before the start {self.start}; allowed: the start or a later time")])
        if (end - start) / timedelta(hours=1) / self.hours >= MAX_INIT_TIMES:
            raise refuse([((), f"more than {MAX_INIT_TIMES} init times; allowed: a shorter period")])
        if not self.times():
            raise refuse([(("blacklist",), "leaves out every init time; allowed: at least one must stay")])
        return self

    @property
    def hours(self) -> int:
        """Hours between two init times."""
        return int(self.frequency[:-1]) * (24 if self.frequency.endswith("d") else 1)

    def times(self) -> list[datetime]:
        """Return the init times in order, the blacklist left out."""
        start, end = parse_time(self.start), parse_time(self.end)
        left_out = {parse_time(text) for text in self.blacklist}
        count = (end - start) // timedelta(hours=1) // self.hours + 1
        times = (start + timedelta(hours=self.hours * index) for index in range(count))
        return [time for time in times if time not in left_out]


def _dates_tag(value: Any) -> str | None:
    if isinstance(value, dict | Dates):
        return "<range>"
    return "<list>" if isinstance(value, list) else None


class ConfigModel(Model):
    """An experiment: what to run, when, what to compare it with, and what to make of it."""

    description: str = Field(description="What the experiment is about.")
    config_label: Name | None = Field(
        None, description="Name of the experiment; part of a folder name. Left out: the config's file name."
    )
    dates: Annotated[Annotated[Dates, Tag("<range>")] | Annotated[Times, Tag("<list>")], Discriminator(_dates_tag)] = (
        Field(description="Init times: start, end and frequency, or a list of ISO-8601 times (UTC).")
    )
    runs: list[RunItem] = Field(description="The participants: models to run, forecasts made elsewhere, and baselines.")
    truth: TruthConfig | None = Field(None, description="What forecasts are verified against. Left out: nothing is.")
    lapse_rate_correction: bool = Field(
        True, description="Correct T_2M for the difference in height between grids, by 0.0065 K/m."
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
        wrong = self._repeated_labels() + self._unknown_baselines() + self._missing_leadtimes()
        if wrong:
            raise refuse(wrong)
        return self

    def _repeated_labels(self) -> list:
        seen: set[str] = set()
        wrong = []
        for index, item in enumerate(self.runs):
            if isinstance(item, BaselineItem):
                label = item.baseline.label
                if label in seen:
                    what = f"another baseline is labelled {show(label)}; allowed: labels that differ"
                    wrong.append((("runs", index, "baseline", "label"), what))
                seen.add(label)
        return wrong

    def _unknown_baselines(self) -> list:
        cards = self.experiment.scorecards
        if not cards or not cards.enabled:
            return []
        labels = list(dict.fromkeys(baseline.label for baseline in self.baselines()))
        allowed = ", ".join(map(show, labels)) or "the label of a baseline, but runs holds no baseline"
        return [
            (
                ("experiment", "scorecards", "sections", name, "baseline"),
                f"no baseline in runs is labelled {show(card.baseline)}{did_you_mean(card.baseline, labels)}; "
                f"allowed: {allowed}",
            )
            for name, card in cards.sections.items()
            if card.baseline not in labels
        ]

    def _missing_leadtimes(self) -> list:
        maps = self.experiment.scoremaps
        if not maps or not maps.enabled:
            return []
        wrong = []
        for index, (kind, entry) in enumerate(self.participants()):
            lead_times = parse_steps(entry.steps)
            missing = [hour for hour in maps.leadtimes if hour not in lead_times]
            if missing:
                hours = ", ".join(map(str, missing))
                what = f"{hours} h not in the steps {entry.steps} of runs[{index}].{kind}; allowed: hours that all have"
                wrong.append((("experiment", "scoremaps", "leadtimes"), what))
        return wrong

    def init_times(self) -> list[datetime]:
        """Return the init times in order: UTC, without a time zone, the blacklist left out."""
        return self.dates.times() if isinstance(self.dates, Dates) else [parse_time(text) for text in self.dates]

    def participants(self) -> list[tuple[str, RunConfig | ForecastsConfig | BaselineConfig]]:
        """Return the entries of `runs` in order: (forecaster, temporal_downscaler, forecasts or baseline; what it says)."""
        return [(kind, getattr(item, kind)) for item in self.runs for kind in kinds_in(item)]

    def baselines(self) -> list[BaselineConfig]:
        """Return the baselines in the order of `runs`."""
        return [entry for kind, entry in self.participants() if kind == "baseline"]


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
