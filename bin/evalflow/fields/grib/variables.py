"""The environment variables by which a shell gives ecCodes other tables, or other answers.

Without ecCodes itself: whoever starts a program that reads GRIB needs their names alone.
"""

OF_OTHERS = (
    "ECCODES_DEFINITION_PATH", "ECCODES_EXTRA_DEFINITION_PATH", "ECCODES_SAMPLES_PATH", "ECCODES_EXTRA_SAMPLES_PATH",
    "GRIB_DEFINITION_PATH", "GRIB_SAMPLES_PATH", "ECCODES_GRIBEX_MODE_ON", "GRIB_GRIBEX_MODE_ON",
    "ECCODES_FAIL_IF_LOG_MESSAGE", "GRIB_API_FAIL_IF_LOG_MESSAGE", "ECCODES_LOG_STREAM", "GRIB_API_LOG_STREAM",
    "ECCODES_DEBUG", "GRIB_API_DEBUG", "ECCODES_ECKIT_GEO", "ECCODES_GRIB_DATA_QUALITY_CHECKS",
    "ECCODES_GRIB_HOURLY_STEPS_WITH_UNITS", "ECCODES_GRIB_GEO_STRICT", "ECCODES_PYTHON_USE_FINDLIBS",
)  # fmt: skip
"""They change ecCodes' tables or answers, or let it end the process."""
