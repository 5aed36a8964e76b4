"""Which files of a Zarr store hold some times, for fingerprints."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.arrays.named import is_time, times_of
from evalflow.fields.arrays.zarrs import ZarrVariable, open_zarr

_TIMES = ("dates", "time", "valid_time", "forecast_reference_time", "init_time")
"""Names of the times along which arrays are stored, the first that a store has."""


@lru_cache(maxsize=4)
def _layout(root: str) -> tuple[dict[np.datetime64, int], tuple[ZarrVariable, ...]]:
    """Return time → place, and the arrays that have these times as a dimension."""
    variables = open_zarr(root).variables
    axis = next((variables[name] for name in _TIMES if name in variables and is_time(variables[name])), None)
    if axis is None:
        raise UserError(f"{root}: has none of the times {', '.join(_TIMES)}; it cannot be told when it was changed")
    places = {time: place for place, time in enumerate(times_of(axis, root).ravel())}
    others = [one for one in variables.values() if isinstance(one, ZarrVariable) and one.name != axis.name]
    return places, tuple(one for one in others if axis.dims[0] in one.dims)


def chunk_files(root: Path, times: Iterable[datetime]) -> list[Path]:
    """Return the files that hold the values of some times, whether they exist or not.

    Times that the store lacks have none.

    Raises
    ------
    UserError
        Where the store cannot be read or has no times.
    """
    places, along = _layout(str(root))
    wanted = sorted({places[time] for time in map(np.datetime64, times) if time in places})
    files = []
    for variable in along:
        array, axis = variable.source, variable.dims.index(_axis_of(variable, places))
        chunks = array.shards or array.chunks
        numbers = [range(-(-size // chunk)) for size, chunk in zip(array.shape, chunks, strict=True)]
        for part in sorted({place // chunks[axis] for place in wanted}):
            for number in product(*numbers[:axis], [part], *numbers[axis + 1 :]):
                files.append(root / variable.name / array.metadata.encode_chunk_key(number))
    return files


def _axis_of(variable: ZarrVariable, places: dict) -> str:
    return next(
        dim for dim, size in zip(variable.dims, variable.shape, strict=True) if dim in _TIMES or size == len(places)
    )
