"""The sections of the config besides runs and dates: scores, pictures, external verification, resources."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from evalflow.config_fields import (
    Count,
    Folder,
    InitHour,
    Model,
    Name,
    Names,
    Natural,
    Number,
    Runtime,
    Steps,
    Text,
    Variable,
    refuse,
    show,
    unique,
)

Dimension = Literal["season", "region", "init_hour"]
Operator = Literal["gt", "ge", "lt", "le", "eq", "ne"]
DomainName = Literal["globe", "europe", "centraleurope", "icon-ch", "alps", "radar", "switzerland"]
Projection = Literal["platecarree", "orthographic", "rotatedlatlon", "azimuthalequidist"]


class Stratification(Model):
    """The regions for which scores are computed, besides the whole domain."""

    regions: Names = Field([], description="Names of the regions: one shapefile each. Empty: the whole domain only.")
    root: Text | None = Field(None, description="Folder that holds the shapefiles. Required where regions are named.")

    @model_validator(mode="after")
    def _root_of_regions(self) -> "Stratification":
        if self.regions and self.root is None:
            raise refuse([(("root",), "missing: regions are named; allowed: the folder that holds their shapefiles")])
        return self


class Dashboard(Model):
    """The interactive page of all scores."""

    stratification: Annotated[list[Dimension], AfterValidator(unique)] = Field(
        ["season"], description="The filters that the dashboard offers: any of season, region and init_hour."
    )


class ScorecardConfig(Model):
    """One scorecard: every run against one baseline."""

    baseline: Text = Field(description="Label of the baseline, among the `runs`, that the runs are compared with.")
    lead_times: Steps = Field(description="Lead times shown, as start/end/step in hours, the end included.")
    stratification: Dimension = Field(description="What the columns of the scorecard stand for.")
    variables: list[Variable] = Field(
        description="The rows, as PARAM:METRIC,METRIC. Without metrics: all of the param. "
        "An empty list: RMSE of the core surface params."
    )


class ExperimentScorecardConfig(Model):
    """Relative differences to a baseline, one table per section."""

    enabled: bool = Field(True, description="Whether scorecards are made.")
    sections: dict[Name, ScorecardConfig] = Field({}, description="The scorecards by name, such as short_range.")


class ScoreMapsConfig(Model):
    """Maps of scores per grid point."""

    enabled: bool = Field(False, description="Whether score maps are made. They cost much time and memory.")
    params: Names = Field(
        ["T_2M"], description="Params to map. TOT_PREC1, TOT_PREC6 and TOT_PREC24 are sums over that many hours."
    )
    leadtimes: Annotated[list[Natural], AfterValidator(unique)] = Field(
        [6, 24], description="Lead times to map, in hours. Every run and baseline must have them."
    )
    scores: Annotated[list[Literal["BIAS", "RMSE", "MAE", "STDE"]], AfterValidator(unique)] = Field(
        ["BIAS"], description="Scores to map."
    )
    regions: Annotated[list[DomainName], AfterValidator(unique)] = Field(
        ["switzerland"], description="The parts of the globe to draw."
    )
    seasons: Annotated[list[Literal["all", "DJF", "MAM", "JJA", "SON"]], AfterValidator(unique)] = Field(
        ["all"], description="Seasons to map; `all` is the whole year."
    )
    init_hours: Annotated[list[InitHour], AfterValidator(unique)] = Field(
        ["all"], description="Hours of initialisation to map, as two digits; `all` takes them together."
    )


class ExperimentConfig(Model):
    """What is verified, and the products made of the scores."""

    stratification: Stratification = Field(
        default_factory=Stratification, description="Regions for which scores are computed."
    )
    params: Names = Field(
        ["T_2M", "TD_2M", "SP_10M", "PS", "PMSL", "TOT_PREC6"],
        description="Params to verify. SP_10M (wind speed) and TOT_PREC<N> (sums over N hours) are derived.",
    )
    thresholds: dict[Name, dict[Operator, list[Number]]] = Field(
        {},
        description="Events for the categorical scores: param, then operator, then values in the param's unit.",
        examples=[{"T_2M": {"lt": [273.15]}}],
    )
    dashboard: Dashboard = Field(default_factory=Dashboard, description="The interactive page of all scores.")
    scorecards: ExperimentScorecardConfig | None = Field(
        None, description="Relative differences to a baseline. Left out: none."
    )
    scoremaps: ScoreMapsConfig | None = Field(None, description="Maps of scores per grid point. Left out: none.")


class MeteogramConfig(Model):
    """Time series of forecasts and truth at stations."""

    enabled: bool = Field(True, description="Whether meteograms are made.")
    stations: Names = Field(["GVE", "KLO", "LUG"], description="Ids of the stations.")


class DomainConfig(Model):
    """A part of the globe to draw, where the ones known by name do not do."""

    name: Name = Field(description="Name of the domain, used in file names.")
    extent: Annotated[list[Number], Field(min_length=4, max_length=4)] | None = Field(
        None, description="[lon_min, lon_max, lat_min, lat_max] in degrees. Left out: the whole globe."
    )
    projection: Projection = Field("orthographic", description="Map projection.")

    @model_validator(mode="after")
    def _extent_is_an_area(self) -> "DomainConfig":
        if self.extent:
            west, east, south, north = self.extent
            if not (-180 <= west < east <= 360 and -90 <= south < north <= 90):
                what = "is not an area; allowed: [lon_min, lon_max, lat_min, lat_max] in degrees, each min < max"
                raise refuse([(("extent",), what)])
        return self


def _domain_kind(value: Any) -> str | None:
    if isinstance(value, dict | DomainConfig):
        return "<mapping>"
    return "<name>" if isinstance(value, str) else None


Domain = Annotated[
    Annotated[DomainName, Tag("<name>")] | Annotated[DomainConfig, Tag("<mapping>")], Discriminator(_domain_kind)
]


class AnimationsConfig(Model):
    """Forecasts as moving pictures."""

    enabled: bool = Field(True, description="Whether animations are made, one per param and domain.")
    domains: list[Domain] = Field(
        ["globe", "europe", "switzerland"], description="The parts of the globe to draw: names or definitions."
    )
    frames_per_second: Number = Field(2.0, gt=0, description="Lead times shown per second.")

    @model_validator(mode="after")
    def _one_domain_per_name(self) -> "AnimationsConfig":
        names = [domain if isinstance(domain, str) else domain.name for domain in self.domains]
        repeated = [index for index, name in enumerate(names) if name in names[:index]]
        if repeated:
            what = "another domain has this name; allowed: names that differ"
            raise refuse([(("domains", index), what) for index in repeated])
        return self


class ShowcaseConfig(Model):
    """Pictures of single forecasts."""

    params: Names = Field(["T_2M", "SP_10M"], description="Params to draw.")
    meteograms: MeteogramConfig = Field(default_factory=MeteogramConfig, description="Time series at stations.")
    animations: AnimationsConfig = Field(default_factory=AnimationsConfig, description="Moving pictures.")


class MecConfig(Model):
    """Observation files for MEC, where a site has it."""

    ekf_root: Text = Field(description="Folder of the EKF files, {ekf_root}/{YYYYMM}/ekfSYNOP_{init}00.nc.")
    mon_synop_root: Text = Field(
        description="Folder of the monitoring files, {mon_synop_root}/{YYYYMMDDH}/monSYNOP.nc."
    )
    ver_synop_root: Text = Field(
        description="Folder of the reference verification files, {ver_synop_root}/verSYNOP_{init}00.nc."
    )


def _member_text(value: Any) -> Any:
    # An unquoted -1 is a number to YAML.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Ffv2Config(Model):
    """Settings of FFV2, where a site has it. Lists inside text are separated by commas."""

    experiment_ids: Text = Field(description="Experiment ids, separated by commas.")
    veri_ens_member: Annotated[Text, BeforeValidator(_member_text, json_schema_input_type=str | int)] = Field(
        description="Ensemble member per experiment id, separated by commas; -1 for a deterministic run."
    )
    catthresholds: dict[Text, list[Number]] = Field(description="Thresholds of the categorical scores per variable.")
    pecthresholds: dict[Text, Annotated[dict[Literal["lower", "upper"], Number], Field(min_length=1)]] = Field(
        description="Bounds of the percentage of correct forecasts per variable."
    )
    experiment_description: Text = Field(description="Short description, written into the output files.")
    file_description: Text = Field(description="Part of the output files' names.")
    domain_table: Text = Field(description="Path of the table of domains (polygons).")
    blacklists: Text = Field(description="Folder of the station blacklists.")


def _check_slurm_name(name: str) -> str:
    # It becomes a word of a job script's head, where a blank would begin another option.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.,@:+-]*", name):
        raise ValueError(f"got {show(name)}; allowed: a name as Slurm has them: letters, digits and _ . , @ : + -")
    return name


SlurmName = Annotated[str, AfterValidator(_check_slurm_name)]


def _also_gpus(schema: dict) -> None:
    schema["properties"]["gpus"] = {**schema["properties"]["gpu"], "description": "Another name of gpu."}


class InferenceResources(Model):
    """What a forecast's job asks for. It changes no identity and no result."""

    model_config = ConfigDict(json_schema_extra=_also_gpus)

    slurm_partition: SlurmName | None = Field(None, description="Slurm partition, e.g. short-shared.")
    cpus_per_task: Count | None = Field(None, description="CPUs per task.")
    mem_mb_per_cpu: Count | None = Field(None, description="Memory per CPU in MB.")
    runtime: Runtime | None = Field(
        None, description="Longest wall-clock time of the job; a plain number counts minutes."
    )
    gpu: Natural | None = Field(None, validation_alias=AliasChoices("gpu", "gpus"), description="GPUs of the job.")
    tasks: Count | None = Field(None, description="Slurm tasks of the job (--ntasks).")

    @model_validator(mode="before")
    @classmethod
    def _one_name_for_gpu(cls, data: Any) -> Any:
        if isinstance(data, dict) and "gpu" in data and "gpus" in data:
            raise refuse([(("gpus",), "means the same as gpu, which is given too; allowed: one of them")])
        return data


