"""A temporal downscaler for tests: linear in time between the leads of a forecaster, or a copy of analyses without one."""

import os
import sys
from pathlib import Path

import eccodes

forecaster, output, init_time, start, end, step = sys.argv[1:]
if os.environ.get("EVALFLOW_TEST_FAIL") == init_time:
    sys.exit("the test wants this forecast to fail")
fields: dict[int, list[int]] = {}
for path in sorted(Path(forecaster).glob("*.grib")):
    with open(path, "rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            fields.setdefault(eccodes.codes_get(handle, "step", int), []).append(handle)
for lead in range(int(start), int(end) + 1, int(step)):
    before = max(known for known in fields if known <= lead)
    after = min(known for known in fields if known >= lead)
    weight = (lead - before) / (after - before) if after > before else 0.0
    with open(f"{output}/refined_{lead:03}.grib", "wb") as target:
        for early, late in zip(fields[before], fields[after], strict=True):
            values = (1 - weight) * eccodes.codes_get_values(early) + weight * eccodes.codes_get_values(late)
            handle = eccodes.codes_clone(early)
            eccodes.codes_set(handle, "step", lead)
            eccodes.codes_set_values(handle, values)
            eccodes.codes_write(handle, target)
            eccodes.codes_release(handle)
