"""What is verified, and the products made of the scores."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from evalflow.config.fields import (
    InitHour,
    Model,
    Name,
    Names,
    Natural,
    Number,
    Steps,
    Text,
    Variable,
    refuse,
    unique,
)
from evalflow.config.showcase import DomainName

Dimension = Literal["season", "region", "init_hour"]
Operator = Literal["gt", "ge", "lt", "le", "eq", "ne"]


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
