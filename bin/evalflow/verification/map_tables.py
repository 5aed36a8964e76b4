"""From sums at points to scores at points: `score_maps.nc` in the folder of results.

Notebooks read it, and the report draws it. It holds what the config asks for: params, lead times,
scores, seasons and init hours, of all sources that are compared together, and for each source how
sure its difference to the reference is.
"""

import uuid
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

import netCDF4
import numpy as np

from evalflow import __version__
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.fields.params import param_named
from evalflow.scores.maps import PairedTest, Totals, score_at_points
from evalflow.scores.point_sums import PointSums
from evalflow.scores.strata import seasons_of
from evalflow.scores.table import METRICS, units_of
from evalflow.store.files import set_aside
from evalflow.store.layout import maps_folder
from evalflow.verification.files import write_result
from evalflow.verification.found import DomainFound
from evalflow.verification.map_files import Cell, Cells, MapFile, cells_of, find_map_files, list_map_files
from evalflow.verification.maps import common_cells
from evalflow.verification.packs import ten_days
from evalflow.verification.points import TargetPoints, read_target
from evalflow.verification.reading import SourceStatistics
from evalflow.verification.samples import Samples
from evalflow.verification.spec import MapsSpec, VerificationSpec
from evalflow.verification.wanted import Wanted

MAPS = "score_maps.nc"
VERSION = 1
"""Raise it when the same sums would give other scores at points."""
ALL = "all"
AXES = ("step", "season", "init_hour", "point")


class MappedTruth:
    """The sums at points of all sources against one truth, over the sample that they have in common.

    Attributes
    ----------
    notes : what maps lack, a line each
    damaged : whether a file was found damaged and set aside
    """

    def __init__(self, spec: VerificationSpec, maps: MapsSpec, found: DomainFound, samples: Samples) -> None:
        self.spec, self.maps, self.found, self.samples = spec, maps, found, samples
        self.notes: list[str] = []
        self.damaged = False
        self.blocks = ten_days(spec.init_times)

    @cached_property
    def wanted(self) -> list[dict[str, Cells]]:
        """Of each source, block → what is wanted of it."""
        wanted, of_sources = Wanted(self.spec, self.found), []
        for number, source in enumerate(self.spec.sources):
            cells = partial(common_cells, SourceStatistics(wanted, source), number=number, samples=self.samples)
            of_sources.append({block: cells(inits) for block, inits in self.blocks.items()})
        return of_sources

    @cached_property
    def _files(self) -> list[dict[str, dict[Cell, MapFile]]]:
        """Of each source, block → param and lead time → the file that holds the sums."""
        files = []
        for source, blocks in zip(self.spec.sources, self.wanted, strict=True):
            there = list_map_files(maps_folder(self.spec.store, self.found.verif_id, source.source_id))
            files.append({block: find_map_files(cells, there.get(block, [])) for block, cells in blocks.items()})
        return files

    def made_from(self) -> list:
        """Return what the scores follow from."""
        there = [
            {block: sorted(f"{param} {minutes}" for param, minutes in files) for block, files in blocks.items()}
            for blocks in self._files
        ]
        wanted = [
            {block: [[*cell, inits] for cell, inits in sorted(cells.items())] for block, cells in blocks.items()}
            for blocks in self.wanted
        ]
        label = self.spec.truths[self.found.truth].label
        return [self.found.verif_id, label, self.found.points, wanted, there, self.notes]

    def cells(self) -> list[Cell]:
        """Return the params and lead times of which any source has sums."""
        return sorted({cell for blocks in self._files for files in blocks.values() for cell in files})

    def sources(self, cell: Cell) -> list[int]:
        """Return the numbers of the sources that are mapped."""
        return [number for number, blocks in enumerate(self._files) if any(cell in files for files in blocks.values())]

    def read(self, cell: Cell, season: str) -> Iterator[dict[int, PointSums]]:
        """Yield the sums of each block of a season, for those blocks that all sources have: number → sums."""
        sources = self.sources(cell)
        for block in self.blocks:
            day = np.array([f"{block[:4]}-{block[4:6]}-{block[6:]}"], "datetime64[s]")
            files = {number: self._files[number][block].get(cell) for number in sources}
            if season not in (ALL, seasons_of(day)[0]) or not all(files.values()):
                continue
            try:
                sums = {number: file.read(cell) for number, file in files.items() if file is not None}
            except UserError as error:
                self._set_aside([file for file in files.values() if file is not None], str(error))
                continue
            yield sums

    def _set_aside(self, files: Sequence[MapFile], problem: str) -> None:
        self.damaged = True
        for path in [file.path for file in files if str(file.path) in problem]:
            set_aside(path)
            for blocks in self._files:
                for held in blocks.values():
                    for cell in [cell for cell, file in held.items() if file.path == path]:
                        del held[cell]
        self._note(f"{problem.partition(';')[0]}; it is set aside; launch again to make it")

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    def note_what_is_missing(self) -> None:
        """Note params without sums, sources that are left out, and blocks that a source lacks."""
        cells, sources = self.cells(), self.spec.sources
        for param in self.maps.params:
            if param not in {name for name, _ in cells}:
                self._note(f"{param}: there is nothing to map against {self.spec.truths[self.found.truth].label}")
        for cell in cells:
            name, mapped = f"{cell[0]} {cell[1] / 60:g} h", self.sources(cell)
            for number, source in enumerate(sources):
                if number not in mapped and cell in cells_of(self.maps, source):
                    self._note(f"{name}: {source.label} is not mapped: it has too few init times, or no sums")
            for block in self.blocks:
                wanted = [number for number in mapped if cell in self.wanted[number][block]]
                lack = [sources[number].label for number in wanted if cell not in self._files[number][block]]
                if lack:
                    first = f"{block[:4]}-{block[4:6]}-{block[6:]}"
                    self._note(f"{name}: the ten days from {first} are left out: {', '.join(lack)} lacks sums there")


