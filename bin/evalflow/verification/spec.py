"""What the plan says of verification: all that its steps and pages work from.

The steps get it as one file. It names sources, truths and settings; how far each step has come, it
finds in the store.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from evalflow.documents import Document
from evalflow.reading.entries import GridFileEntry, ReferenceSpec, RegionEntry, SourceEntry, TruthEntry

__all__ = ["GridFileEntry", "ReferenceSpec", "RegionEntry", "SourceEntry", "TruthEntry"]

Dimension = Literal["season", "init_hour", "valid_hour"]


class CaseEntry(Document):
    """An event: the pairs whose valid time lies in it, over its region."""

    name: str = Field(description="Name in tables.")
    start: str = Field(description="First valid time, ISO-8601, UTC.")
    end: str = Field(description="Last valid time, ISO-8601, UTC.")
    region: str = Field(description="Name of its region, among the regions; `all` is the whole domain.")


class ComparingSpec(Document):
    """How a source meets a truth."""

    domain: Literal["common", "truth"] | RegionEntry = Field(
        description="common, truth, or the area whose points are verified."
    )
    verification_grid: float | None = Field(
        None, description="Degrees of a regular grid; left out: the truth's points."
    )
    mapping: Literal["nearest", "bilinear"] = Field(description="How a source gets to the points.")
    max_distance: float | Literal["auto", "none"] = Field(description="km beyond which a point is missing.")
    weights: Literal["area", "none"] = Field(description="Weights of points in means.")
    scales: list[float] = Field(description="Sizes in km of boxes whose means are scored too.")
    lapse_rate: Literal["auto", "true", "false"] = Field(description="Whether T_2M is corrected for elevation.")
    common_sample: Literal["intersect", "strict"] = Field(description="What happens where a source lacks values.")
    min_coverage: float = Field(
        description="Part of the init times below which a source takes nothing from the others."
    )


class SignificanceSpec(Document):
    """When a difference counts for more than chance."""

    level: float = Field(description="Chance of a false alarm of one comparison.")
    false_discovery_rate: float = Field(description="Part of the marked differences that may be chance.")
    min_days: int = Field(description="Days from which there are intervals.")


class MapsSpec(Document):
    """Score maps: which sums are kept at each point, and which scores are made of them."""

    params: list[str] = Field(description="Params to map.")
    lead_times: list[float] = Field(description="Lead times in hours.")
    scores: list[str] = Field(description="Scores: BIAS, RMSE, MAE, STDE.")
    seasons: list[str] = Field(description="Seasons of the init time; `all` is all of them.")
    init_hours: list[str] = Field(description="Init hours of two digits; `all` is all of them.")


class VerificationSpec(Document):
    """The verification of an experiment."""

    experiment_id: str = Field(description="`{label}_{hash}`.")
    store: Path = Field(description="The store, `{outdir}/data`.")
    results: Path = Field(description="Folder of the experiment's results.")
    stub: bool = Field(False, description="Whether this is a stub run.")
    verify_store: bool = Field(False, description="Whether digests of everything stored are compared.")
    init_times: list[str] = Field(description="`YYYYmmddHHMM`, UTC.")
    sources: list[SourceEntry] = Field(description="What is scored, in the order of the config.")
    truths: list[TruthEntry] = Field(description="What it is verified against; none: nothing is verified.")
    grids: list[GridFileEntry] = Field(description="Coordinates of grids whose messages carry none.")
    folders: list[Path] = Field(
        [], description="Where the configuration and `.env` of a stations service may be: the launch folder."
    )
    params: list[str] = Field(description="Params to verify.")
    named_params: list[str] = Field(
        description="Those that the config names: where one cannot be had, that is an error."
    )
    thresholds: dict[str, list[str]] = Field(description="Param → events such as `> 273.15`.")
    regions: list[RegionEntry] = Field(description="Regions besides the whole domain.")
    cases: list[CaseEntry] = Field(description="Events that are scored on their own.")
    comparing: ComparingSpec = Field(description="How a source meets a truth.")
    crossed: list[list[Dimension]] = Field(description="Dimensions of which every combination is a stratum.")
    references: list[str] = Field(description="source_id of what differences are taken to, the first one first.")
    significance: SignificanceSpec = Field(description="When a difference counts.")
    maps: MapsSpec | None = Field(None, description="Score maps; left out: none.")
    unseen: list[str] = Field(
        [], description="run_ids of which the store has no forecast, and which this launch makes."
    )
    awaited: dict[str, list[str]] = Field({}, description="run_id → init times that this launch is to make.")
