"""What there is to draw: stations with their coordinates, truths that can be opened, packs of what the store lacks."""

import difflib

from evalflow.errors import UserError
from evalflow.fields.observations.stations import station_key
from evalflow.fields.params import param_named
from evalflow.showcase.products import Products, all_items, possible_leads, try_lacking, usable_formats
from evalflow.showcase.reading import Opened, can_draw
from evalflow.showcase.series import read_regions
from evalflow.showcase.spec import Item, Prepared, ShowcasePack, ShowcaseSpec, StationEntry, StationFound, TruthFound

PACK_FRAMES = 400
"""Frames that a task draws: about a minute."""
_NEAR = 3
"""How many names are offered in place of a station that is not known."""


class _Truths:
    """The truths of a showcase, with their stations."""

    def __init__(self, spec: ShowcaseSpec, opened: Opened, problems: list[str]) -> None:
        self.spec, self.opened, self.problems = spec, opened, problems
        self.stations: dict[str, StationFound] = {}
        self.found = [self._look(number) for number in range(len(spec.truths))]

    def _look(self, number: int) -> TruthFound | None:
        label = self.spec.truths[number].label
        try:
            archive = self.opened.archive(number)
            params = [param for param in self.spec.params if can_draw(archive, param)]
            grid = archive.grid(params[0]) if params else None
        except UserError as error:
            self.problems.append(f"showcase: truth {label}: {error}")
            return None
        if grid is None:
            self.problems.append(f"showcase: truth {label} has none of the params {', '.join(self.spec.params)}")
            return None
        for place, name in enumerate(grid.names or ()):
            height = None if grid.elevation is None else float(grid.elevation[place])
            found = StationFound(
                name=name,
                lat=round(float(grid.latitudes[place]), 6),
                lon=round(float(grid.longitudes[place]), 6),
                elevation=None if height is None or height != height else round(height, 1),
                truth=number,
            )
            self.stations.setdefault(station_key(name), found)
        return TruthFound(gridded=grid.kind != "stations", params=params)

    def station(self, entry: StationEntry) -> StationFound | None:
        """Return a station with its coordinates; where it is not known, a line is added to the problems."""
        if entry.lat is not None and entry.lon is not None:
            return StationFound(name=entry.name, lat=entry.lat, lon=entry.lon, elevation=entry.elevation)
        known = self.stations.get(station_key(entry.name))
        if known:
            return known.model_copy(update={"name": entry.name})
        names = {station.name.upper(): station.name for station in self.stations.values()}
        near = [names[one] for one in difflib.get_close_matches(entry.name.upper(), list(names), n=_NEAR)]
        if near:
            cure = f"did you mean {' or '.join(near)}?"
        else:
            cure = "give {name, lat, lon} in place of its name, or a truth that has it"
        self.problems.append(f"showcase.meteograms.stations: no truth has a station {entry.name}; {cure}")
        return None


def _frames_of(spec: ShowcaseSpec, products: Products, item: Item, lacking: int) -> int:
    return max(1, lacking * max(len(possible_leads(param, products.leads(item))) for param in spec.params))


def _packs(spec: ShowcaseSpec, products: Products, problems: list[str]) -> list[ShowcasePack]:
    """Return packs of what the store lacks; what this launch is still to make is lacking, too."""
    packs: list[ShowcasePack] = []
    items: list[Item] = []
    awaited: list[tuple[str, str]] = []
    size = 0

    def close() -> None:
        nonlocal size
        if items:
            name = f"{products.id_of(items[0])} {items[0].init_time}"
            more = f" and {len(items) - 1} more" if len(items) > 1 else ""
            packs.append(ShowcasePack(id=f"{len(packs) + 1}: {name}{more}", items=[*items], awaited=[*awaited]))
        items.clear()
        awaited.clear()
        size = 0

    for item in all_items(spec, products.prepared):
        source_id = products.id_of(item)
        waits = item.init_time in spec.awaited.get(source_id, [])
        lacking = [] if waits else try_lacking(products, item, problems)
        if not waits and not lacking:
            continue
        items.append(item)
        awaited += [(source_id, item.init_time)] if waits else []
        size += _frames_of(spec, products, item, len(lacking) or 2 * len(spec.params) * max(len(spec.domains), 1))
        if size >= PACK_FRAMES:
            close()
    close()
    return packs


def param_problem(param: str) -> str:
    """Return why a param is not known, with the name that is nearest."""
    try:
        return param_named(param).name
    except UserError as error:
        return str(error).partition(";")[0]


def prepare(spec: ShowcaseSpec) -> Prepared:
    """Return what is to be drawn, and what the store lacks of it."""
    problems = [f"showcase.params: {param_problem(param)}; it is left out" for param in spec.unknown_params]
    truths = _Truths(spec, Opened(spec), problems)
    stations = [found for found in map(truths.station, spec.stations) if found]
    regions = [region.digest for region in read_regions(spec.regions, problems)]
    if "mp4" in spec.formats and "mp4" not in usable_formats():
        problems.append(
            "showcase.animations.formats: there is no ffmpeg on PATH, which mp4 needs; the other formats are made"
        )
    prepared = Prepared(stations=stations, truths=truths.found, regions=regions, packs=[], problems=problems)
    packs = _packs(spec, Products(spec, prepared), problems) if spec.params else []
    return prepared.model_copy(update={"packs": packs, "problems": list(dict.fromkeys(problems))})
