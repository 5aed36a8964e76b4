"""Files of sums at points: one per source and block of ten days, for score maps.

A file is called `{block}.{holds}.npz`; `block` is its first day, and `holds` is a digest of which
init times it was asked to hold, for which params and lead times, and of what each was made from.
The rules are those of files of statistics (`holdings`): where everything is there, one name is
expected and no file is opened; where something was added since, another file holds just that.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from evalflow.digests import digest
from evalflow.documents import Document
from evalflow.errors import UserError
from evalflow.fields.points.npz import read_arrays, write_arrays
from evalflow.scores.point_sums import PointSums
from evalflow.store.files import new_in_store, set_aside
from evalflow.verification.holdings import list_named
from evalflow.verification.spec import MapsSpec, SourceEntry

VERSION = 1
_WHAT = "file of sums at points"
_NAME = re.compile(r"(\d{8})\.([0-9a-f]{12})\.npz")
_ABOUT = "about"
"""Array of a file: what it holds, as bytes of JSON."""

Cell = tuple[str, int]
"""A param, and a lead time in minutes."""
Cells = dict[Cell, dict[str, str]]
"""Cell → init time → digest of what its field, its truth and its valid points follow from."""


def cells_of(maps: MapsSpec | None, source: SourceEntry) -> list[Cell]:
    """Return the params and lead times (minutes) of which a source is mapped."""
    if maps is None:
        return []
    minutes = sorted(round(hours * 60) for hours in maps.lead_times if hours in source.lead_times)
    return [(param, one) for param in maps.params for one in minutes]


class CellHeld(Document):
    """What a file holds of one param and lead time."""

    param: str = Field(description="The param.")
    minutes: int = Field(description="Lead time in minutes.")
    asked: dict[str, str] = Field(description="Init time that was asked for → digest of what it was made from.")
    given: list[str] = Field(description="Init times that have a pair at some point.")

    def serves(self, wanted: dict[str, str]) -> bool:
        """Return whether the sums are those of the wanted init times: of all asked for, or of all that have pairs."""
        return wanted in (self.asked, {name: self.asked[name] for name in self.given})


class MapHeld(Document):
    """What a file of sums at points holds."""

    source: str = Field(description="source_id.")
    verif_id: str = Field(description="The comparison.")
    cells: list[CellHeld] = Field(description="What it holds of each param and lead time.")

    @property
    def holds(self) -> str:
        """What stands for it in a file's name."""
        return _holds({(cell.param, cell.minutes): cell.asked for cell in self.cells})


def _holds(cells: Cells) -> str:
    return digest([[param, minutes, cells[param, minutes]] for param, minutes in sorted(cells)])[:12]


@dataclass(frozen=True)
class MapFile:
    """A file of sums at points: where it is, and what it holds."""

    path: Path
    held: MapHeld

    def serves(self, cell: Cell, wanted: dict[str, str]) -> bool:
        """Return whether it holds the wanted sums."""
        return any((one.param, one.minutes) == cell and one.serves(wanted) for one in self.held.cells)

    def read(self, cell: Cell) -> PointSums:
        """Return the sums of a param and lead time.

        Raises
        ------
        UserError
            Where the file is damaged.
        """
        hours, count, sums = _names(cell)
        arrays = read_arrays(self.path, _WHAT, VERSION, (hours, count, sums))
        return PointSums(tuple(arrays[hours].tolist()), arrays[count], arrays[sums])


def _names(cell: Cell) -> tuple[str, str, str]:
    param, minutes = cell
    return f"{param}.{minutes}.hours", f"{param}.{minutes}.count", f"{param}.{minutes}.sums"


def write_map_file(folder: Path, block: str, held: MapHeld, sums: dict[Cell, PointSums]) -> None:
    """Put a file into the store; what has its name already stays."""
    arrays: dict[str, np.ndarray] = {"version": np.array(VERSION)}
    arrays[_ABOUT] = np.frombuffer(held.to_json().encode(), np.uint8)
    for cell, one in sums.items():
        values = np.array(one.hours, np.int8), one.count, one.sums
        arrays |= dict(zip(_names(cell), values, strict=True))
    with new_in_store(folder / f"{block}.{held.holds}.npz") as temporary:
        write_arrays(temporary, **arrays)


def list_map_files(folder: Path) -> dict[str, list[Path]]:
    """Return block → files of sums at points in a source's folder of them, in the order of their names."""
    return list_named(folder, _NAME)


def open_map_file(path: Path, verify: bool = False) -> MapFile | None:
    """Return a file, or None: a damaged or foreign one is set aside.

    Parameters
    ----------
    verify : whether every byte is looked at
    """
    try:
        text = read_arrays(path, _WHAT, VERSION, (_ABOUT,))[_ABOUT].tobytes()
        held = MapHeld.from_json(text.decode(errors="replace"), str(path))
        file = MapFile(path, held)
        if path.name.endswith(f".{held.holds}.npz"):
            for cell in held.cells if verify else []:
                file.read((cell.param, cell.minutes))
            return file
    except UserError:
        pass
    set_aside(path)
    return None


def find_map_files(wanted: Cells, paths: Iterable[Path], verify: bool = False) -> dict[Cell, MapFile]:
    """Return for each wanted param and lead time that the files of a block hold the file that does.

    Where one has the expected name, no other is opened.
    """
    if not wanted:
        return {}
    expected, paths = f".{_holds(wanted)}.npz", list(paths)
    chosen = [path for path in paths if path.name.endswith(expected)] or paths
    files = [file for path in chosen if (file := open_map_file(path, verify)) is not None]
    found = {cell: next((file for file in files if file.serves(cell, inits)), None) for cell, inits in wanted.items()}
    return {cell: file for cell, file in found.items() if file is not None}


def lacking_cells(wanted: Cells, paths: list[Path], verify: bool = False) -> Cells:
    """Return what of the wanted the files of a block lack.

    Parameters
    ----------
    verify : whether every byte of the files is looked at; else one with the expected name is trusted
    """
    if not verify and any(path.name.endswith(f".{_holds(wanted)}.npz") for path in paths):
        return {}
    found = find_map_files(wanted, paths, verify)
    return {cell: inits for cell, inits in wanted.items() if cell not in found}
