"""What is drawn of a forecast, and the name that each product has in the store.

A name holds a digest of all that the product shows and of what it is made from, so a product whose
name is there is what is wanted. Labels are not in it.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from evalflow.digests import digest
from evalflow.drawing.names import DomainEntry
from evalflow.errors import UserError
from evalflow.fields.fingerprints import truth_fingerprint
from evalflow.fields.params import param_named
from evalflow.reading.entries import SourceEntry, TruthEntry
from evalflow.reading.opening import lead_times_of, look_of_forecast, truth_spec
from evalflow.showcase.spec import Item, Prepared, ShowcaseSpec
from evalflow.store.layout import init_time_of, showcase_folder

VERSION = 1
"""Of the drawing: raised when pictures of the same data would look otherwise."""
_KEY = 12

Kind = Literal["frames", "difference", "series"]


@dataclass(frozen=True)
class Product:
    """One file of the store: frames of an animation, or time series at places.

    Attributes
    ----------
    kind : `frames` of a field, of its `difference` to a truth, or `series`
    path : in the store
    param, domain : of frames
    truth : number of the truth of a difference
    """

    kind: Kind
    path: Path
    param: str = ""
    domain: DomainEntry | None = None
    truth: int | None = None


def truth_id(truth: TruthEntry) -> str:
    """Return the name of a truth's folder: what it is and where it is from, never its label."""
    return f"truth-{digest(truth.identity)[:8]}"


