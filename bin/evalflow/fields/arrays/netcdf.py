"""NetCDF files as named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from evalflow.errors import UserError
from evalflow.fields.arrays.named import Arrays, Index


@dataclass(frozen=True)
class NetcdfVariable:
    """A variable of a NetCDF file; see `named.Variable`."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attrs: Mapping[str, Any]
    path: str
    source: netCDF4.Variable

    def chunk(self, dim: str) -> int:
        """Return how many places along a dimension are stored together."""
        chunks = self.source.chunking()
        # What is not chunked is stored row by row: nothing more comes with a place of a row.
        return 1 if chunks == "contiguous" or chunks is None else chunks[self.dims.index(dim)]

    def read(self, index: Mapping[str, Index] | None = None) -> np.ndarray:
        """Return values, unpacked, missing ones as NaN."""
        places = tuple((index or {}).get(dim, slice(None)) for dim in self.dims)
        try:
            values: Any = self.source[places] if places else self.source[...]
        except (OSError, RuntimeError, IndexError) as error:
            raise UserError(f"{self.path}: {self.name} cannot be read: {error}") from None
        if isinstance(values, np.ma.MaskedArray):
            if values.dtype.kind not in "iuf" or not np.any(values.mask):
                return values.data
            kind = values.dtype if values.dtype.kind == "f" else np.float64
            return np.ma.filled(values.astype(kind), np.nan)
        return np.asarray(values)

    def files(self, index: Mapping[str, Index]) -> list[Path]:
        """Return the file."""
        return [Path(self.path)]


def open_netcdf(path: Path | str) -> Arrays:
    """Return the variables of a NetCDF file. It stays open for as long as they are used.

    Raises
    ------
    UserError
        Where the file is missing, or no NetCDF.
    """
    try:
        source = netCDF4.Dataset(str(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{path}: cannot be read as NetCDF: {reason}") from None
    variables = {}
    for name, variable in source.variables.items():
        attrs = {key: variable.getncattr(key) for key in variable.ncattrs()}
        dtype = np.dtype(variable.dtype) if variable.dtype is not str else np.dtype(object)
        variables[name] = NetcdfVariable(name, variable.dimensions, variable.shape, dtype, attrs, str(path), variable)
    return Arrays(str(path), variables, {key: source.getncattr(key) for key in source.ncattrs()})
