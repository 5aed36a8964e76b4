"""What is verified, and the products made of the scores."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from evalflow.config.areas import Cases, Regions, VerificationGrid, VerifiedDomain
from evalflow.config.fields import (
    InitHour,
    Model,
    Name,
    Names,
    Number,
    Positive,
    Text,
    Variable,
    check_number,
    refuse,
    tag_of,
    unique,
)
from evalflow.config.showcase import Domains
from evalflow.config.times import LeadHours, Steps
from evalflow.scores.names import Threshold, parse_score

Dimension = Literal["season", "region", "init_hour", "valid_hour"]
Operator = Literal["gt", "ge", "lt", "le", "eq", "ne"]


class Stratification(Model):
    """The regions for which scores are computed, besides the whole domain."""

    regions: Regions = Field(
        [],
        description="The regions: names of shapefiles below `root`, or definitions. Empty: the whole domain only.",
    )
    root: Text | None = Field(
        None, description="Folder that holds the shapefiles. Required where regions are mere names."
    )

    @model_validator(mode="after")
    def _root_of_regions(self) -> "Stratification":
        if self.root is None and any(isinstance(region, str) for region in self.regions):
            raise refuse([(("root",), "missing: regions are named; allowed: the folder that holds their shapefiles")])
        return self

    def names(self) -> list[str]:
        """Return the names of the regions."""
        return [region if isinstance(region, str) else region.name for region in self.regions]


class Dashboard(Model):
    """The interactive page of all scores."""

    stratification: Annotated[list[Dimension], AfterValidator(unique)] = Field(
        ["season"],
        description="Filters of the dashboard that can be combined, of season, region, init_hour and valid_hour: scores "
        "are computed for each combination of them. Each filter alone, and with a region, is there in any case.",
    )


class PlotsConfig(Model):
    """Pictures of the scores over lead time, one per param and score."""

    formats: Annotated[list[Literal["png", "svg"]], AfterValidator(unique)] = Field(
        ["png"], description="Formats of the files: any of png and svg. Empty: none are drawn."
    )


class ScorecardConfig(Model):
    """One scorecard: every run against one baseline."""

    baseline: Text = Field(
        description="Label, among the `runs`, of the source that the runs are compared with: a baseline, or any other."
    )
    lead_times: Steps = Field(description="Lead times shown, as start/end/step in hours, the end included.")
    stratification: Dimension = Field(description="What the columns of the scorecard stand for.")
    variables: list[Variable] = Field(
        description="The rows, as PARAM:METRIC,METRIC. Without metrics: all of the param. "
        "An empty list: RMSE of the core surface params."
    )
    truth: Text | None = Field(None, description="Label of the truth, where there are several. Left out: the first.")


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
    leadtimes: Annotated[list[LeadHours], AfterValidator(unique)] = Field(
        [6, 24], description="Lead times to map, in hours. Every run and baseline must have them."
    )
    scores: Annotated[list[Literal["BIAS", "RMSE", "MAE", "STDE"]], AfterValidator(unique)] = Field(
        ["BIAS"], description="Scores to map."
    )
    regions: Domains = Field(["switzerland"], description="The parts of the globe to draw: names or definitions.")
    seasons: Annotated[list[Literal["all", "DJF", "MAM", "JJA", "SON"]], AfterValidator(unique)] = Field(
        ["all"], description="Seasons to map; `all` is the whole year."
    )
    init_hours: Annotated[list[InitHour], AfterValidator(unique)] = Field(
        ["all"], description="Hours of initialisation to map, as two digits; `all` takes them together."
    )


class SignificanceConfig(Model):
    """When a difference counts for more than chance. It changes no score."""

    level: Number = Field(
        0.05, gt=0, lt=1, description="Chance of a false alarm in one comparison. Intervals cover 1 - level."
    )
    false_discovery_rate: Number = Field(
        0.10, gt=0, lt=1, description="Part of the marked differences that may be chance, where many are compared."
    )
    min_days: Annotated[int, Field(ge=10), BeforeValidator(check_number)] = Field(
        10, description="Days of data from which on there are intervals. Fewer than 10 tell too little."
    )


MaxDistance = Annotated[
    Annotated[Literal["auto", "none"], Tag("<text>")] | Annotated[Positive, Tag("<number>")], Discriminator(tag_of)
]


class ExperimentConfig(Model):
    """What is verified, and the products made of the scores."""

    stratification: Stratification = Field(
        default_factory=Stratification, description="Regions for which scores are computed."
    )
    params: Names = Field(
        ["T_2M", "TD_2M", "SP_10M", "PS", "PMSL", "TOT_PREC6"],
        description="Params to verify, besides what scorecards and score maps name. SP_10M (wind speed) and TOT_PREC<N> "
        "(sums over N hours) are derived.",
    )
    thresholds: dict[Name, dict[Operator, list[Number]]] = Field(
        {},
        description="Events for the categorical scores: param, then operator, then values in the param's unit.",
        examples=[{"T_2M": {"lt": [273.15]}}],
    )
    domain: VerifiedDomain = Field(
        "common",
        description="Points that are verified: common (those that all sources cover), truth (all of the truth), or those "
        "of an area, which does not change with the sources.",
    )
    verification_grid: VerificationGrid = Field(
        "truth", description="Points at which forecasts meet the truth: the truth's own, or a regular grid."
    )
    mapping: Literal["nearest", "bilinear"] = Field(
        "nearest",
        description="How a source gets to these points: from the nearest point, or bilinear. Where the points are "
        "more than twice as far apart as the source's, evalflow takes means over boxes in any case.",
    )
    max_distance: MaxDistance = Field(
        "auto",
        description="Distance in km beyond which a point counts as missing in a source: auto (1.5 times the distance of "
        "the source's points there), a number, or none.",
    )
    weights: Literal["area", "none"] = Field(
        "area", description="Weights of points in means: their areas, or none. Stations have none in any case."
    )
    common_sample: Literal["intersect", "strict"] = Field(
        "intersect",
        description="What happens where a source lacks values that others have. intersect: these values are left "
        "out for all sources. strict: there are no scores against this truth, and the summary has a table of what is missing.",
    )
    min_coverage: Number = Field(
        0.9,
        ge=0,
        le=1,
        description="Part of the init times that a source must have, per param and lead time. A source with fewer "
        "does not reduce the sample of the others: it is compared with each reference alone, and marked.",
    )
    scales: Annotated[list[Positive], AfterValidator(unique)] = Field(
        [50, 200], description="Sizes of boxes in km. Errors of means over boxes are scored, too. Empty: none."
    )
    references: Annotated[list[Text], AfterValidator(unique)] | None = Field(
        None,
        description="Labels, among the `runs`, of the sources that others are compared with. Left out: the first "
        "baseline, else the first of the runs.",
    )
    significance: SignificanceConfig = Field(
        default_factory=SignificanceConfig, description="When a difference counts for more than chance."
    )
    dashboard: Dashboard = Field(default_factory=Dashboard, description="The interactive page of all scores.")
    plots: PlotsConfig = Field(default_factory=PlotsConfig, description="Pictures of the scores over lead time.")
    scorecards: ExperimentScorecardConfig | None = Field(
        None, description="Relative differences to a baseline. Left out: none."
    )
    scoremaps: ScoreMapsConfig | None = Field(None, description="Maps of scores per grid point. Left out: none.")
    cases: Cases = Field([], description="Weather events that are scored on their own.")

    def sections(self) -> dict[str, ScorecardConfig]:
        """Return the scorecards that are switched on, by name."""
        return self.scorecards.sections if self.scorecards and self.scorecards.enabled else {}

    def named_params(self) -> list[str]:
        """Return the params that the config names: to lack one of them is an error."""
        named = list(self.params) if "params" in self.model_fields_set else []
        named += [variable.partition(":")[0] for card in self.sections().values() for variable in card.variables]
        if self.scoremaps and self.scoremaps.enabled and "params" in self.scoremaps.model_fields_set:
            named += self.scoremaps.params
        return unique(named)

    def verified_params(self) -> list[str]:
        """Return the params to verify: `params`, then what else scorecards and score maps name."""
        mapped = self.scoremaps.params if self.scoremaps and self.scoremaps.enabled else []
        return unique([*self.params, *self.named_params(), *mapped])

    def thresholds_of(self, param: str) -> list[Threshold]:
        """Return the thresholds of a param, sorted: of `thresholds` and of scorecards."""
        found = {
            Threshold(operator, value)
            for operator, values in self.thresholds.get(param, {}).items()
            for value in values
        }
        for card in self.sections().values():
            for name, _, scores in (variable.partition(":") for variable in card.variables):
                named = [parse_score(score) for score in scores.split(",")] if name == param and scores else []
                found |= {score.threshold for score in named if score.threshold}
        return sorted(found)
