"""Pictures of single forecasts: domains, projections, animations, meteograms."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from evalflow.config.fields import Model, Name, Names, Number, refuse

DomainName = Literal["globe", "europe", "centraleurope", "icon-ch", "alps", "radar", "switzerland"]
Projection = Literal["platecarree", "orthographic", "rotatedlatlon", "azimuthalequidist"]


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
