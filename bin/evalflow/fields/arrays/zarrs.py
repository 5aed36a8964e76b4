"""Zarr stores of versions 2 and 3 as named arrays."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from evalflow.errors import UserError
from evalflow.fields.arrays.named import Arrays, Index


@dataclass(frozen=True)
class ZarrVariable:
    """An array of a Zarr store; see `named.Variable`."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attrs: Mapping[str, Any]
    path: str
    source: zarr.Array

    def chunk(self, dim: str) -> int:
        """Return how many places along a dimension are stored together."""
        return self.source.chunks[self.dims.index(dim)]

    def read(self, index: Mapping[str, Index] | None = None) -> np.ndarray:
        """Return values, unpacked, missing ones as NaN."""
        places = tuple((index or {}).get(dim, slice(None)) for dim in self.dims)
        try:
            values = np.asarray(self.source.oindex[places] if places else self.source[...])
        except (OSError, ValueError, RuntimeError, KeyError, IndexError) as error:
            raise UserError(f"{self.path}: {self.name} cannot be read: {error}") from None
        return self._unpacked(values)

    def files(self, index: Mapping[str, Index]) -> list[Path]:
        """Return the chunks (shards) that hold the values at an index and have been written."""
        sizes = self.source.shards or self.source.chunks
        places = [
            np.unique(np.atleast_1d(np.arange(length)[index.get(dim, slice(None))]) // size)
            for dim, length, size in zip(self.dims, self.shape, sizes, strict=True)
        ]
        keys = (self.source.metadata.encode_chunk_key(tuple(map(int, one))) for one in product(*places))
        found = [Path(self.path) / self.source.path / key for key in keys]
        return [path for path in found if path.exists()]

    def _unpacked(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind not in "iuf":
            return values
        scale, offset = self.attrs.get("scale_factor"), self.attrs.get("add_offset")
        missing = np.zeros(values.shape, dtype=bool)
        for filling in self._fillings():
            missing |= values == filling
        if scale is None and offset is None and not missing.any():
            return values
        unpacked = values if values.dtype.kind == "f" else values.astype(np.float64)
        unpacked = unpacked * (1 if scale is None else scale) + (0 if offset is None else offset)
        return np.where(missing, np.nan, unpacked)

    def _fillings(self) -> list[Any]:
        """Return the values that stand for missing ones, NaN excepted.

        xarray writes `_FillValue` as an attribute in version 3 (floats as base64), and as the
        array's fill value in version 2. There a fill value of 0 is what arrays have whose writer
        thought of none: dry or freezing places are not missing.
        """
        found = [self.attrs[key] for key in ("_FillValue", "missing_value") if self.attrs.get(key) is not None]
        found = [np.frombuffer(base64.b64decode(one), self.dtype)[0] if isinstance(one, str) else one for one in found]
        own = self.source.fill_value if self.source.metadata.zarr_format == 2 else None
        if own is not None and (own != 0 or "scale_factor" in self.attrs):
            found.append(own)
        return [one for one in found if one == one]


def open_zarr(path: Path | str) -> Arrays:
    """Return the arrays of a Zarr store's root group.

    Raises
    ------
    UserError
        Where there is no store, or its metadata cannot be read.
    """
    try:
        group = zarr.open_group(str(path), mode="r")
        arrays = dict(group.arrays())
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = "no Zarr store" if isinstance(error, FileNotFoundError) else f"cannot be read as Zarr: {error}"
        raise UserError(f"{path}: {' '.join(reason.split())}") from None
    variables = {}
    for name, array in arrays.items():
        attrs = dict(array.attrs)
        dims: Any = attrs.pop("_ARRAY_DIMENSIONS", None) or getattr(array.metadata, "dimension_names", None) or ()
        if len(dims) == array.ndim:
            variables[name] = ZarrVariable(name, tuple(dims), array.shape, array.dtype, attrs, str(path), array)
    return Arrays(str(path), variables, dict(group.attrs))
