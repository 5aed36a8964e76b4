"""A command that prints a table of observations."""

import sys
from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.observations.command import open_command

H = timedelta(hours=1)
PROGRAM = """
import sys, datetime
start, end, log = sys.argv[1:4]
open(log, "a").write(f"{start} {end}\\n")
time, last = (datetime.datetime.fromisoformat(text) for text in (start, end))
print("SID,time,TT")
while time <= last:
    print(f"KLO,{time.isoformat()},{time.day + time.hour / 100}")
    time += datetime.timedelta(hours=1)
"""


@pytest.fixture
def printed_stations(tmp_path):
    path = tmp_path / "stations.csv"
    path.write_text("station,lat,lon\nKLO,47.48,8.53\nGVE,46.2,6.1\n")
    return path


def test_it_is_called_once_a_month(tmp_path, printed_stations):
    (tmp_path / "obs.py").write_text(PROGRAM)
    log = tmp_path / "log"
    command = [sys.executable, str(tmp_path / "obs.py"), "{start}", "{end}", str(log)]
    told = Told(columns={"TT": "T_2M", "SID": "station"}, units={"TT": "degC"})
    archive = open_command(command, told, printed_stations)
    assert archive.params() == {"T_2M"} and archive.valid_times("T_2M") is None
    times = [datetime(2020, 1, 31, 22), datetime(2020, 1, 31, 23), datetime(2020, 2, 3, 6)]
    found = {time: values for _, time, values in archive.read_many(["T_2M"], times)}
    assert list(found) == times
    np.testing.assert_allclose(found[times[2]], [np.nan, 3.06 + 273.15], rtol=1e-6)
    assert log.read_text() == "2020-01-31T22:00 2020-01-31T23:00\n2020-02-03T06:00 2020-02-03T06:00\n"
    log.unlink()
    for hour in range(3):
        np.testing.assert_allclose(
            archive.read("T_2M", times[0] + hour * H)[1], 273.15 + (31.22, 31.23, 1.0)[hour], rtol=1e-6
        )
    assert log.read_text() == "2020-01-01T00:00 2020-01-31T23:59\n2020-02-01T00:00 2020-02-29T23:59\n"


def test_what_it_prints_is_not_known_before(printed_stations):
    archive = open_command(["true"], Told(), printed_stations)
    assert {"T_2M", "TOT_PREC6"} <= archive.params()
    with pytest.raises(UserError, match="output of true: is empty; allowed: CSV"):
        archive.read("T_2M", datetime(2020, 1, 1))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-program"], "no-such-program: cannot be started: No such file or directory"),
        (["sh", "-c", "echo one >&2; echo 'no database' >&2; exit 3"],
         "sh: failed with status 3 for 2020-01-01 00:00:00 to 2020-01-31 23:59:00: no database"),
        (["false"], "false: failed with status 1 .*: it says nothing"),
        (["echo", "station,time\nKLO,2020-01-01T00:00"], "output of echo: no column of a param that is known"),
    ],
)  # fmt: skip
def test_a_command_that_fails(printed_stations, command, message):
    with pytest.raises(UserError, match=message) as caught:
        open_command(command, Told(), printed_stations).read("T_2M", datetime(2020, 1, 1))
    assert "\n" not in str(caught.value)


def test_stations_are_needed():
    with pytest.raises(UserError, match=r"obs.py: observations of a command need the key `stations`"):
        open_command(["obs.py"], Told(), None)
