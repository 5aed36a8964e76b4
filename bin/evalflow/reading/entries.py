"""What the plan says of sources and truths: entries that specs of stages share."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from evalflow.documents import Document

Kind = Literal["run", "forecasts", "baseline"]
Builtin = Literal["persistence", "persistence_24h", "climatology"]


class GridFileEntry(Document):
    """A file with the coordinates of a grid whose messages carry none."""

    file: Path = Field(description="GRIB or NetCDF with the coordinates.")
    points: int | None = Field(None, description="Number of points of the grid, where uuid is not given.")
    uuid: str | None = Field(None, description="The grid's UUID.")


class ReferenceSpec(Document):
    """The past that a climatology is the mean of."""

    start: str = Field(description="First time, ISO-8601, UTC.")
    end: str = Field(description="Last time, ISO-8601, UTC.")
    window: int = Field(description="Days of the year before and after a day that count for it.")


class SourceEntry(Document):
    """A source: what is scored."""

    source_id: str = Field(description="run_id, `forecasts-{hash}` or `baseline-{hash}`.")
    label: str = Field(description="Name for people.")
    kind: Kind = Field(description="run, forecasts (made elsewhere) or baseline.")
    sha256: str = Field(description="Full digest of what source_id was hashed from.")
    lead_times: list[float] = Field(description="Lead times in hours.")
    root: str | None = Field(None, description="Folder or store of the forecasts; a run's folder in the store.")
    pattern: str | None = Field(None, description="Files of one forecast below root, with strftime directives.")
    member: str = Field("000", description="Ensemble member.")
    units: dict[str, str] = Field({}, description="Param → unit, where files do not say it or say it wrongly.")
    builtin: Builtin | None = Field(None, description="A forecast that is made of the truth, in place of root.")
    reference: ReferenceSpec | None = Field(None, description="Of a climatology.")


class TruthEntry(Document):
    """A truth: what sources are verified against."""

    label: str = Field(description="Name for people.")
    root: str | None = Field(None, description="Path, or a request such as `jretrievedwh:…`.")
    pattern: str | None = Field(None, description="Files below root, with strftime directives for the valid time.")
    command: list[str] = Field([], description="In place of root, a program that prints a table of observations.")
    stations: str | None = Field(None, description="Table of the stations.")
    columns: dict[str, str] = Field({}, description="Name in the files → param.")
    units: dict[str, str] = Field({}, description="Param, or name in the files → unit.")
    identity: dict[str, Any] = Field(
        description="What of a verif_id is known before anything is read: `truth` (what the config says of it), `told` "
        "(columns and units, which count beside an archive's own UUID) and `comparing` (settings)."
    )


class RegionEntry(Document):
    """A region: a box, or the polygons of a file."""

    name: str = Field(description="Name in tables.")
    box: tuple[float, float, float, float] | None = Field(None, description="west, east, south, north in degrees.")
    file: Path | None = Field(None, description="GeoJSON or shapefile.")
