"""Which points are verified: those in the domain that the sources cover."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.grids import Grid
from evalflow.fields.points.atoms import Area

Choice = Literal["common", "truth"]


@dataclass(frozen=True)
class Coverage:
    """What one source means for the domain.

    Attributes
    ----------
    source : its name
    covers : how many of the points it covers
    lacks : how many of the points it does not cover
    alone : how many of these all other sources cover, so that they would be common without it
    """

    source: str
    covers: int
    lacks: int
    alone: int


@dataclass(frozen=True, eq=False)
class Domain:
    """The points that are verified.

    Attributes
    ----------
    name : `common`, `truth`, or the name of a box or region
    points : which points of the target grid are verified, bool [n]
    available : how many there are to choose from: that the truth covers and that lie in the box or
        region
    coverage : of these points what each source covers, sorted by name
    """

    name: str
    points: np.ndarray
    available: int
    coverage: tuple[Coverage, ...]

    @property
    def size(self) -> int:
        """Return the number of points that are verified."""
        return int(self.points.sum())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of which points of the target grid are verified."""
        return hashlib.sha256(f"{len(self.points)} ".encode() + np.packbits(self.points).tobytes()).hexdigest()

    @property
    def complete(self) -> tuple[str, ...]:
        """Return the sources that cover the domain: all of them where it is the common one."""
        return tuple(one.source for one in self.coverage if self.name == "common" or not one.lacks)

    def left_out(self) -> list[str]:
        """Return a line for each source that covers less than a named domain, and is left out."""
        return [
            f"{one.source} covers {one.covers:,} of the {self.available:,} points of the domain {self.name} "
            "and is left out of it; `domain: common` compares where all sources are"
            for one in self.coverage
            if one.source not in self.complete
        ]

    def table(self) -> list[str]:
        """Return lines that say how many points each source takes away."""
        head = ("source", "covers", "takes away", "it alone")
        rows = [(one.source, f"{one.covers:,}", f"{one.lacks:,}", f"{one.alone:,}") for one in self.coverage]
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(4)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in (head, *rows)
        ]
        return [f"domain {self.name}: {self.size:,} of {self.available:,} points", *lines]


def find_domain(
    choice: Choice | Area, target: Grid, covered: Mapping[str, np.ndarray], truth: np.ndarray | None = None
) -> Domain:
    """Return the points of `target` that are verified.

    Parameters
    ----------
    choice : `common`: what all sources cover; `truth`: all that the truth covers; or a box or
        region
    target : the truth's grid, or the verification grid
    covered : for each source which points of the target it covers, bool [n] each
        (`Mapping.covered`)
    truth : which points the truth covers, bool [n]; None: all (the target is the truth's own grid)

    Raises
    ------
    UserError
        Where no point is left; it says what each source covers.
    """
    available = np.ones(target.size, bool) if truth is None else truth.copy()
    if not available.any():
        raise UserError(f"the truth covers none of the {target.size:,} points of the verification grid")
    if not isinstance(choice, str):
        reached = int(available.sum())
        available &= choice.contains(target.latitudes, target.longitudes)
        if not available.any():
            raise UserError(f"domain {choice.name} ({choice.origin}) holds none of the truth's {reached:,} points")
    name = choice if isinstance(choice, str) else choice.name
    coverage = _coverage(available, covered)
    points = available
    if choice == "common":
        points = np.logical_and.reduce([available, *covered.values()])
        if not points.any():
            each = ", ".join(f"{one.source} {one.covers:,}" for one in coverage)
            raise UserError(
                f"domain common: none of the truth's {int(available.sum()):,} points is covered by all sources ({each}); "
                "leave a source out, or name a domain"
            )
    return Domain(name, points, int(available.sum()), coverage)


def _coverage(available: np.ndarray, covered: Mapping[str, np.ndarray]) -> tuple[Coverage, ...]:
    lacking = sum((~mask).astype(np.int32) for mask in covered.values())
    found = []
    for source in sorted(covered):
        lacks = available & ~covered[source]
        alone = int((lacks & (lacking == 1)).sum())
        found.append(Coverage(source, int((available & covered[source]).sum()), int(lacks.sum()), alone))
    return tuple(found)


def regular_grid(spacing: float) -> Grid:
    """Return the global latitude–longitude grid of a spacing in degrees, from 90°N, 0° on.

    Both poles are rows of it, as in WeatherBench 2's grids of 1.5° (121 × 240 points).

    Raises
    ------
    UserError
        Where 180° is no multiple of the spacing, or the grid would have under 8 or over 26 million
        points.
    """
    rows = round(180 / spacing) if 0.05 <= spacing <= 90 else 0
    if not rows or abs(rows * spacing - 180) > 1e-6:
        raise UserError(
            f"verification_grid: regular: {spacing} is no spacing; allowed: degrees from 0.05 to 90 of which 180 is a multiple, "
            "such as 0.25, 1, 1.5"
        )
    latitudes = 90 - np.arange(rows + 1) * (180 / rows)
    longitudes = np.arange(2 * rows) * (180 / rows)
    north, east = np.meshgrid(latitudes, longitudes, indexing="ij")
    return Grid(north, east, "regular", north.shape)