class _Stratum:
    """The scores of one param, lead time and season, for all init hours that are asked for."""

    def __init__(self, truth: MappedTruth, cell: Cell, season: str, reference: int | None) -> None:
        self.truth, self.cell, self.season, self.reference = truth, cell, season, reference
        self.hours = truth.maps.init_hours
        self.totals: dict[tuple[int, str], Totals] = {}
        self.blocks = dict.fromkeys(self.hours, 0)
        for block in truth.read(cell, season):
            for hour, of_sources in self._by_hour(block):
                self.blocks[hour] += 1
                for number, one in of_sources.items():
                    total = self.totals.get((number, hour))
                    self.totals[number, hour] = one if total is None else _add(total, one)

    def _by_hour(self, block: dict[int, PointSums]) -> Iterator[tuple[str, dict[int, Totals]]]:
        for hour in self.hours:
            wanted = None if hour == ALL else int(hour)
            found = {number: sums for number, one in block.items() if (sums := one.of(wanted)) is not None}
            if len(found) == len(block):
                yield hour, {number: Totals(*sums) for number, sums in found.items()}

    def p_values(self) -> Iterator[tuple[int, str, str, np.ndarray]]:
        """Yield source, init hour, score and p value of the difference to the reference, [points]."""
        reference = self.reference
        if reference is None:
            return
        tests = {
            (number, hour, score): PairedTest(score, total, self.totals[reference, hour])
            for (number, hour), total in self.totals.items()
            for score in self.truth.maps.scores
            if number != reference and (reference, hour) in self.totals
        }
        for block in self.truth.read(self.cell, self.season) if tests else []:
            for hour, of_sources in self._by_hour(block):
                for (number, at, _), test in tests.items():
                    if at == hour:
                        test.add(of_sources[number], of_sources[reference])
        for (number, hour, score), test in tests.items():
            yield number, hour, score, test.p_values()


def _add(one: Totals, other: Totals) -> Totals:
    return Totals(one.count + other.count, one.sums + other.sums)


