"""GRIB: an index of messages, their values and their grids."""
