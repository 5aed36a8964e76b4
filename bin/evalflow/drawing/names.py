"""Names of domains and projections, and a domain as plans have it. Nothing here is heavy to import."""

from typing import Literal

from pydantic import Field

from evalflow.documents import Document

DomainName = Literal["globe", "europe", "centraleurope", "icon-ch", "alps", "radar", "switzerland"]
ProjectionName = Literal["platecarree", "orthographic", "rotatedlatlon", "azimuthalequidist"]

EXTENTS: dict[DomainName, tuple[float, float, float, float] | None] = {
    "globe": None,
    "europe": (-16.0, 25.0, 30.0, 65.0),
    "centraleurope": (-1.5, 18.0, 41.5, 51.0),
    "icon-ch": (0.0, 17.5, 40.5, 53.0),
    "alps": (4.5, 16.0, 43.5, 48.5),
    "radar": (3.2, 12.5, 43.6, 49.4),
    "switzerland": (5.6, 10.8, 45.0, 48.6),
}
"""Domain → west, east, south, north in degrees; None is the whole globe. All are orthographic."""


class DomainEntry(Document):
    """A part of the globe to draw."""

    name: str = Field(description="Name for people and in file names.")
    extent: tuple[float, float, float, float] | None = Field(
        None, description="west, east, south, north in degrees; left out: the whole globe."
    )
    projection: ProjectionName = Field(description="Map projection.")
