"""What files of statistics hold, and what of what is wanted they lack.

A file is called `{init_time}.{holds}.nc`; `holds` is a digest of what it was asked to hold and of what it was made from. So
where everything is there, one name is expected and no file is opened. Where something was added since, there is another file
with just that: then the files are opened, and what all of them together lack is computed.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import Field

from evalflow.digests import digest
from evalflow.documents import Document
from evalflow.errors import UserError
from evalflow.scores.stored import read_sums
from evalflow.scores.sums import Sums
from evalflow.store.files import set_aside
from evalflow.store.layout import init_time_name

HOLDING = "holding"
"""Attribute of a file of statistics: what it holds, as JSON."""
_NAME = re.compile(r"(\d{12})\.([0-9a-f]{12})\.nc")


class ParamHolding(Document):
    """What a file holds of one param."""

    lead_times: list[float] = Field(description="Lead times in hours that were asked for.")
    thresholds: list[float] = Field([], description="Values of thresholds.")
    corrected: str | None = Field(None, description="Digest of the truth's elevation that it is corrected to.")
    climatology: str | None = Field(None, description="Digest of the climatology that anomalies are from.")


class Holding(Document):
    """What a file of statistics was asked to hold, and what it was made from."""

    params: dict[str, ParamHolding] = Field(description="Param → what is held of it.")
    regions: dict[str, str] = Field(description="Name of a region → digest of its polygons.")
    scales: list[float] = Field([], description="Scales of box averages in km.")
    forecast: str = Field(description="What the forecast's files look like from outside, or its seal.")
    truth: str = Field(description="What the truth's files look like at the valid times.")
    sample: str | None = Field(None, description="Digest of the common masks, where points were left out for others.")

    @property
    def name(self) -> str:
        """What stands for it in a file's name."""
        return digest(self.model_dump(mode="json", exclude_none=True))[:12]

    def made_from_the_same(self, other: "Holding") -> bool:
        """Return whether both are of the same files and points, and the other knows all regions of this one."""
        same = all(getattr(self, key) == getattr(other, key) for key in ("forecast", "truth", "sample"))
        return same and set(self.regions.values()) <= set(other.regions.values())

    def without(self, held: list["Holding"]) -> "Holding":
        """Return what of this the others do not hold together."""
        same = [other for other in held if self.made_from_the_same(other)]
        params = {}
        for name, wanted in self.params.items():
            if not any(_holds(other, name, wanted, self.scales) for other in same):
                params[name] = wanted
        return self.model_copy(update={"params": params})


def _holds(other: Holding, name: str, wanted: ParamHolding, scales: list[float]) -> bool:
    """Return whether a holding has all of a param that is wanted."""
    held = other.params.get(name)
    return (
        held is not None
        and (held.corrected, held.climatology) == (wanted.corrected, wanted.climatology)
        and set(wanted.lead_times) <= set(held.lead_times)
        and set(wanted.thresholds) <= set(held.thresholds)
        and set(scales) <= set(other.scales)
    )


def statistics_name(init_time: datetime, holding: Holding) -> str:
    """Return the name of the file that holds this."""
    return f"{init_time_name(init_time)}.{holding.name}.nc"


@dataclass(frozen=True)
class Held:
    """A file of statistics: where it is, what it holds, and the sums."""

    path: Path
    holding: Holding
    sums: Sums


def list_statistics(folder: Path) -> dict[str, list[Path]]:
    """Return init time → files of statistics in a source's folder, in the order of their names."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match:
                found.setdefault(match[1], []).append(path)
    return found


def read_statistics(path: Path, repair: bool = True) -> Held | None:
    """Return a file of statistics; one that is damaged or foreign is set aside (where `repair`) and is none."""
    try:
        sums = read_sums(path)
        holding = Holding.from_json(sums.attributes.get(HOLDING, ""), str(path))
        if statistics_name(sums.init_time, holding) == path.name:
            return Held(path, holding, sums)
    except UserError:
        pass
    if repair:
        set_aside(path)
    return None


def lacking(wanted: Holding, init_time: datetime, paths: list[Path]) -> Holding:
    """Return what of a wanted holding the files of an init time lack; with no params where they have everything."""
    if statistics_name(init_time, wanted) in {path.name for path in paths}:
        return wanted.model_copy(update={"params": {}})
    held = [one for path in paths if (one := read_statistics(path)) is not None]
    return wanted.without([one.holding for one in held])
