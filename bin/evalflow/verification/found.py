"""What defining a domain finds of a truth and its sources, and the names of its files."""

from typing import Any

from pydantic import Field

from evalflow.documents import Document
from evalflow.fields.grids import Grid

TARGET = "target.npz"
"""The grid that is verified at, and which of its points are."""
TARGET_VERSION = 1
TARGET_ARRAYS = ("latitudes", "longitudes", "kind", "shape", "points", "weights", "names")
ELEVATION_ARRAYS = ("elevation",)


class SourceFound(Document):
    """What was found of one source."""

    label: str = Field(description="Name for people.")
    params: list[str] = Field(description="Params that it is verified for.")
    covers: int = Field(description="How many of the points it covers.")
    grid: str | None = Field(None, description="Digest of its grid.")
    corrected: str | None = Field(
        None, description="Digest of the elevations between which T_2M is corrected; left out: it is not."
    )
    left_out: str | None = Field(None, description="Why it is not verified.")


class DomainFound(Document):
    """The domain of one truth: what the steps of verification work with."""

    truth: int = Field(description="Number of the truth in the spec.")
    verif_id: str = Field(description="Name of the comparison, a folder of the store.")
    identity: dict[str, Any] = Field(description="Exactly what verif_id was hashed from.")
    points: int = Field(description="Number of points that are verified; 0: nothing is, and problems say why.")
    at_stations: bool = Field(description="Whether the points are stations.")
    atoms: str = Field(description="Digest of how the regions cut the points.")
    elevation: str | None = Field(None, description="Digest of the truth's elevation at the points, where it is known.")
    regions: dict[str, str] = Field(description="Name of a region that holds points → digest of its polygons.")
    scales: list[float] = Field(description="Scales of box averages in km.")
    params: list[str] = Field(description="Params that the truth has.")
    lapse_rate: str = Field(description="Whether T_2M is corrected for elevation, and why, in words.")
    sources: dict[str, SourceFound] = Field(description="source_id → what was found of the source.")
    table: list[str] = Field(description="How many points each source takes away, as lines of text.")
    notes: list[str] = Field([], description="What was left out, a line each.")
    problems: list[str] = Field([], description="What the config names and what cannot be had, a line each.")


def nothing_found(truth: int, sources: dict[str, str], problem: str) -> DomainFound:
    """Return the domain of a truth that cannot be used.

    Parameters
    ----------
    sources : source_id → label
    problem : why, in one line
    """
    return DomainFound(
        truth=truth,
        verif_id="verif-none",
        identity={},
        points=0,
        at_stations=False,
        atoms="",
        regions={},
        scales=[],
        params=[],
        lapse_rate="",
        sources={key: SourceFound(label=label, params=[], covers=0) for key, label in sources.items()},
        table=[],
        problems=[problem],
    )


def atoms_name(atoms: str) -> str:
    """Return the name of the file of how regions cut the points."""
    return f"atoms-{atoms[:12]}.npz"


def elevation_name(elevation: str) -> str:
    """Return the name of the file of the truth's elevation at the points."""
    return f"elevation-{elevation[:12]}.npz"


def mapping_name(grid: Grid, role: str = "mapping") -> str:
    """Return the name of the file of how the points are filled from a grid."""
    return f"{role}-{grid.digest[:12]}.npz"
