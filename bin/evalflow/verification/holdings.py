"""What files of statistics hold, and what of what is wanted they lack.

A file is called `{init_time}.{holds}.nc`; `holds` is a digest of what it was asked to hold and of
what it was made from. So where everything is there, one name is expected and no file is opened.
Where something was added since, there is another file with just that: then the files are opened,
and what all of them together lack is computed.
"""

import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import Field

from evalflow.documents import Document
from evalflow.errors import UserError
from evalflow.scores.stored import read_attributes, read_sums
from evalflow.scores.sums import Sums
from evalflow.store.files import set_aside
from evalflow.store.layout import init_time_name

HOLDING = "holding"
"""Attribute of a file of statistics: what it holds, as JSON."""
_NAME = re.compile(r"(\d{12})\.([0-9a-f]{12})\.nc")


class ParamHolding(Document):
    """What a file holds of one param."""

    made_from: dict[int, str] = Field(
        description="Lead time in minutes → digest of what else its numbers follow from: the truth's files at its times, the "
        "elevations that it is corrected between, of a forecast that is the climatology its values, and, where points are left "
        "out for other sources, which ones count."
    )
    thresholds: list[float] = Field([], description="Values of thresholds.")
    anomalies: dict[int, str] = Field(
        {}, description="Lead time in minutes → digest of the values of the climatology that anomalies are from."
    )

    def serves(self, wanted: "ParamHolding", minutes: int) -> bool:
        """Return whether this is all that is wanted of a lead time."""
        return (
            self.made_from.get(minutes) == wanted.made_from[minutes]
            and set(wanted.thresholds) <= set(self.thresholds)
            and wanted.anomalies.get(minutes) in (None, self.anomalies.get(minutes))
        )

    def at(self, minutes: Collection[int]) -> "ParamHolding":
        """Return what is held of some lead times."""
        made_from = {one: self.made_from[one] for one in minutes}
        anomalies = {one: self.anomalies[one] for one in minutes if one in self.anomalies}
        return self.model_copy(update={"made_from": made_from, "anomalies": anomalies})


class Holding(Document):
    """What a file of statistics was asked to hold, and what it was made from."""

    params: dict[str, ParamHolding] = Field(description="Param → what is held of it.")
    regions: dict[str, str] = Field(description="Name of a region → digest of its polygons.")
    scales: list[float] = Field([], description="Scales of box averages in km.")
    forecast: str = Field(description="What the forecast's files look like from outside, or its seal; and its grid.")

    @property
    def name(self) -> str:
        """What stands for it in a file's name."""
        # Thousands of names are made for a plan: no model is turned into JSON for that.
        params = [
            [name, *sorted(held.made_from.items()), held.thresholds, *sorted(held.anomalies.items())]
            for name, held in self.params.items()
        ]
        text = repr([sorted(params), sorted(self.regions.items()), self.scales, self.forecast])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def belongs_to(self, wanted: "Holding") -> bool:
        """Return whether it is of the wanted forecast, and knows all regions that are wanted."""
        return self.forecast == wanted.forecast and set(wanted.regions.values()) <= set(self.regions.values())

    def without(self, held: Iterable["Holding"]) -> "Holding":
        """Return what of this the others do not hold together."""
        usable = [other for other in held if other.belongs_to(self) and set(self.scales) <= set(other.scales)]
        params = {}
        for name, wanted in self.params.items():
            having = [other.params[name] for other in usable if name in other.params]
            left = [one for one in wanted.made_from if not any(other.serves(wanted, one) for other in having)]
            if left:
                params[name] = wanted.at(left)
        return self.model_copy(update={"params": params})


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
    return list_named(folder, _NAME)


def list_named(folder: Path, name: re.Pattern[str]) -> dict[str, list[Path]]:
    """Return what the first group of `name` is → files of a folder that are called so, in the order of their names."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            match = name.fullmatch(path.name)
            if match:
                found.setdefault(match[1], []).append(path)
    return found


def read_holding(path: Path) -> Holding | None:
    """Return what a file of statistics holds, or None: a damaged or foreign one is set aside."""
    try:
        holding = Holding.from_json(read_attributes(path).get(HOLDING, ""), str(path))
        if path.name.endswith(f".{holding.name}.nc"):
            return holding
    except UserError:
        pass
    set_aside(path)
    return None


def read_statistics(path: Path, params: Collection[str] | None = None) -> Held | None:
    """Return a file of statistics (some params), or None: a damaged or foreign one is set aside."""
    try:
        sums = read_sums(path, params)
        holding = Holding.from_json(sums.attributes.get(HOLDING, ""), str(path))
        if statistics_name(sums.init_time, holding) == path.name:
            return Held(path, holding, sums)
    except UserError:
        pass
    set_aside(path)
    return None


def lacking(wanted: Holding, init_time: datetime, paths: list[Path], verify: bool = False) -> Holding:
    """Return what of a wanted holding the files of an init time lack; with no params where they have everything.

    Parameters
    ----------
    verify : whether every byte of the files is looked at; else a file with the expected name is trusted
    """
    if verify:
        held = [stored.holding for path in paths if (stored := read_statistics(path)) is not None]
    elif statistics_name(init_time, wanted) in {path.name for path in paths}:
        return wanted.model_copy(update={"params": {}})
    else:
        held = [holding for path in paths if (holding := read_holding(path)) is not None]
    return wanted.without(held)
