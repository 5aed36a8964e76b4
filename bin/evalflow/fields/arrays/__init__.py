"""NetCDF and Zarr: named arrays, and readers of the layouts that people use."""
