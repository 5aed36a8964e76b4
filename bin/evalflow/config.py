"""The experiment's config: what it may say, and how it is read.

The models hold canonical values: steps as `0/120/6`, times as `2024-01-01T00:00`, a command as a list of words. Two
configs that say the same in different words are therefore equal.
"""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from evalflow.config_errors import check_texts, describe, problems
from evalflow.config_fields import (
    Command,
    InferenceSettings,
    Member,
    Model,
    Name,
    RequirementText,
    Steps,
    Text,
    Time,
    Times,
    did_you_mean,
    parse_runtime,
    parse_steps,
    parse_time,
    refuse,
    show,
)
from evalflow.config_products import (
    AnimationsConfig,
    Dashboard,
    DefaultResources,
    DomainConfig,
    ExperimentConfig,
    ExperimentScorecardConfig,
    Ffv2Config,
    GlobalResources,
    InferenceResources,
    Locations,
    MecConfig,
    MeteogramConfig,
    Profile,
    ScorecardConfig,
    ScoreMapsConfig,
    ShowcaseConfig,
    Stratification,
)
from evalflow.errors import UserError
from evalflow.yamlio import read_yaml

__all__ = [
    "AnimationsConfig",
    "BaselineConfig",
    "ConfigModel",
    "Dashboard",
    "Dates",
    "DefaultResources",
    "DomainConfig",
    "ExperimentConfig",
    "ExperimentScorecardConfig",
    "Ffv2Config",
    "ForecasterConfig",
    "ForecastsConfig",
    "GlobalResources",
    "InferenceResources",
    "Locations",
    "MecConfig",
    "MeteogramConfig",
    "Profile",
    "RunConfig",
    "ScoreMapsConfig",
    "ScorecardConfig",
    "ShowcaseConfig",
    "Stratification",
    "TemporalDownscalerConfig",
    "TruthConfig",
    "config_schema",
    "load_config",
    "parse_runtime",
    "parse_steps",
    "parse_time",
]

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


class RunConfig(Model):
    """What forecasters and temporal downscalers have in common."""

    # The contract of identity: a change of a field in ENV_FIELDS gives another environment, of a field in HASH_EXCLUDE
    # nothing new, of a field in neither another run in the same environment.
    ENV_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {
            "checkpoint",
            "runner",
            "requirements",
            "extra_requirements",
            "python",
            "torch_backend",
            "disable_local_eccodes_definitions",
        }
    )
    HASH_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"label", "inference_resources", "squash_venv"})

    checkpoint: Text = Field(
        description="The trained model: a local path, an MLflow run URL, an MLflow registry URL "
        "(`…#/models/NAME/versions/N`; without a version: the latest), or a Hugging Face URL of a `.ckpt` file."
    )
    label: Text | None = Field(None, description="Name shown in figures, tables and reports.")
    steps: Steps = Field(
        description="Lead times as start/end/step in hours, the end included where it is on the grid: "
        "0/120/6 ends at 120 h, 0/33/6 at 30 h."
    )
    config: InferenceSettings = Field(
        {}, description="The inference config: a mapping, or the path of a YAML file that holds one."
    )
    runner: Literal["anemoi", "onnx", "command"] = Field(
        "anemoi", description="What makes the forecast: anemoi-inference, ONNX Runtime, or a command of your own."
    )
    command: Command | None = Field(
        None,
        description="Only with `runner: command`, and needed there: the program and its arguments, as a list or as "
        "text that is split into words like in a shell. No shell runs it. {checkpoint}, {config}, {init_time}, "
        "{lead_time}, {start}, {end}, {step}, {output} and {python} are filled in; {output} must be used.",
    )
    requirements: list[RequirementText] = Field(
        [],
        description="Only with the runners onnx and command, whose checkpoints do not record what they were trained "
        "with: the Python packages to install.",
    )
    extra_requirements: list[RequirementText] = Field(
        [],
        description="Python packages to install besides those that the checkpoint records, or in place of them: what "
        "is said here of a package wins.",
    )
    python: str | None = Field(
        None,
        pattern=r"^3\.[0-9]{1,2}(\.[0-9]{1,3})?$",
        examples=["3.11"],
        description="Python version of the environment, in quotes. Left out: the one that the checkpoint records.",
    )
    torch_backend: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cu[0-9]{2,3})$",
        examples=["cpu", "cu126"],
        description="The build of PyTorch to install: cpu, or one for a version of CUDA, from PyTorch's own index. auto: the "
        "one of the index that all packages come from.",
    )
    disable_local_eccodes_definitions: bool = Field(
        False, description="Do not use the COSMO definitions of ecCodes, only those that ecCodes comes with."
    )
    squash_venv: bool = Field(
        True, description="Keep the environment as one squashfs image. false: as a folder, for sites that cannot mount."
    )
    inference_resources: InferenceResources | None = Field(
        None, description="What a forecast's job asks for. Left out: the defaults of the Nextflow profile."
    )

    @model_validator(mode="after")
    def _fields_fit_the_runner(self) -> "RunConfig":
        wrong = []
        if self.runner == "command" and self.command is None:
            wrong.append((("command",), "missing: runner is command; allowed: the program and its arguments"))
        if self.runner != "command" and self.command is not None:
            wrong.append((("command",), f"has no meaning with runner {self.runner}; allowed: with runner command only"))
        if self.runner == "anemoi" and self.requirements:
            what = "runner anemoi takes them from the checkpoint; allowed: extra_requirements, to change them"
            wrong.append((("requirements",), what))
        if wrong:
            raise refuse(wrong)
        return self

    def lead_times(self) -> list[int]:
        """Return the lead times in hours."""
        return list(parse_steps(self.steps))


