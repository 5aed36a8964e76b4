"""What anemoi-inference is told to write, and whether that is a whole forecast."""

import pytest
from evalflow.runners.anemoi_output import as_hours, output_doubts, output_mistakes

LEADS = [0, 6, 12]
GOOD = {
    "GRIB by its main argument": {"output": {"grib": "x.grib"}},
    "GRIB": {"output": {"grib": {"path": "grib/{date}.grib", "encoding": {"a": "/b"}}}},
    "NetCDF": {"output": {"netcdf": "x.nc"}},
    "Zarr": {"output": {"zarr": {"store": "x.zarr"}}},
    "tee of which one can be read": {"output": {"tee": [{"grib": "x.grib"}, "printer"]}},
    "tee with a key": {"output": {"tee": {"outputs": ["none", {"netcdf": "x.nc"}]}}},
    "a part of the domain": {"output": {"extract_lam": {"output": {"grib": "x.grib"}}}},
    "forecast and truth": {"output": {"tee": [{"grib": "x.grib"}, {"truth": {"output": {"grib": "y.grib"}}}]}},
    "two datasets": {"output": {"era5": {"grib": "a.grib"}, "cerra": {"netcdf": "b.nc"}}},
    "one dataset by name": {"output": {"era5": {"grib": "a.grib"}}},
    "two datasets, one is not wanted": {"output": {"era5": {"grib": "a.grib"}, "cerra": "none"}},
    "a plugin": {"output": {"my_archive": {"where": "/x"}}},
    "a plugin by name": {"output": "my_archive"},
    "a folder above within the forecast's": {"output": {"grib": "a/../x.grib"}},
    "printed elsewhere": {"output": {"tee": [{"grib": "x"}, {"printer": {"path": "/dev/stderr"}}]}},
    "a frequency that divides": {"output": {"grib": "x"}, "output_frequency": "3h"},
    "a frequency as a number": {"output": {"grib": "x"}, "output_frequency": 6},
    "what one lacks the other has": {
        "output": {"tee": [{"grib": {"path": "x", "output_frequency": "12h"}}, {"grib": {"path": "y"}}]}
    },
    "an output's own word on step 0": {
        "output": {"grib": {"path": "x", "write_initial_state": True}}, "write_initial_state": False
    },
    "a frequency that nobody can read": {"output": {"grib": "x"}, "output_frequency": "monthly"},
}  # fmt: skip


@pytest.mark.parametrize("config", GOOD.values(), ids=GOOD)
def test_these_outputs_are_whole_forecasts(config):
    assert output_mistakes(config, LEADS) == [] and output_doubts(config) == []


UNREADABLE = ["printer", "none", {"raw": "x"}, {"raw": {"dir": "x"}}, {"plot": {"dir": "x"}}, "gribmemory"]
UNREADABLE += [{"tee": ["printer", "none"]}, {"tee": []}, {"extract_lam": {"output": "printer"}}]
UNREADABLE += [{"truth": {"output": {"grib": "x"}}}, {"truth": {"grib": "x"}}, {"a": "printer", "b": "none"}]


@pytest.mark.parametrize("output", UNREADABLE, ids=str)
def test_outputs_that_cannot_be_read_are_refused(output):
    ((key, what),) = output_mistakes({"output": output}, LEADS)
    assert key == "output" and " writes no forecast that can be read; allowed: grib, netcdf or zarr, such as " in what


OUTSIDE = {
    "GRIB": ({"grib": "/data/x.grib"}, "output.grib"),
    "a template": ({"grib": {"path": "/data/{date}_{step:03}.grib"}}, "output.grib"),
    "above": ({"netcdf": {"path": "../x.nc"}}, "output.netcdf"),
    "above by a detour": ({"netcdf": "a/../../x.nc"}, "output.netcdf"),
    "an object store": ({"zarr": {"store": "s3://bucket/x.zarr"}}, "output.zarr"),
    "one of several": ({"tee": ["printer", {"grib": "/x"}]}, "output.tee.grib"),
    "of one dataset": ({"era5": {"grib": "/x"}, "cerra": {"grib": "y"}}, "output.era5.grib"),
    "beside a readable one": ({"tee": [{"grib": "x"}, {"raw": {"dir": "/x"}}]}, "output.tee.raw"),
}


@pytest.mark.parametrize(("output", "key"), OUTSIDE.values(), ids=OUTSIDE)
def test_outputs_outside_of_the_forecasts_folder_are_refused(output, key):
    ((found, what),) = output_mistakes({"output": output}, LEADS)
    assert (
        found == key and " is outside of a forecast's folder, and all init times would write there; allowed: " in what
    )


@pytest.mark.parametrize("place", ["above", "in the output"])
def test_step_0_must_be_written_where_steps_begin_at_0(place):
    grib = {"path": "x", **({"write_initial_state": False} if place == "in the output" else {})}
    config = {"output": {"grib": grib}, **({"write_initial_state": False} if place == "above" else {})}
    ((key, what),) = output_mistakes(config, LEADS)
    assert key == "write_initial_state" and what.startswith("is false, and steps begin at 0")
    assert output_mistakes(config, [6, 12]) == []


FREQUENCIES = {"12h": [6], "720m": [6], "1d": [6, 12], 12: [6], "5h": [6, 12], "12:00:00": [6]}


@pytest.mark.parametrize(("frequency", "missing"), FREQUENCIES.items(), ids=str)
def test_steps_that_output_frequency_leaves_out_are_refused(frequency, missing):
    for config in (
        {"output": {"grib": "x"}, "output_frequency": frequency},
        {"output": {"grib": {"path": "x", "output_frequency": frequency}}},
        {"output": {"tee": [{"grib": {"path": "x", "output_frequency": frequency}}]}, "output_frequency": "1h"},
    ):
        ((key, what),) = output_mistakes(config, LEADS)
        assert key == "output_frequency"
        assert what.startswith(f"writes nothing at {', '.join(map(str, missing))} h, which steps ask for; allowed: ")


def test_very_many_missing_steps_stay_a_line():
    ((_, what),) = output_mistakes({"output": {"grib": "x"}, "output_frequency": "6h"}, list(range(121)))
    assert what.startswith("writes nothing at 1, 2, 3, 4, 5 and 95 more h, ")


def test_no_output_is_a_doubt():
    """The default makes no error; anemoi-inference's own default prints."""
    assert output_mistakes({}, LEADS) == output_mistakes({"output": None}, LEADS) == []
    ((key, what),) = output_doubts({})
    assert key == "output" and what.startswith(
        "missing: anemoi-inference then prints fields and writes none; allowed: "
    )


LENGTHS = {6: 6, "6": 6, "6h": 6, "30m": 0.5, "1d": 24, "3600s": 1, "01:30:00": 1.5, "6:00": 6, "0h": None, "P1D": None}
LENGTHS |= {True: None, "": None, "-6h": None}


@pytest.mark.parametrize(("text", "hours"), LENGTHS.items(), ids=str)
def test_lengths_of_time_are_read_as_anemoi_writes_them(text, hours):
    assert as_hours(text) == hours
