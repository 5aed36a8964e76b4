"""Pictures of single forecasts: domains, projections, animations, meteograms."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from evalflow.config.fields import Box, Model, Name, Names, Number, Problems, refuse, tag_of, unique
from evalflow.config.times import Times
from evalflow.drawing.names import DomainName, ProjectionName


class StationConfig(Model):
    """A place, where the truth has no station of that name or none at all."""

    name: Name = Field(description="Name of the place, used in file names.")
    lat: Number = Field(ge=-90, le=90, description="Latitude in degrees north.")
    lon: Number = Field(ge=-180, le=360, description="Longitude in degrees east.")
    elevation: Number | None = Field(None, description="Height above mean sea level in m. Left out: unknown.")


def _repeated(values: list, kind: str) -> Problems:
    names = [value if isinstance(value, str) else value.name for value in values]
    what = f"another {kind} has this name; allowed: names that differ"
    return [((index,), what) for index, name in enumerate(names) if name in names[:index]]


def _unique_stations(stations: list) -> list:
    once = [station for index, station in enumerate(stations) if station not in stations[:index]]
    wrong = _repeated(once, "station")
    if wrong:
        raise refuse([((stations.index(once[int(index)]),), what) for (index,), what in wrong])
    return once


Station = Annotated[Annotated[Name, Tag("<text>")] | Annotated[StationConfig, Tag("<mapping>")], Discriminator(tag_of)]


class MeteogramConfig(Model):
    """Time series of forecasts and truth at stations, and of means over regions."""

    enabled: bool = Field(True, description="Whether meteograms are made.")
    stations: Annotated[list[Station], AfterValidator(_unique_stations)] = Field(
        ["GVE", "KLO", "LUG"], description="Ids of stations, or places."
    )
    regions: Names = Field([], description="Names of regions of `experiment.stratification`, for means over them.")


class DomainConfig(Model):
    """A part of the globe to draw, where the ones known by name do not do."""

    name: Name = Field(description="Name of the domain, used in file names.")
    extent: Box | None = Field(
        None, description="[lon_min, lon_max, lat_min, lat_max] in degrees. Left out: the whole globe."
    )
    projection: ProjectionName = Field("orthographic", description="Map projection.")


Domain = Annotated[
    Annotated[DomainName, Tag("<text>")] | Annotated[DomainConfig, Tag("<mapping>")], Discriminator(tag_of)
]


def _unique_domains(domains: list) -> list:
    once = [domain for index, domain in enumerate(domains) if domain not in domains[:index]]
    wrong = _repeated(once, "domain")
    if wrong:
        raise refuse([((domains.index(once[int(index)]),), what) for (index,), what in wrong])
    return once


Domains = Annotated[list[Domain], AfterValidator(_unique_domains)]


class AnimationsConfig(Model):
    """Forecasts as moving pictures."""

    enabled: bool = Field(True, description="Whether animations are made, one per param and domain.")
    domains: Domains = Field(
        ["globe", "europe", "switzerland"], description="The parts of the globe to draw: names or definitions."
    )
    frames_per_second: Number = Field(2.0, gt=0, description="Lead times shown per second.")
    formats: Annotated[list[Literal["webp", "gif", "mp4"]], AfterValidator(unique), Field(min_length=1)] = Field(
        ["webp"], description="Formats of the files: any of webp, gif and mp4."
    )
    wind: Literal["none", "barbs", "streamlines"] = Field("none", description="Whether and how the wind is drawn too.")


class ShowcaseConfig(Model):
    """Pictures of single forecasts."""

    params: Names = Field(["T_2M", "SP_10M"], description="Params to draw.")
    dates: Times = Field(
        [],
        description="Init times that a launch with `--target experiment` draws, besides the cases. `--target "
        "showcase` draws all init times.",
    )
    meteograms: MeteogramConfig = Field(default_factory=MeteogramConfig, description="Time series at stations.")
    animations: AnimationsConfig = Field(default_factory=AnimationsConfig, description="Moving pictures.")
