"""The participants of an experiment: models to run, forecasts made elsewhere, and baselines."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from evalflow.config.archives import BaselineConfig, ForecastsConfig
from evalflow.config.fields import Command, InferenceSettings, Model, Problems, RequirementText, Text, refuse
from evalflow.config.resources import InferenceResources
from evalflow.config.times import Steps, hours_of
from evalflow.requirements import TORCH_BUILD
from evalflow.texts import did_you_mean, show


def _name_of_mapping(value: Any) -> Any:
    """Say in one line how a checkpoint is named that anemoi-inference would take as a mapping."""
    if not isinstance(value, dict):
        return value
    about = value.get("huggingface")
    about = {"repo_id": about} if isinstance(about, str) else about if isinstance(about, dict) else {}
    names = [about.get("repo_id"), about.get("revision", "main"), about.get("filename", "FILE.ckpt")]
    if len(value) == 1 and all(isinstance(name, str) and name for name in names):
        allowed = "https://huggingface.co/{}/resolve/{}/{}".format(*names)
    else:
        allowed = "text: a path or a URL"
    raise ValueError(f"got {show(value)}; allowed: {allowed}")


CheckpointName = Annotated[Text, BeforeValidator(_name_of_mapping, json_schema_input_type=str)]


class RunConfig(Model):
    """What forecasters and temporal downscalers have in common."""

    # The contract of identity: a change of a field in ENV_FIELDS gives another environment, of a
    # field in HASH_EXCLUDE nothing new, of a field in neither another run in the same environment.
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

    checkpoint: CheckpointName = Field(
        description="The trained model: a local path, an MLflow run URL, an MLflow registry URL "
        "(`…#/models/NAME/versions/N`; without a version: the latest), or a Hugging Face URL of a `.ckpt` file."
    )
    label: Text | None = Field(None, description="Name shown in figures, tables and reports.")
    steps: Steps = Field(
        description="Lead times as start/end/step in hours, the end included where it is on the grid: "
        "0/120/6 ends at 120 h, 0/33/6 at 30 h. Below an hour: 0/6/0.5, or 0/6/30m."
    )
    config: InferenceSettings = Field(
        {}, description="The inference config: a mapping, or the path of a YAML file that holds one."
    )
    runner: Literal["anemoi", "onnx", "command"] = Field(
        "anemoi", description="What makes the forecast: anemoi-inference, ONNX Runtime, or a command of your own."
    )
    command: Command | None = Field(
        None,
        description="The program and its arguments, which `runner: command` needs: a list, or text that is split into "
        "words like in a shell. No shell runs it. evalflow fills in {checkpoint}, {config}, {init_time}, {lead_time}, "
        "{start}, {end}, {step}, {output} and {python}, and for a temporal_downscaler {forecaster}; {output} must be "
        "used.",
    )
    requirements: list[RequirementText] = Field(
        [],
        description="Python packages to install, with the runners onnx and command only: their checkpoints do not "
        "record what they were trained with.",
    )
    extra_requirements: list[RequirementText] = Field(
        [],
        description="Python packages to install besides those that the checkpoint records. What is said here of a "
        "package replaces what the checkpoint records of it.",
    )
    python: str | None = Field(
        None,
        pattern=r"^3\.[0-9]{1,2}(\.[0-9]{1,3})?$",
        examples=["3.11"],
        description="Python version of the environment, in quotes. Left out: the one that the checkpoint records.",
    )
    torch_backend: str = Field(
        "auto",
        pattern=rf"^(auto|{TORCH_BUILD})$",
        examples=["cpu", "cu126"],
        description="The build of PyTorch to install from PyTorch's own index: cpu, or one for a version of CUDA, of "
        "ROCm (rocm6.4), or for GPUs of Intel (xpu). auto: the build of the index that all packages come from.",
    )
    disable_local_eccodes_definitions: bool = Field(
        False, description="Use only the definitions that ecCodes comes with, not those of COSMO."
    )
    squash_venv: bool = Field(
        True,
        description="Keep the environment as one SquashFS image. false: keep it as a folder, for sites that "
        "cannot mount.",
    )
    inference_resources: InferenceResources | None = Field(
        None, description="What a forecast's job asks for. Left out: the defaults of the Nextflow profile."
    )

    @model_validator(mode="after")
    def _fields_fit_the_runner(self) -> "RunConfig":
        wrong: Problems = []
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

    def lead_times(self) -> list[int | float]:
        """Return the lead times in hours."""
        return hours_of(self.steps)


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

    @model_validator(mode="after")
    def _within_its_forecaster(self) -> "TemporalDownscalerConfig":
        if self.forecaster is None:
            return self
        mine, given = self.lead_times(), self.forecaster.lead_times()
        if mine[0] < given[0] or mine[-1] > given[-1]:
            what = f"{self.steps} leaves the steps {self.forecaster.steps} of its forecaster"
            allowed = f"lead times from {given[0]} to {given[-1]} h"
            raise refuse([(("steps",), f"{what}, which has nothing to refine there; allowed: {allowed}")])
        return self


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


KINDS = ("forecaster", "temporal_downscaler", "forecasts", "baseline")


def kinds_in(item: Any) -> list[str]:
    """Return the kinds of participant in an entry of `runs` (mapping, or item made from it)."""
    return [kind for kind in KINDS if (kind in item if isinstance(item, dict) else hasattr(item, kind))]


def _check_one_kind(item: Any) -> Any:
    kinds = kinds_in(item)
    if len(kinds) == 1:
        return item
    allowed = f"exactly one of {', '.join(KINDS)} per item"
    if kinds:
        raise ValueError(f"holds {' and '.join(kinds)}; allowed: {allowed}")
    if isinstance(item, dict):
        hint = "".join(did_you_mean(key, KINDS) for key in item)
        raise ValueError(f"holds none of these kinds{hint}; allowed: {allowed}")
    raise ValueError(f"got {show(item)}; allowed: {allowed}")


def _run_tag(item: Any) -> str:
    return f"<{kinds_in(item)[0]}>"


RunItem = Annotated[
    Annotated[ForecasterItem, Tag("<forecaster>")]
    | Annotated[TemporalDownscalerItem, Tag("<temporal_downscaler>")]
    | Annotated[ForecastsItem, Tag("<forecasts>")]
    | Annotated[BaselineItem, Tag("<baseline>")],
    Discriminator(_run_tag),
    BeforeValidator(_check_one_kind),
]
