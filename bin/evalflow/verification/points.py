"""The stored points of a comparison: weights, atoms, and how grids fill them."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalflow.fields.grids import Grid
from evalflow.fields.points.atoms import Atoms
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.points.npz import read_arrays
from evalflow.scores.boxes import cut_boxes
from evalflow.scores.sums import Points
from evalflow.store.files import new_in_store
from evalflow.store.layout import comparison_folder
from evalflow.verification.found import (
    ELEVATION_ARRAYS,
    TARGET,
    TARGET_ARRAYS,
    TARGET_VERSION,
    DomainFound,
    atoms_name,
    elevation_name,
    mapping_name,
)
from evalflow.verification.spec import VerificationSpec


@dataclass(frozen=True, eq=False)
class TargetPoints:
    """The points that are verified, in the domain's order.

    Attributes
    ----------
    latitudes, longitudes : float64 [n], degrees
    weights : float64 [n], or None: all 1
    elevation : float32 [n], m, of the truth; or None
    names : of stations, or none
    atoms : how regions cut them
    """

    latitudes: np.ndarray
    longitudes: np.ndarray
    weights: np.ndarray | None
    elevation: np.ndarray | None
    names: tuple[str, ...]
    atoms: Atoms

    def measured(self, scales: list[float]) -> Points:
        """Return the points sorted by atom, as sums are measured at them."""
        order = self.atoms.order
        boxes = {scale: cut_boxes(self.latitudes, self.longitudes, scale)[order] for scale in scales}
        weights = None if self.weights is None else self.weights[order]
        return Points(len(order), self.atoms.starts, weights, order, boxes)


def read_target(store: Path, found: DomainFound) -> TargetPoints:
    """Return the points of a domain.

    Raises
    ------
    UserError
        Where a file of it is damaged.
    """
    folder = comparison_folder(store, found.verif_id)
    stored = read_arrays(folder / TARGET, "file of points", TARGET_VERSION, TARGET_ARRAYS)
    points, elevation = stored["points"], None
    if found.elevation is not None:
        path = folder / elevation_name(found.elevation)
        elevation = read_arrays(path, "file of elevations", TARGET_VERSION, ELEVATION_ARRAYS)["elevation"]
    return TargetPoints(
        latitudes=stored["latitudes"][points],
        longitudes=stored["longitudes"][points],
        weights=stored["weights"] if stored["weights"].size else None,
        elevation=elevation,
        names=tuple(stored["names"].tolist()),
        atoms=Atoms.load(folder / atoms_name(found.atoms)),
    )


def find_points(spec: VerificationSpec, found: DomainFound, grid: Grid, role: str = "mapping") -> Mapping:
    """Return how the points are filled from a grid: stored, else computed and stored.

    Raises
    ------
    UserError
        Where the config asks for a way that this grid does not allow, or a file of the domain is
        damaged.
    """
    path = comparison_folder(spec.store, found.verif_id) / mapping_name(grid, role)
    if not path.exists():
        # A grid that no first forecast had. The module imports scipy, which takes long.
        compute = importlib.import_module("evalflow.verification.new_mapping").compute_mapping
        with new_in_store(path) as temporary:
            compute(spec, found, grid).save(temporary)
    return Mapping.load(path)
