"""Small files of fields: the same arrays as NetCDF, Zarr 2 and Zarr 3."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import zarr
from evalflow.fields.arrays.named import Arrays
from evalflow.fields.arrays.netcdf import open_netcdf
from evalflow.fields.arrays.zarrs import open_zarr

FORMATS = ("nc", "zarr2", "zarr3")

Variables = dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]
"""Name → (dimensions, values, attributes)."""


def write_netcdf(path: Path, variables: Variables, attrs: dict[str, Any] | None = None, chunks: Any = None) -> Path:
    """Write variables as NetCDF."""
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts(attrs or {})
        for name, (dims, values, attributes) in variables.items():
            values = np.asarray(values)
            for dim, size in zip(dims, values.shape, strict=True):
                if dim not in file.dimensions:
                    file.createDimension(dim, size)
            attributes = dict(attributes)
            kind = str if values.dtype.kind in "UO" else values.dtype
            filling = attributes.pop("_FillValue", None)
            variable = file.createVariable(
                name, kind, dims, fill_value=filling, chunksizes=(chunks or {}).get(name) if dims else None
            )
            variable.set_auto_maskandscale(False)
            variable.setncatts(attributes)
            variable[...] = values.astype(object) if kind is str else values
    return path


def write_zarr(
    path: Path, variables: Variables, attrs: dict[str, Any] | None = None, chunks: Any = None, version: int = 2
) -> Path:
    """Write variables as a Zarr store, as xarray does.

    Dimensions are an attribute (version 2) or in the metadata (version 3).
    """
    group = zarr.open_group(path, mode="w", zarr_format=version)
    group.attrs.update(attrs or {})
    for name, (dims, values, attributes) in variables.items():
        values = np.asarray(values)
        options: dict[str, Any] = {"dimension_names": dims} if version == 3 else {}
        attributes = dict(attributes) | ({"_ARRAY_DIMENSIONS": list(dims)} if version == 2 else {})
        filling = attributes.pop("_FillValue", None) if version == 2 else None
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=str if values.dtype.kind == "U" else values.dtype,
            chunks=(chunks or {}).get(name, "auto"),
            fill_value=filling,
            **options,
        )
        array.attrs.update({key: getattr(value, "item", lambda v=value: v)() for key, value in attributes.items()})
        array[...] = values
    return path


def write_fields(path: Path, variables: Variables, how: str, attrs: Any = None, chunks: Any = None) -> Arrays:
    """Write variables in one of `FORMATS`, and open what was written."""
    if how == "nc":
        return open_netcdf(write_netcdf(path.with_suffix(".nc"), variables, attrs, chunks))
    return open_zarr(write_zarr(path.with_suffix(".zarr"), variables, attrs, chunks, int(how[-1])))