class ForecasterConfig(RunConfig):
    """A model that makes a forecast from initial conditions."""

    @model_validator(mode="after")
    def _no_forecaster(self) -> "ForecasterConfig":
        if any("{forecaster}" in word for word in self.command or []):
            raise refuse(
                [(("command",), "{forecaster} stands for a downscaler's input; allowed: in temporal_downscaler")]
            )
        return self


class TemporalDownscalerConfig(RunConfig):
    """A model that fills in lead times between those of a forecaster, or between analyses."""

    forecaster: ForecasterConfig | None = Field(
        None, description="The forecaster whose output is refined. Left out: analyses are refined."
    )


class ForecastsConfig(Model):
    """Forecasts that were made elsewhere, evaluated like those of a run."""

    HASH_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"label"})

    label: Text = Field(description="Name shown in figures, tables and reports.")
    root: Text = Field(description="Folder that holds the forecasts: GRIB or NetCDF files, or Zarr stores.")
    pattern: Text = Field(
        examples=["%Y%m%d%H/*.grib"],
        description="Path of the files of one forecast, below root. strftime directives such as %Y%m%d%H stand for the "
        "init time, * for anything.",
    )
    steps: Steps = Field(description="Lead times to use, as start/end/step in hours, the end included.")

    @field_validator("pattern")
    @classmethod
    def _tells_init_times_apart(cls, pattern: str) -> str:
        times = (
            datetime(2001, 1, 1),
            datetime(2002, 1, 1),
            datetime(2001, 2, 1),
            datetime(2001, 1, 2),
            datetime(2001, 1, 1, 12),
        )
        paths = [time.strftime(pattern) for time in times]
        # As written, and as used: some directives stand for nothing, so that .%Z. would be two dots.
        if any(path.startswith("/") or ".." in path.split("/") for path in (pattern, *paths)):
            raise ValueError(f"{show(pattern)} leaves root; allowed: a path below it")
        if len(set(paths)) < len(paths):
            raise ValueError(
                f"{show(pattern)} is the same for different init times; allowed: year to hour, such as %Y%m%d%H"
            )
        return pattern

    def lead_times(self) -> list[int]:
        """Return the lead times in hours."""
        return list(parse_steps(self.steps))


class BaselineConfig(Model):
    """A forecast made elsewhere, that the runs are compared with."""

    HASH_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"label"})

    label: Text = Field(description="Name shown in figures, tables and reports. Scorecards refer to it.")
    root: Text = Field(description="Folder of the baseline's data.")
    steps: Steps = Field(description="Lead times to use, as start/end/step in hours, the end included.")
    member: Member = Field(
        "000",
        description="Ensemble member: 000 or control, any other as three digits, mean (of all members), or median (the "
        "one computed beforehand). Sums over hours of hourly medians are too small: with median, let the data "
        "hold the sums.",
    )

    def lead_times(self) -> list[int]:
        """Return the lead times in hours."""
        return list(parse_steps(self.steps))


class TruthConfig(Model):
    """What forecasts are verified against."""

    HASH_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"label"})

    label: Text = Field(description="Name shown in figures, tables and reports.")
    root: Text = Field(
        description="A Zarr store of analyses, or a source of station observations such as jretrievedwh:1,2."
    )


class ForecasterItem(Model):
    """An entry of `runs` that is a forecaster."""

    forecaster: ForecasterConfig = Field(description="A model that makes a forecast from initial conditions.")


class TemporalDownscalerItem(Model):
    """An entry of `runs` that is a temporal downscaler."""

    temporal_downscaler: TemporalDownscalerConfig = Field(description="A model that fills in lead times.")


class ForecastsItem(Model):
    """An entry of `runs` whose forecasts were made elsewhere."""

    forecasts: ForecastsConfig = Field(description="Forecasts that were made elsewhere.")


class BaselineItem(Model):
    """An entry of `runs` that is a baseline."""

    baseline: BaselineConfig = Field(description="A forecast made elsewhere.")


# The models below differ by a key or a type that is there. Choosing by it keeps each error where the user wrote the
# mistake: trying all of them would report what every one of them dislikes. Tags stand in <> so that `problems` can tell
# them from keys.
_KINDS = ("forecaster", "temporal_downscaler", "forecasts", "baseline")


def _kinds_in(item: Any) -> list[str]:
    return [kind for kind in _KINDS if (kind in item if isinstance(item, dict) else hasattr(item, kind))]


def _check_one_kind(item: Any) -> Any:
    kinds = _kinds_in(item)
    if len(kinds) == 1:
        return item
    allowed = f"exactly one of {', '.join(_KINDS)} per item"
    if kinds:
        raise ValueError(f"holds {' and '.join(kinds)}; allowed: {allowed}")
    if isinstance(item, dict):
        hint = "".join(did_you_mean(key, _KINDS) for key in item)
        raise ValueError(f"holds none of these kinds{hint}; allowed: {allowed}")
    raise ValueError(f"got {show(item)}; allowed: {allowed}")


def _run_tag(item: Any) -> str:
    return f"<{_kinds_in(item)[0]}>"


def _dates_tag(value: Any) -> str | None:
    if isinstance(value, dict | Dates):
        return "<range>"
    return "<list>" if isinstance(value, list) else None


RunItem = Annotated[
    Annotated[ForecasterItem, Tag("<forecaster>")]
    | Annotated[TemporalDownscalerItem, Tag("<temporal_downscaler>")]
    | Annotated[ForecastsItem, Tag("<forecasts>")]
    | Annotated[BaselineItem, Tag("<baseline>")],
    Discriminator(_run_tag),
    BeforeValidator(_check_one_kind),
]


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
            raise ValueError(f"is empty; allowed: at least one item with {', '.join(_KINDS)}")
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
        return [(kind, getattr(item, kind)) for item in self.runs for kind in _kinds_in(item)]

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