class DefaultResources(Model):
    """What a job asks for where nothing else is said."""

    slurm_partition: SlurmName = Field(description="Slurm partition.")
    cpus_per_task: Count = Field(description="CPUs per task.")
    mem_mb_per_cpu: Count = Field(description="Memory per CPU in MB.")
    runtime: Runtime = Field(description="Longest wall-clock time of a job; a plain number counts minutes.")
    slurm_account: SlurmName | None = Field(None, description="Slurm account that is charged.")
    gpus: Natural | None = Field(None, description="GPUs per job.")


class GlobalResources(Model):
    """What all jobs together may use."""

    gpus: Count = Field(description="GPUs in use at a time over all jobs.")


class Profile(Model):
    """How evalml ran the workflow.

    Its resources become the defaults of the Slurm profile, and its GPUs the most in use at a time. What has no meaning
    here is named in one warning.
    """

    executor: Text = Field(description="What ran the jobs, such as slurm. Here `-profile` of Nextflow says that.")
    global_resources: GlobalResources = Field(description="What all jobs together may use.")
    default_resources: DefaultResources = Field(description="What a job asks for where nothing else is said.")
    jobs: Count = Field(description="Jobs at a time. It has no meaning here: `nextflow run -queue-size` says that.")
    batch_rules: dict[Text, Count] = Field(
        {}, description="How many jobs of a kind went into one submission. It has no meaning here."
    )


class Locations(Model):
    """Where things are written."""

    output_root: Folder = Field("output", validate_default=True, description="Folder that all output goes to.")
