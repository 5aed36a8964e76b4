"""What the plan says of the showcase, and what its steps tell each other."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from evalflow.documents import Document
from evalflow.drawing.names import DomainEntry
from evalflow.reading.entries import GridFileEntry, RegionEntry, SourceEntry, TruthEntry

Format = Literal["webp", "gif", "mp4"]
Wind = Literal["none", "barbs", "streamlines"]


class StationEntry(Document):
    """A place whose weather is drawn over time."""

    name: str = Field(description="Id of a station of a truth, or name of a place.")
    lat: float | None = Field(None, description="Degrees north; left out: as the truth has it.")
    lon: float | None = Field(None, description="Degrees east.")
    elevation: float | None = Field(None, description="m above mean sea level, where it is known.")


class ShownTime(Document):
    """An init time to draw."""

    init_time: str = Field(description="`YYYYmmddHHMM`, UTC.")
    cases: list[str] = Field([], description="Cases that its lead times reach into: chosen by what happened.")


class ShowcaseSpec(Document):
    """The showcase of an experiment."""

    evalflow: str = Field(description="Version of evalflow.")
    experiment_id: str = Field(description="`{label}_{hash}`.")
    store: Path = Field(description="The store, `{outdir}/data`.")
    results: Path = Field(description="Folder of the experiment's results.")
    times: list[ShownTime] = Field(description="Init times to draw.")
    sources: list[SourceEntry] = Field(description="What is drawn, in the order of the config.")
    truths: list[TruthEntry] = Field(description="What it is compared with; none: forecasts alone are drawn.")
    grids: list[GridFileEntry] = Field(description="Coordinates of grids whose messages carry none.")
    folders: list[Path] = Field([], description="Where the configuration and `.env` of a stations service may be.")
    params: list[str] = Field(description="Params to draw.")
    unknown_params: list[str] = Field([], description="Params that the config names and that are not known.")
    domains: list[DomainEntry] = Field(description="Domains of animations; none: there are none.")
    formats: list[Format] = Field(description="Formats of animations.")
    frames_per_second: float = Field(description="Lead times shown per second.")
    wind: Wind = Field(description="Whether and how the wind is drawn over speeds.")
    stations: list[StationEntry] = Field(description="Places of meteograms.")
    regions: list[RegionEntry] = Field(description="Regions whose means are drawn over time.")
    lapse_rate: Literal["auto", "true", "false"] = Field(
        description="Whether T_2M is corrected to the elevation of a station."
    )
    awaited: dict[str, list[str]] = Field({}, description="run_id → init times that this launch is to make.")

    @property
    def draws(self) -> bool:
        """Whether there is anything to draw."""
        return bool(self.times) and bool(self.domains or self.draws_series)

    @property
    def draws_series(self) -> bool:
        """Whether there are meteograms."""
        return bool(self.stations or self.regions)


class Item(Document):
    """A forecast of a source, or the truth of the same time.

    Attributes
    ----------
    source, truth : number in the spec, of one of both
    init_time : `YYYYmmddHHMM`
    """

    source: int | None = None
    truth: int | None = None
    init_time: str


class ShowcasePack(Document):
    """What one task draws.

    Attributes
    ----------
    id : name of the task
    items : what is drawn
    awaited : forecasts that this launch is still to make, as [run_id, init_time]
    """

    id: str
    items: list[Item]
    awaited: list[tuple[str, str]] = Field([], description="[run_id, init_time].")


class StationFound(Document):
    """A place with its coordinates.

    Attributes
    ----------
    name : as in the config
    lat, lon : degrees
    elevation : m, or None
    truth : number of the truth that has this station, or None
    """

    name: str
    lat: float
    lon: float
    elevation: float | None = None
    truth: int | None = None


class TruthFound(Document):
    """A truth that can be opened.

    Attributes
    ----------
    gridded : whether maps can be drawn of it
    params : those of the showcase that it has
    """

    gridded: bool
    params: list[str]


class Prepared(Document):
    """What there is to draw.

    Attributes
    ----------
    stations : those that are known
    truths : as many as in the spec; None where one cannot be opened
    regions : digests of the regions' polygons, in the order of the spec
    packs : what the store lacks
    problems : what the config names and what cannot be had, a line each
    """

    stations: list[StationFound]
    truths: list[TruthFound | None]
    regions: list[str]
    packs: list[ShowcasePack]
    problems: list[str] = Field([], description="A line each.")


class PackDrawn(Document):
    """What came of a pack.

    Attributes
    ----------
    drawn : number of products that were made
    problems : what could not be drawn, a line each
    """

    drawn: int
    problems: list[str] = Field([], description="A line each.")


class Shown(Document):
    """What came of the showcase, as the summary reads it.

    Attributes
    ----------
    page : path of the page to open; None where it could not be written
    animations, meteograms : how many the page shows
    drawn : how many products this launch has drawn
    problems : what could not be drawn, a line each
    """

    page: str | None = None
    animations: int = 0
    meteograms: int = 0
    drawn: int = 0
    problems: list[str] = Field([], description="A line each.")
