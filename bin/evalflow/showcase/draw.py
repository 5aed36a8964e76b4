"""Draw what the store lacks of an item: frames of its fields and of their differences, and time series.

Each field is read once, for all domains and places. Frames are encoded one by one, so memory does
not grow with their number.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from evalflow.drawing.colours import difference_scale, scale_of
from evalflow.drawing.domains import View, domain_of
from evalflow.drawing.names import DomainEntry
from evalflow.drawing.raster import Raster
from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.fields.params import param_named
from evalflow.fields.points.regions import Region
from evalflow.showcase.films import write_film
from evalflow.showcase.frames import Canvas, draw_lines_over, make_frame_file, read_frames, write_frames
from evalflow.showcase.products import Product, Products, possible_leads
from evalflow.showcase.reading import Fields, Opened, TruthFields
from evalflow.showcase.series import SeriesMaker, read_regions, write_series
from evalflow.showcase.spec import Item, PackDrawn, Prepared, ShowcasePack, ShowcaseSpec
from evalflow.showcase.winds import draw_wind
from evalflow.store.layout import init_time_of


class Rasters:
    """Rasters of grids in views, and what lies over their frames: each is made once."""

    def __init__(self) -> None:
        self._views: dict[tuple, View] = {}
        self._rasters: dict[tuple, Raster] = {}
        self._lines: dict[tuple, bytes] = {}

    def view(self, entry: DomainEntry) -> View:
        """Return the pixels of a domain."""
        key = entry.extent, entry.projection
        if key not in self._views:
            self._views[key] = View(domain_of(entry))
        return self._views[key]

    def raster(self, grid: Grid, entry: DomainEntry, values: np.ndarray) -> Raster:
        """Return what draws fields of a grid whose missing points are those of `values`."""
        missing = hashlib.sha256(np.packbits(np.isnan(values)).tobytes()).hexdigest()
        key = grid.digest, entry.extent, entry.projection, missing
        if key not in self._rasters:
            self._rasters[key] = Raster(grid, self.view(entry))
        return self._rasters[key]

    def lines(self, entry: DomainEntry, outline: np.ndarray | None) -> bytes:
        """Return coastlines, borders and an outline, as they lie over all frames."""
        found = b"" if outline is None else outline.tobytes()
        key = entry.extent, entry.projection, hashlib.sha256(found).hexdigest()
        if key not in self._lines:
            self._lines[key] = draw_lines_over(self.view(entry), outline)
        return self._lines[key]


@dataclass
class Animation:
    """The frames of one product, while they are drawn.

    Attributes
    ----------
    raster : of the field, once there is one
    truth_raster : of the truth, of differences
    """

    product: Product
    canvas: Canvas
    raster: Raster | None = None
    truth_raster: Raster | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def domain(self) -> DomainEntry:
        """Return what is drawn of the globe."""
        assert self.product.domain is not None
        return self.product.domain


class Drawer:
    """Draws items.

    Attributes
    ----------
    problems : what could not be drawn, a line each
    drawn : number of products that were made
    """

    def __init__(self, spec: ShowcaseSpec, prepared: Prepared) -> None:
        self.spec, self.products = spec, Products(spec, prepared)
        self.opened, self.rasters = Opened(spec), Rasters()
        self.problems: list[str] = []
        self.regions: list[Region] = read_regions(spec.regions, self.problems) if spec.regions else []
        self.stations = prepared.stations
        self.drawn = 0

    def draw(self, item: Item) -> None:
        """Put what the store lacks of an item there; what is there is left alone.

        Raises
        ------
        UserError
            Where its files cannot be read.
        """
        lacking = self.products.lacking(item)
        frames = [one for one in lacking if not one.path.is_file() and one.kind != "series"]
        series = [one for one in lacking if one.kind == "series"]
        if frames or series:
            fields = self.opened.fields(item)
            if fields is None:
                return
            self._draw_fields(item, fields, frames, series)
        for product in lacking:
            self._make_films(product)

    def _make_films(self, product: Product) -> None:
        for path in self.products.films(product):
            if path.is_file() or not product.path.is_file():
                continue
            frames = read_frames(product.path)
            try:
                write_film(path, frames, self.spec.frames_per_second)
            except UserError as error:
                self.problems.append(f"{path.name}: {error}")

    def _draw_fields(self, item: Item, fields: Fields, frames: list[Product], series: list[Product]) -> None:
        of_param: dict[str, list[Product]] = defaultdict(list)
        for product in frames:
            of_param[product.param].append(product)
        maker = SeriesMaker(self.stations, self.regions) if series else None
        for param in self.spec.params:
            if of_param[param] or maker:
                self._draw_param(item, fields, param, of_param[param], maker)
        for product in series:
            assert maker is not None
            write_series(product.path, maker.file(fields))
            self.drawn += 1

    def _draw_param(
        self, item: Item, fields: Fields, param: str, products: list[Product], maker: SeriesMaker | None
    ) -> None:
        leads = possible_leads(param, self.products.leads(item))
        animations = [self._begin(product) for product in products]
        truths = {
            number: self.opened.truth(number, init_time_of(item.init_time))
            for number in {one.truth for one in products if one.truth is not None}
        }
        there = fields.has(param)
        for lead in leads:
            values = fields.read(param, lead) if there else None
            if values is not None and maker:
                maker.add(param, lead, fields.grid(param), [values, *fields.members(param, lead)])
            compared = {number: one.read(param, lead) for number, one in truths.items()} if values is not None else {}
            for animation in animations:
                self._add_frame(animation, fields, param, lead, values, (truths, compared))
        if maker:
            maker.finish(param, self.products.leads(item))
        for animation in animations:
            notes = [f"{param}: there is no such param"] if not there else list(dict.fromkeys(fields.notes))
            self._finish(animation, item, param, leads, notes)

    def _begin(self, product: Product) -> Animation:
        assert product.domain is not None
        scale = difference_scale(product.param) if product.kind == "difference" else scale_of(product.param)
        return Animation(product, Canvas(self.rasters.view(product.domain), scale))

    def _add_frame(
        self,
        animation: Animation,
        fields: Fields,
        param: str,
        lead: timedelta,
        values: np.ndarray | None,
        truth: tuple[dict[int, TruthFields], dict[int, np.ndarray | None]],
    ) -> None:
        number = animation.product.truth
        other = None if number is None else truth[1].get(number)
        if values is None or (number is not None and other is None):
            animation.canvas.add(None)
            return
        if animation.raster is None:
            animation.raster = self.rasters.raster(fields.grid(param), animation.domain, values)
        pixels = animation.raster.spread(values)
        over = None
        if number is not None and other is not None:
            if animation.truth_raster is None:
                animation.truth_raster = self.rasters.raster(truth[0][number].grid(param), animation.domain, other)
            pixels = pixels - animation.truth_raster.spread(other)
        elif self.spec.wind != "none" and param.startswith("SP_"):
            over = draw_wind(fields, animation.raster, param, lead, self.spec.wind)
        animation.canvas.add(pixels, over)

    def _finish(
        self, animation: Animation, item: Item, param: str, leads: list[timedelta], notes: Iterable[str]
    ) -> None:
        product, canvas = animation.product, animation.canvas
        outline = animation.raster.outline() if animation.raster is not None else None
        lines = self.rasters.lines(animation.domain, outline if outline is not None and outline.any() else None)
        title = param_named(param).long_name + (", forecast minus truth" if product.kind == "difference" else "")
        write_frames(product.path, make_frame_file(canvas, lines, param, title, item.init_time, leads, list(notes)))
        self.drawn += 1


def draw_pack(spec: ShowcaseSpec, prepared: Prepared, pack: ShowcasePack) -> PackDrawn:
    """Draw what the store lacks of a pack; an item that cannot be read ends nothing but itself."""
    drawer = Drawer(spec, prepared)
    for item in pack.items:
        try:
            drawer.draw(item)
        except UserError as error:
            label = spec.sources[item.source].label if item.source is not None else drawer.products.truth(item).label
            drawer.problems.append(f"{label} {item.init_time}: {error}")
    return PackDrawn(drawn=drawer.drawn, problems=list(dict.fromkeys(drawer.problems)))
