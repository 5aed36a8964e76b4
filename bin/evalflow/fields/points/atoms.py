"""Points cut into atoms: sets of points that lie in the same regions.

Points are kept sorted by atom, so that the sums of all atoms are one `np.add.reduceat`, and the sum
of a region is that of its atoms: seven regions cost no more than one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.points.npz import read_arrays, write_arrays

ALL = "all"
"""The region of all points of the domain."""

VERSION = 1


class Area(Protocol):
    """What atoms need of a region (regions.py makes them, with shapely)."""

    @property
    def name(self) -> str:
        """Name by which scores are shown."""

    @property
    def origin(self) -> str:
        """Where it is from, for messages."""

    @property
    def digest(self) -> str:
        """Digest of its polygons."""

    def contains(self, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
        """Return which points (degrees, [n]) lie in it, bool [n]."""


@dataclass(frozen=True, eq=False)
class Atoms:
    """The atoms of a domain.

    Attributes
    ----------
    order : int64 [n], the points of the domain sorted by atom, and in an atom as they are in the
        domain
    starts : int64 [atoms], where in `order` each atom begins, as `np.add.reduceat` takes them; no
        atom is empty
    members : for each region, and for `all`, which atoms lie in it, bool [atoms]
    digests : for each region the digest of its polygons
    """

    order: np.ndarray
    starts: np.ndarray
    members: Mapping[str, np.ndarray]
    digests: Mapping[str, str]

    @property
    def count(self) -> int:
        """Return the number of atoms."""
        return len(self.starts)

    @cached_property
    def sizes(self) -> np.ndarray:
        """The number of points of each atom, int64 [atoms]."""
        return np.diff(np.append(self.starts, len(self.order)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the points of each atom and the polygons of its regions; names do not count."""
        found = hashlib.sha256(self.order.astype("<i8").tobytes() + self.starts.astype("<i8").tobytes())
        for digest, name in sorted((digest, name) for name, digest in self.digests.items()):
            found.update(digest.encode() + np.packbits(self.members[name]).tobytes())
        return found.hexdigest()

    def sort(self, values: np.ndarray) -> np.ndarray:
        """Return values at the points of the domain [..., n] sorted by atom."""
        return values[..., self.order]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of each atom, [..., atoms], of values that are sorted by atom [..., n]."""
        return np.add.reduceat(values, self.starts, axis=-1)

    def of_region(self, name: str, sums: np.ndarray) -> np.ndarray:
        """Return the sum of a region [...] from those of the atoms [..., atoms]."""
        return sums[..., self.members[name]].sum(axis=-1)

    def points_of(self, name: str) -> int:
        """Return how many points of the domain lie in a region."""
        return int(self.sizes[self.members[name]].sum())

    def save(self, path: Path) -> None:
        """Write the atoms to a file (NumPy's .npz without objects)."""
        names = list(self.members)
        write_arrays(
            path,
            version=np.int64(VERSION),
            order=self.order,
            starts=self.starts,
            names=np.array(names, dtype="U"),
            members=np.array([self.members[name] for name in names]),
            digests=np.array([self.digests.get(name, "") for name in names], dtype="U"),
        )

    @classmethod
    def load(cls, path: Path) -> "Atoms":
        """Read atoms that `save` wrote; raise UserError if the file is damaged or another one."""
        arrays = read_arrays(path, "file of atoms", VERSION, ("order", "starts", "names", "members", "digests"))
        names = arrays["names"].tolist()
        digests = {name: text for name, text in zip(names, arrays["digests"].tolist(), strict=True) if text}
        return cls(arrays["order"], arrays["starts"], dict(zip(names, arrays["members"], strict=True)), digests)


def cut_atoms(regions: Sequence[Area], latitudes: np.ndarray, longitudes: np.ndarray) -> Atoms:
    """Return the atoms of the points of a domain (degrees, [n]).

    Which atoms there are, and their order, follows from the regions' polygons: neither from their
    names nor from their order.

    Parameters
    ----------
    regions : of different names (`regions.each_once`)

    Raises
    ------
    UserError
        Where there is no point. A region that holds none is no error here: `outside` tells.
    """
    latitudes, longitudes = np.asarray(latitudes), np.asarray(longitudes)
    if not latitudes.size:
        raise UserError("the domain holds no point: there is nothing to verify")
    inside = {region.name: region.contains(latitudes, longitudes) for region in regions}
    if len(inside) != len(regions):
        raise ValueError("two regions have one name")
    pattern = np.zeros(latitudes.size, np.int64)
    for _, name in sorted({region.digest: region.name for region in regions}.items()):
        # Numbered anew each time: any number of regions fits.
        _, pattern = np.unique(2 * pattern + inside[name], return_inverse=True)
    order = np.argsort(pattern, kind="stable")
    starts = np.flatnonzero(np.diff(pattern[order], prepend=-1))
    members = {name: mask[order[starts]] for name, mask in inside.items()}
    return Atoms(
        order, starts, {ALL: np.ones(len(starts), bool), **members}, {region.name: region.digest for region in regions}
    )


def outside(atoms: Atoms, regions: Sequence[Area]) -> list[str]:
    """Return a line for each region that holds no point of the domain."""
    return [
        f"region {region.name} ({region.origin}) holds none of the {len(atoms.order)} points of the domain"
        for region in regions
        if not atoms.members[region.name].any()
    ]
