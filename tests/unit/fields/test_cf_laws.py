"""Whatever the order of dimensions, the chunks and the format: what was written is what is read."""

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from evalflow.fields.arrays.readers import CfArchive, CfForecast
from hypothesis import given, settings
from hypothesis import strategies as st
from support.field_files import FORMATS, write_fields

H = timedelta(hours=1)
SIZES = {"time": 3, "step": 4, "number": 2, "level": 2, "lat": 3, "lon": 5}
COORDINATES = {
    "time": (("time",), np.array([0, 6, 12]), {"units": "hours since 2020-01-01"}),
    "step": (("step",), np.array([0, 45, 90, 135]), {"units": "minutes"}),
    "number": (("number",), np.array([0, 7]), {}),
    "level": (("level",), np.array([85_000, 50_000]), {"units": "Pa"}),
    "lat": (("lat",), np.array([50.0, 49.0, 48.0]), {}),
    "lon": (("lon",), np.arange(5.0), {}),
}


def values(dims: list[str]) -> np.ndarray:
    """Return a number for each place, whatever the order of the dimensions."""
    parts = np.meshgrid(*(np.arange(SIZES[dim]) for dim in dims), indexing="ij")
    weights = {dim: 10.0**power for power, dim in enumerate(SIZES)}
    return sum(weights[dim] * part for dim, part in zip(dims, parts, strict=True)).astype("f4")


@given(
    dims=st.permutations(list(SIZES)),
    chunks=st.tuples(*(st.integers(1 if dim[0] != "l" else size, size) for dim, size in SIZES.items())),
    how=st.sampled_from(FORMATS),
    at=st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1), st.integers(0, 1)),
)
@settings(max_examples=20)
def test_forecasts(dims, chunks, how, at):
    time, step, number, level = at
    sizes = dict(zip(SIZES, chunks, strict=True))
    with TemporaryDirectory() as folder:
        arrays = write_fields(
            Path(folder) / "x",
            COORDINATES | {"t": (tuple(dims), values(dims), {"units": "K"})},
            how,
            chunks={"t": tuple(sizes[dim] for dim in dims)},
        )
        forecast = CfForecast([arrays], datetime(2020, 1, 1) + 6 * H * time, of_one_init_time=False)
        assert forecast.params() == {"T_850", "T_500"} and forecast.members("T_500") == ["000", "007"]
        found = forecast.read(("T_850", "T_500")[level], step * timedelta(minutes=45), ("000", "007")[number])
        fixed = time + 10 * step + 100 * number + 1000 * level
        lat, lon = np.meshgrid(np.arange(3), np.arange(5), indexing="ij")
        np.testing.assert_array_equal(found.reshape(3, 5), (fixed + 10_000 * lat + 100_000 * lon).astype("f4"))
        assert forecast.grid("T_500").latitudes.reshape(3, 5)[:, 0].tolist() == [50, 49, 48]


@given(
    dims=st.permutations(["time", "lat", "lon"]),
    chunks=st.tuples(*(st.integers(1, SIZES[dim]) for dim in ("time", "lat", "lon"))),
    how=st.sampled_from(FORMATS),
    wanted=st.lists(st.integers(0, 3), max_size=6),
)
@settings(max_examples=15)
def test_archives(dims, chunks, how, wanted):
    sizes = dict(zip(("time", "lat", "lon"), chunks, strict=True))
    with TemporaryDirectory() as folder:
        arrays = write_fields(
            Path(folder) / "x",
            {name: COORDINATES[name] for name in ("time", "lat", "lon")}
            | {"t2m": (tuple(dims), values(dims), {"units": "K"})},
            how,
            chunks={"t2m": tuple(sizes[dim] for dim in dims)},
        )
        archive = CfArchive([arrays])
        found = list(archive.read_many(["T_2M"], [datetime(2020, 1, 1) + 6 * H * place for place in wanted]))
        there = sorted({place for place in wanted if place < 3})
        assert [time for _, time, _ in found] == [datetime(2020, 1, 1) + 6 * H * place for place in there]
        for place, (_, time, one) in zip(there, found, strict=True):
            np.testing.assert_array_equal(one, archive.read("T_2M", time))
            assert (one[0], one[-1]) == (place, place + 20_000 + 400_000)
