"""A 'model' for tests: every lead time is the analysis of the init time. It reads and writes GRIB like a real one.

Set EVALFLOW_TEST_FAIL to an init time (YYYY-mm-ddTHH:MM) to make the forecast of that time fail half-way.
"""

import os
import sys

import eccodes
import yaml

config_file, output, init_time, start, end, step = sys.argv[1:]
with open(config_file) as file:
    config = yaml.safe_load(file)
date, hour = init_time[:10].replace("-", ""), init_time[11:13]
for lead in range(int(start), int(end) + 1, int(step)):
    if os.environ.get("EVALFLOW_TEST_FAIL") == init_time and lead > int(start):
        sys.exit("the test wants this forecast to fail")
    with open(config["analyses"], "rb") as source, open(f"{output}/{lead:03}.grib", "wb") as target:
        while (handle := eccodes.codes_grib_new_from_file(source)) is not None:
            if (eccodes.codes_get(handle, "dataDate", str), eccodes.codes_get(handle, "hour")) == (date, int(hour)):
                eccodes.codes_set(handle, "step", lead)
                values = eccodes.codes_get_values(handle) + config.get("offset", 0)
                eccodes.codes_set_values(handle, values)
                eccodes.codes_write(handle, target)
            eccodes.codes_release(handle)