def file_part(name: str) -> str:
    """Return a name as a part of a file's name: blanks become `_`; what else is lost is made up by a digest."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:40]
    if name == plain or (name.replace(" ", "-") == plain and "-" not in name):
        return name.replace(" ", "_")
    return f"{plain or 'x'}-{digest(name)[:4]}"


def possible_leads(param: str, lead_times: list[timedelta]) -> list[timedelta]:
    """Return the lead times at which a param can be: an amount of N hours begins at N hours."""
    known = param_named(param)
    if not known.accumulated:
        return lead_times
    first = timedelta(hours=known.hours) if known.hours else timedelta(microseconds=1)
    return [lead for lead in lead_times if lead >= first]


def usable_formats() -> set[str]:
    """Return the formats of animations that can be written here."""
    return {"webp", "gif"} | ({"mp4"} if shutil.which("ffmpeg") else set())


class Products:
    """The products of items, as files of forecasts and truths look now."""

    def __init__(self, spec: ShowcaseSpec, prepared: Prepared) -> None:
        self.spec, self.prepared = spec, prepared
        self._look_at_truth = cache(self._truth_look)
        self._formats = usable_formats()
        self._places = digest([[(one.lat, one.lon) for one in prepared.stations], prepared.regions])

    def id_of(self, item: Item) -> str:
        """Return source_id, or the id of a truth."""
        if item.source is not None:
            return self.spec.sources[item.source].source_id
        return truth_id(self.truth(item))

    def truth(self, item: Item) -> TruthEntry:
        """Return the truth of an item."""
        assert item.truth is not None
        return self.spec.truths[item.truth]

    def leads(self, item: Item) -> list[timedelta]:
        """Return the lead times of an item; those of a truth are those of all sources."""
        if item.source is not None:
            return lead_times_of(self.spec.sources[item.source])
        return sorted({lead for source in self.spec.sources for lead in lead_times_of(source)})

    def folder(self, item: Item) -> Path:
        """Return where an item's products are in the store."""
        return showcase_folder(self.spec.store, self.id_of(item), item.init_time)

    def look(self, item: Item) -> str | None:
        """Return what an item's files look like, None where there are none.

        Raises
        ------
        UserError
            Where an archive cannot be read.
        """
        init_time = init_time_of(item.init_time)
        if item.source is None:
            return self._look_at_truth(item.truth, init_time, tuple(self.leads(item)))
        source = self.spec.sources[item.source]
        if not source.builtin:
            return look_of_forecast(source, init_time)
        return f"{source.builtin} {self._look_at_truth(0, init_time, tuple(self.leads(item)))}"

    def _truth_look(self, number: int, init_time: datetime, leads: tuple[timedelta, ...]) -> str:
        """Return what a truth's files look like that a forecast is compared with, amounts included."""
        hours = max((known.hours or 0 for known in map(param_named, self.spec.params) if known.accumulated), default=0)
        ends = [init_time, *(init_time + lead for lead in leads)]
        times = {end - timedelta(hours=hour) for end in ends for hour in range(max(hours, 1))}
        return truth_fingerprint(
            truth_spec(self.spec.truths[number], self.spec.grids, self.spec.folders), sorted(times)
        )[:16]

    def of(self, item: Item) -> list[Product]:
        """Return what is to be drawn of an item; nothing where its files are not there.

        Raises
        ------
        UserError
            Where an archive cannot be read.
        """
        look = self.look(item)
        if look is None:
            return []
        return [*self._frames(item, look), *self._series(item, look)]

    def _frames(self, item: Item, look: str) -> Iterator[Product]:
        if not _is_drawn(self.spec, self.prepared, item):
            return
        for param in self.spec.params:
            for domain in self.spec.domains:
                yield self._product("frames", item, [look], param, domain)
                for number in self.compared(item, param):
                    init_time, leads = init_time_of(item.init_time), tuple(self.leads(item))
                    with_truth = [
                        look,
                        truth_id(self.spec.truths[number]),
                        self._look_at_truth(number, init_time, leads),
                    ]
                    yield self._product("difference", item, with_truth, param, domain, number)

    def compared(self, item: Item, param: str) -> list[int]:
        """Return the truths that a param of an item is compared with on maps."""
        found = enumerate(self.prepared.truths)
        return [
            number for number, one in found if item.source is not None and one and one.gridded and param in one.params
        ]

    def _product(
        self, kind: Kind, item: Item, made_from: list[str], param: str, domain: DomainEntry, truth: int | None = None
    ) -> Product:
        leads = [lead.total_seconds() for lead in possible_leads(param, self.leads(item))]
        wind = self.spec.wind if kind == "frames" and param.startswith("SP_") else "none"
        key = digest([VERSION, self._identity(item), made_from, param, domain.extent, domain.projection, leads, wind])
        against = f"-minus-{made_from[1]}" if truth is not None else ""
        name = f"{param}_{file_part(domain.name)}{against}-{key[:_KEY]}.js"
        return Product(kind, self.folder(item) / name, param, domain, truth)

    def _series(self, item: Item, look: str) -> Iterator[Product]:
        if self.spec.draws_series and (self.prepared.stations or self.prepared.regions):
            leads = [lead.total_seconds() for lead in self.leads(item)]
            key = digest([VERSION, self._identity(item), look, self.spec.params, leads, self._places])
            yield Product("series", self.folder(item) / f"series-{key[:_KEY]}.json")

    def _identity(self, item: Item) -> str:
        return digest(self.truth(item).identity) if item.source is None else self.spec.sources[item.source].sha256

    def lacking(self, item: Item) -> list[Product]:
        """Return the products of an item that the store lacks, or of which it lacks an animation.

        Raises
        ------
        UserError
            Where an archive cannot be read.
        """
        return [one for one in self.of(item) if not all(path.is_file() for path in [one.path, *self.films(one)])]

    def films(self, product: Product) -> list[Path]:
        """Return the animations that are made of frames, besides the page's own player."""
        if product.kind == "series":
            return []
        speed = f"{self.spec.frames_per_second:g}fps"
        return [product.path.with_suffix(f".{speed}.{form}") for form in self.spec.formats if form in self._formats]


def _is_drawn(spec: ShowcaseSpec, prepared: Prepared, item: Item) -> bool:
    """Return whether there are animations of an item: of runs, forecasts made elsewhere and gridded truths."""
    if item.source is not None:
        return spec.sources[item.source].kind != "baseline"
    found = prepared.truths[item.truth or 0]
    return found is not None and found.gridded


def has_series(source: SourceEntry) -> bool:
    """Return whether a source is in meteograms: of what is built in, all but climatologies."""
    return source.builtin != "climatology"


def all_items(spec: ShowcaseSpec, prepared: Prepared) -> list[Item]:
    """Return all that is to be drawn, by init time."""
    sources = [
        number
        for number, source in enumerate(spec.sources)
        if source.kind != "baseline"
        or (spec.draws_series and has_series(source) and (spec.truths or not source.builtin))
    ]
    truths = [number for number, found in enumerate(prepared.truths) if found]
    return [
        item
        for time in spec.times
        for item in (
            *(Item(truth=number, init_time=time.init_time) for number in truths),
            *(Item(source=number, init_time=time.init_time) for number in sources),
        )
    ]


def try_lacking(products: Products, item: Item, problems: list[str]) -> list[Product]:
    """Return what the store lacks of an item; where that cannot be told, a line is added to `problems`."""
    try:
        return products.lacking(item)
    except UserError as error:
        problems.append(str(error))
        return []