class _Group:
    """Where the scores against one truth are written."""

    def __init__(self, group: netCDF4.Dataset, truth: MappedTruth, target: TargetPoints) -> None:
        self.group, self.truth = group, truth
        maps, sources = truth.maps, truth.spec.sources
        self.steps = sorted({minutes for _, minutes in truth.cells()})
        self._axis("source", [source.source_id for source in sources])
        self._axis("season", maps.seasons)
        self._axis("init_hour", maps.init_hours)
        self._values("step", ("step",), np.array(self.steps) / 60, units="hours", long_name="lead time")
        for name, values in (("latitude", target.latitudes), ("longitude", target.longitudes)):
            units = "degrees_north" if name == "latitude" else "degrees_east"
            self._values(name, ("point",), values, units=units, long_name=name)
        if target.names:
            self._axis("station", list(target.names), "point")
        group.setncatts(
            {"truth": truth.spec.truths[truth.found.truth].label, "at_stations": int(truth.found.at_stations)}
        )

    def _axis(self, name: str, values: list[str], dimension: str = "") -> None:
        self._dimension(dimension or name, len(values))
        self.group.createVariable(name, str, (dimension or name,))[:] = np.array(values, object)

    def _dimension(self, name: str, size: int) -> None:
        if name not in self.group.dimensions:
            self.group.createDimension(name, size)

    def _values(self, name: str, dimensions: tuple[str, ...], values: np.ndarray, **about: str) -> None:
        for dimension, size in zip(dimensions, values.shape, strict=True):
            self._dimension(dimension, size)
        variable = self.group.createVariable(name, values.dtype, dimensions)
        variable.setncatts(about)
        variable[...] = values

    def variable(self, name: str, of_source: bool, kind: str, **about: str) -> netCDF4.Variable:
        """Return a variable over step, season, init hour and point, made where there is none."""
        if name in self.group.variables:
            return self.group.variables[name]
        fill = np.float32(np.nan) if kind == "f4" else 0
        dimensions = (("source",) if of_source else ()) + AXES
        chunks = (*(1 for _ in dimensions[:-1]), self.truth.found.points)
        made = self.group.createVariable(
            name, kind, dimensions, zlib=True, complevel=1, chunksizes=chunks, fill_value=fill
        )
        made.setncatts(about)
        return made

    def write(self, stratum: _Stratum) -> None:
        """Write the scores of a stratum, how many pairs and blocks they are of, and p values."""
        (param, minutes), maps = stratum.cell, self.truth.maps
        units = param_named(param).units
        place = self.steps.index(minutes), maps.seasons.index(stratum.season)
        for (number, hour), total in stratum.totals.items():
            at = (*place, maps.init_hours.index(hour))
            self.variable(f"{param}.n", False, "i4", units="1", long_name=f"number of pairs of {param}")[at] = (
                total.count
            )
            for score in maps.scores:
                metric = METRICS[score]
                about = {"units": units_of(metric, units), "long_name": f"{metric.long_name} of {param}"}
                values = score_at_points(score, total).astype(np.float32)
                self.variable(f"{param}.{score}", True, "f4", **about)[(number, *at)] = values
        for number, hour, score, p in stratum.p_values():
            at = (*place, maps.init_hours.index(hour))
            about = {"units": "1", "long_name": f'p value of "{score} of {param} does not differ from the reference"'}
            self.variable(f"{param}.{score}.p_value", True, "f4", **about)[(number, *at)] = p.astype(np.float32)
        name = f"{param}.blocks"
        if name not in self.group.variables:
            shape = tuple(self.group.dimensions[axis].size for axis in AXES[:-1])
            long_name = "number of blocks of ten days with data"
            self._values(name, AXES[:-1], np.zeros(shape, np.int32), units="1", long_name=long_name)
        for hour, blocks in stratum.blocks.items():
            self.group.variables[name][(*place, maps.init_hours.index(hour))] = blocks


def map_experiment(spec: VerificationSpec, found: list[tuple[DomainFound, Samples]]) -> list[str]:
    """Write the scores at points of an experiment to its folder of results, unless they are up to date.

    Return what maps lack, a line each. Where the config asks for no maps, there is no such file.

    Parameters
    ----------
    found : the domain and the common sample of each truth
    """
    path = spec.results / MAPS
    if spec.maps is None:
        path.unlink(missing_ok=True)
        return []
    truths = [MappedTruth(spec, spec.maps, domain, samples) for domain, samples in found if domain.points]
    for truth in truths:
        truth.note_what_is_missing()
    parts = [truth.made_from() for truth in truths]
    settings = spec.maps.model_dump(mode="json")
    made_from = digest([VERSION, settings, spec.references[:1], [one.source_id for one in spec.sources], parts])
    if not _up_to_date(spec, made_from):
        write_result(path, partial(_write_truths, truths=truths, made_from=made_from))
    return list(dict.fromkeys(line for truth in truths for line in truth.notes))


def _up_to_date(spec: VerificationSpec, made_from: str) -> bool:
    try:
        with netCDF4.Dataset(spec.results / MAPS) as file:
            return bool(file.made_from == made_from)
    except (OSError, AttributeError):
        return False


def _write_truths(path: Path, truths: list[MappedTruth], made_from: str) -> None:
    with netCDF4.Dataset(path, "w") as file:
        for number, truth in enumerate(truths):
            _write_truth(file if number == 0 else file.createGroup(f"truth_{number + 1}"), truth)
        notes = list(dict.fromkeys(line for truth in truths for line in truth.notes))
        if any(truth.damaged for truth in truths):  # then the next launch makes this file again
            made_from = f"damaged {uuid.uuid4().hex}"
        about = {"evalflow": __version__, "made_from": made_from, "notes": "\n".join(notes)}
        file.setncatts(
            about | {"reference": truths[0].spec.references[0] if truths and truths[0].spec.references else ""}
        )


def _write_truth(group: netCDF4.Dataset, truth: MappedTruth) -> None:
    spec = truth.spec
    ids = [source.source_id for source in spec.sources]
    out = _Group(group, truth, read_target(spec.store, truth.found))
    for cell in truth.cells():
        mapped = truth.sources(cell)
        reference = next((ids.index(one) for one in spec.references[:1] if ids.index(one) in mapped), None)
        for season in truth.maps.seasons:
            out.write(_Stratum(truth, cell, season, reference))
