"""How the points are filled from a grid that was not known when the domain was defined."""

from typing import cast

import numpy as np

from evalflow.fields.grids import Grid, Kind
from evalflow.fields.points.mapping import Mapping
from evalflow.fields.points.neighbours import find_mapping
from evalflow.fields.points.npz import read_arrays
from evalflow.store.layout import comparison_folder
from evalflow.verification.found import TARGET, TARGET_ARRAYS, TARGET_VERSION, DomainFound
from evalflow.verification.seen import mapping_options
from evalflow.verification.spec import VerificationSpec


def compute_mapping(spec: VerificationSpec, found: DomainFound, grid: Grid) -> Mapping:
    """Return how the points of a domain are filled from a grid.

    Raises
    ------
    UserError
        Where the config asks for a way that this grid does not allow, or a file of the domain is
        damaged.
    """
    path = comparison_folder(spec.store, found.verif_id) / TARGET
    stored = read_arrays(path, "file of points", TARGET_VERSION, TARGET_ARRAYS)
    kind, shape = cast(Kind, str(stored["kind"])), stored["shape"]
    # The whole grid: how far points are apart says where averages are taken, also at the edge of
    # the domain.
    target = Grid(
        stored["latitudes"], stored["longitudes"], kind, (int(shape[0]), int(shape[1])) if shape.size else None
    )
    return find_mapping(grid, target, **mapping_options(spec.comparing)).at(np.asarray(stored["points"]))
