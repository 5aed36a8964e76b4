"""Parts of the globe and of time for which scores are computed: boxes, files of polygons, cases."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from evalflow.config.fields import Box, Model, Name, Positive, Problems, Text, refuse, tag_of
from evalflow.config.times import LastTime, Time, parse_time
from evalflow.texts import show

_BOX = "[lon_min, lon_max, lat_min, lat_max] in degrees."
_FILE = "Polygons: GeoJSON, or a shapefile."


def _check_one_of(model: Model, *names: str) -> None:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        what = f"holds {' and '.join(given)}" if given else f"holds none of {', '.join(names)}"
        raise refuse([((), f"{what}; allowed: exactly one of {', '.join(names)}")])


class ShapeConfig(Model):
    """An area: a box, or the polygons of a file."""

    box: Box | None = Field(None, description=_BOX)
    file: Text | None = Field(None, description=_FILE)

    @model_validator(mode="after")
    def _one_shape(self) -> "ShapeConfig":
        _check_one_of(self, "box", "file")
        return self


class RegionConfig(ShapeConfig):
    """A region that is not a shapefile below `root`: a box, or the polygons of a file."""

    name: Name = Field(description="Name of the region, in tables and file names.")


def _unique_regions(regions: list) -> list:
    seen: dict[str, object] = {}
    wrong: Problems = []
    for index, region in enumerate(regions):
        name = region if isinstance(region, str) else region.name
        if name == "all":
            wrong.append(((index,), 'is called "all", which is the whole domain; allowed: another name'))
        elif seen.setdefault(name, region) != region:
            wrong.append(((index,), f"another region is called {show(name)}; allowed: names that differ"))
    if wrong:
        raise refuse(wrong)
    return list(seen.values())


Regions = Annotated[
    list[
        Annotated[
            Annotated[Name, Tag("<text>")] | Annotated[RegionConfig, Tag("<mapping>")],
            Discriminator(tag_of),
        ]
    ],
    AfterValidator(_unique_regions),
]


class DomainArea(Model):
    """The area whose points are verified."""

    box: Box | None = Field(None, description=_BOX)
    region: Name | None = Field(None, description="Name of a region of `stratification`.")

    @model_validator(mode="after")
    def _one_area(self) -> "DomainArea":
        _check_one_of(self, "box", "region")
        return self


VerifiedDomain = Annotated[
    Annotated[Literal["common", "truth"], Tag("<text>")] | Annotated[DomainArea, Tag("<mapping>")],
    Discriminator(tag_of),
]


def _check_divides(degrees: float) -> float:
    if not 0 < degrees <= 30 or abs(180 / degrees - round(180 / degrees)) > 1e-6:
        raise ValueError(f"got {show(degrees)}; allowed: degrees that divide 180, such as 1.5, of at most 30")
    return degrees


class RegularGrid(Model):
    """A regular grid of latitudes and longitudes over the globe."""

    regular: Annotated[Positive, AfterValidator(_check_divides)] = Field(
        description="Distance of its points in degrees."
    )


VerificationGrid = Annotated[
    Annotated[Literal["truth"], Tag("<text>")] | Annotated[RegularGrid, Tag("<mapping>")], Discriminator(tag_of)
]
CaseArea = Annotated[Annotated[Name, Tag("<text>")] | Annotated[ShapeConfig, Tag("<mapping>")], Discriminator(tag_of)]


class CaseConfig(Model):
    """A weather event: the pairs whose valid time lies in it."""

    name: Name = Field(description="Name of the case.")
    start: Time = Field(description="First valid time, ISO-8601, UTC.")
    end: LastTime = Field(description="Last valid time; a day without an hour counts to its end.")
    region: CaseArea | None = Field(
        None,
        description="Where: the name of a region of `stratification`, a box or a file. Left out: the whole domain.",
    )

    @model_validator(mode="after")
    def _start_before_end(self) -> "CaseConfig":
        if parse_time(self.end) < parse_time(self.start):
            raise refuse([(("end",), f"is before the start {self.start}; allowed: the start or a later time")])
        return self


def _unique_cases(cases: list[CaseConfig]) -> list[CaseConfig]:
    names = [case.name for case in cases]
    repeated = [index for index, name in enumerate(names) if name in names[:index]]
    if repeated:
        raise refuse(
            [((index, "name"), "another case has this name; allowed: names that differ") for index in repeated]
        )
    return cases


Cases = Annotated[list[CaseConfig], AfterValidator(_unique_cases)]
