"""What the store has of the showcase: which animations there are, and what meteograms are drawn of."""

from dataclasses import dataclass, field
from pathlib import Path

from evalflow.errors import UserError
from evalflow.showcase.frames import read_head
from evalflow.showcase.meteograms import Line, Meteogram
from evalflow.showcase.products import Product, Products, all_items, file_part, truth_id
from evalflow.showcase.series import SeriesFile, read_regions, read_series
from evalflow.showcase.spec import Item, Prepared, ShowcaseSpec
from evalflow.store.layout import init_time_of, shown_folder


@dataclass(frozen=True)
class Animation:
    """An animation that there is.

    Attributes
    ----------
    item, product : what it is of
    file : name of its frames in the folder of results
    films : (name there, path in the store)
    """

    item: Item
    product: Product
    file: str
    films: list[tuple[str, Path]]


@dataclass
class Collected:
    """All that there is to show.

    Attributes
    ----------
    animations : those with a field at least
    meteograms : name of the picture's file → what is drawn
    problems : what is missing, a line each
    """

    animations: list[Animation] = field(default_factory=list)
    meteograms: dict[str, Meteogram] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Collector:
    """Looks for products of all items."""

    def __init__(self, spec: ShowcaseSpec, prepared: Prepared) -> None:
        self.spec, self.prepared = spec, prepared
        self.products = Products(spec, prepared)
        self.found = Collected(problems=[*prepared.problems])
        self._series: dict[str, list[tuple[Item, SeriesFile]]] = {}

    def label(self, item: Item) -> str:
        """Return the label of a source or truth."""
        return self.products.truth(item).label if item.source is None else self.spec.sources[item.source].label

    def collect(self) -> Collected:
        """Return what there is."""
        for item in all_items(self.spec, self.prepared):
            try:
                wanted = self.products.of(item)
            except UserError as error:
                self.found.problems.append(str(error))
                continue
            if not wanted and item.source is not None:
                self.found.problems.append(f"{self.label(item)} {item.init_time}: there is no forecast")
            for product in wanted:
                self._add(item, product)
        self._make_meteograms()
        self.found.problems = list(dict.fromkeys(self.found.problems))
        return self.found

    def _add(self, item: Item, product: Product) -> None:
        if not product.path.is_file():
            self.found.problems.append(f"{self.label(item)} {item.init_time}: {_what(product)} could not be drawn")
        elif product.kind == "series":
            series = read_series(product.path)
            if series is None:
                self.found.problems.append(f"{product.path}: damaged; remove it, and the next launch makes it again")
            else:
                self._series.setdefault(item.init_time, []).append((item, series))
                self._add_notes(item, series.notes)
        else:
            self._add_animation(item, product)

    def _add_notes(self, item: Item, notes: list[str]) -> None:
        self.found.problems += [f"{self.label(item)} {item.init_time}: {note}" for note in notes]

    def _add_animation(self, item: Item, product: Product) -> None:
        assert product.domain is not None
        try:
            empty, notes = read_head(product.path)
        except UserError as error:
            self.found.problems.append(str(error))
            return
        if product.kind == "frames":
            self._add_notes(item, notes)
        if empty:
            return
        against = "" if product.truth is None else f"_minus_{truth_id(self.spec.truths[product.truth])}"
        stem = f"{item.init_time}_{product.param}_{file_part(product.domain.name)}{against}"
        folder = shown_folder(self.spec.results, self.products.id_of(item)).relative_to(self.spec.results)
        films = [(f"{folder}/{stem}{path.suffix}", path) for path in self.products.films(product) if path.is_file()]
        self.found.animations.append(Animation(item, product, f"{folder}/{stem}.js", films))

    def _make_meteograms(self) -> None:
        regions = read_regions(self.spec.regions, [])
        names = [*(one.name for one in self.prepared.stations), *(one.name for one in regions)]
        for init_time, series in self._series.items():
            for row, name in enumerate(names):
                meteogram = self._meteogram(init_time, row, name, series)
                if any(line.params for line in meteogram.lines):
                    kind = "" if row < len(self.prepared.stations) else "region-"
                    path = f"showcase/meteograms/{init_time}_{kind}{file_part(name)}.png"
                    self.found.meteograms[path] = meteogram
                else:
                    self.found.problems.append(
                        f"{name} {init_time}: lies outside of all sources; there is no meteogram"
                    )

    def _meteogram(self, init_time: str, row: int, name: str, series: list[tuple[Item, SeriesFile]]) -> Meteogram:
        station = self.prepared.stations[row] if row < len(self.prepared.stations) else None
        where = "" if station is None else f"{_degrees(station.lat, 'N', 'S')} {_degrees(station.lon, 'E', 'W')}"
        lines = []
        for item, found in series:
            point = found.points[row] if station is not None else None
            there = {
                param: one for param, one in found.params.items() if any(value is not None for value in one.values[row])
            }
            lines.append(Line(self.label(item), item.source, item.truth or 0, point, there, row))
        return Meteogram(
            name=name,
            where=where,
            elevation=None if station is None else station.elevation,
            init_time=init_time_of(init_time),
            params=self.spec.params,
            lines=lines,
            lapse_rate=self.spec.lapse_rate,
        )


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):.2f}°{positive if value >= 0 else negative}"


def _what(product: Product) -> str:
    if product.kind == "series":
        return "its time series"
    minus = " minus truth" if product.kind == "difference" else ""
    return f"{product.param}{minus}, {product.domain.name if product.domain else ''},"
