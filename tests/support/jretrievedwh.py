"""A stand-in for MeteoSwiss's jretrievedwh.py: it prints like that, and notes each call.

The environment says what it does: FAKE_LOG (file that gets a line of JSON per call), FAKE_FAIL
(file with the number of calls that are still to fail), FAKE_FAIL_HOW (status, text or header).
"""

import base64
import json
import os
import runpy
import sys
from datetime import datetime, timedelta
from pathlib import Path

STATIONS = [
    "1;19800101000000;;tre200s0;46.79;9.68;1878.0;Arosa;ARO",
    "2;19900101000000;20001231000000;tre200s0;47.0;8.0;400.0;Zurich, old place;KLO",
    "2;20010101000000;;tre200s0;47.48;8.54;426.0;Zurich;KLO",
    "2;20010101000000;;fkl010z0;47.48;8.54;426.0;Zurich;KLO",
]
VALUES = {"tre200s0": 10.5, "fkl010z0": 4, "dkl010z0": 90, "prestas0": 960, "rre006i0": 0.3}


def main() -> None:
    """Answer one call."""
    words = sys.argv[1:]
    conf = Path(os.environ["JRETRIEVE_CONF_DIR"]) / os.environ["JRETRIEVE_CONF_NAME"]
    runpy.run_path(str(conf))
    with open(os.environ["FAKE_LOG"], "a") as log:
        log.write(json.dumps(words) + "\n")
    secret = os.environ["JRETRIEVE_CLIENT_SECRET"]
    failing = Path(os.environ.get("FAKE_FAIL", "/nowhere"))
    left = int(failing.read_text()) if failing.exists() else 0
    if left:
        failing.write_text(str(left - 1))
        if os.environ.get("FAKE_FAIL_HOW") == "text":
            print(f"ERROR: no token for {secret}")
            return
        if os.environ.get("FAKE_FAIL_HOW") == "header":
            login = f"{os.environ['JRETRIEVE_CLIENT_ID']}:{secret}"
            sys.exit(f"no token for Basic {base64.b64encode(login.encode()).decode()}")
        sys.exit(f"Traceback\nurllib.error.HTTPError: 401 for {secret}")
    option = dict(zip(words[::2], words[1::2], strict=True))
    assert (option["-s"], option["--format"]) == ("surface", "csv")
    names = option["-n"].split(",")
    if "--meta-info" in option:
        print("station;op_since;op_till;parameter;latitude;longitude;elev;stn_name;nat_abbr", *STATIONS, sep="\n")
        return
    start, end, minutes = option["-t"].split(",")
    time, last = (datetime.strptime(text, "%Y%m%d%H%M") for text in (start, end))
    print(";".join(["station", "termin", *names]))
    while time <= last:
        for station in (1, 2):
            values = [str(VALUES.get(name, "-")) if station == 2 or name == "tre200s0" else "" for name in names]
            print(f"{station};{time:%Y%m%d%H%M%S};{';'.join(values)}")
        time += timedelta(minutes=int(minutes))


if __name__ == "__main__":
    main()
