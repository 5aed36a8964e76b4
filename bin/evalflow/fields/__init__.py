"""Weather fields as numbers: readers, the table of params, grids and mapping.

Nothing is imported here: each module brings the one library that it needs (ecCodes, netCDF4, zarr,
pyproj, scipy, shapely), so that a task which reads GRIB does not wait for the others.
"""
