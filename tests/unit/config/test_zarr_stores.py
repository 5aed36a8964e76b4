"""A Zarr store counts as a thing: its uuid or path, its grid, its variables; not by how far it reaches."""

import shutil
from datetime import datetime, timedelta

import numpy as np
import pytest
import zarr
from evalflow.config.inference import read_inference_config
from evalflow.config.zarr_stores import identify_store, is_store
from evalflow.errors import UserError
from evalflow.lookup import Lookup
from support.field_files import write_zarr


def write_archive(path, days: int, version: int = 2, north: float = 47.0, names=("2t", "tp"), **attrs):
    """Write a store as xarray does."""
    values = np.arange(days * 6, dtype="f4").reshape(days, 2, 3)
    variables = {name: (("time", "lat", "lon"), values, {"units": "K"}) for name in names}
    variables["time"] = (("time",), np.arange(days, dtype="i8"), {"units": "days since 2024-01-01"})
    variables["lat"] = (("lat",), np.array([north, 46.0]), {})
    variables["lon"] = (("lon",), np.array([7.0, 8.0, 9.0]), {})
    return write_zarr(path, variables, {"written": str(datetime.now()), **attrs}, version=version)


def write_dataset_of(path, days: int, version: int = 2, names=("2t", "tp"), uuid="1f2e", north: float = 47.0):
    """Write a dataset key by key as anemoi-datasets does."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    dates = np.datetime64("2024-01-01", "s") + np.arange(days) * np.timedelta64(1, "D")
    end = str(datetime(2024, 1, 1) + timedelta(days=days))
    group.attrs.update({"variables": list(names), "uuid": uuid, "end_date": end, "latest_write_timestamp": end})
    for name, data, dims in (
        ("data", np.full((days, len(names), 1, 4), days, "f4"), ["time", "variable", "ensemble", "cell"]),
        ("dates", dates, ["time"]),
        ("latitudes", np.array([north, 47.0, 46.0, 46.0]), ["cell"]),
        ("longitudes", np.array([8.0, 9.0, 8.0, 9.0]), ["cell"]),
        ("mean", np.full(len(names), days, "f8"), ["variable"]),
    ):
        group.create_array(name, data=data).attrs["_ARRAY_DIMENSIONS"] = dims
    return path


WRITERS = [write_archive, write_dataset_of]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("consolidated", [False, True])
def test_a_day_more_is_the_same_thing(tmp_path, write, version, consolidated):
    found = []
    for days in (2, 3, 400):
        path = write(tmp_path / "an.zarr", days, version)
        if consolidated:
            zarr.consolidate_metadata(str(path))
        found.append(identify_store(path))
    assert found[0] == found[1] == found[2]
    assert len(found[0]["grid"]) == 2 and all(found[0]["grid"].values()), "coordinates count by their content"
    assert len(found[0]["variables"]) == 2


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("change", [{"names": ("2t",)}, {"names": ("2t", "sp")}, {"north": 48.0}])
def test_another_grid_or_variable_is_another_thing(tmp_path, write, version, change):
    before = identify_store(write(tmp_path / "an.zarr", 2, version))
    assert identify_store(write(tmp_path / "an.zarr", 2, version, **change)) != before


def test_a_dataset_is_its_uuid_and_any_other_store_its_path(tmp_path):
    one = write_dataset_of(tmp_path / "a.zarr", 2)
    shutil.copytree(one, tmp_path / "copy.zarr")
    assert identify_store(tmp_path / "copy.zarr") == identify_store(one), "wherever it lies"
    assert identify_store(write_dataset_of(tmp_path / "b.zarr", 2, uuid="other")) != identify_store(one)
    plain = write_archive(tmp_path / "c.zarr", 2)
    shutil.copytree(plain, tmp_path / "d.zarr")
    assert identify_store(tmp_path / "d.zarr") != identify_store(plain)
    (tmp_path / "link.zarr").symlink_to("c.zarr")
    assert identify_store(tmp_path / "link.zarr") == identify_store(plain), "a link to it"


def test_a_store_without_names_of_dimensions_grows_along_the_first(tmp_path):
    found = []
    for days in (2, 3):
        group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=2)
        group.create_array("t", data=np.zeros((days, 4), "f4"))
        found.append(identify_store(tmp_path / "x.zarr"))
    assert found[0] == found[1] and found[0]["variables"]["t"][1] == [4]


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_of_groups_and_a_store_of_one_array(tmp_path, version):
    group = zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=version)
    group.create_group("levels").create_array("t", data=np.zeros((2, 4), "f4"))
    assert list(identify_store(tmp_path / "g.zarr")["variables"]) == ["levels/t"]
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((2, 4)), zarr_format=version)
    assert is_store(tmp_path / "a.zarr") and identify_store(tmp_path / "a.zarr")["path"]


def take_store(folder, text):
    return read_inference_config({"dataset": text}, Lookup(folder, folder / "launch"), "config")


def test_a_store_without_a_uuid_is_named_as_counted_by_its_path(tmp_path):
    write_archive(tmp_path / "c.zarr", 2)
    write_dataset_of(tmp_path / "d.zarr", 2)
    assert take_store(tmp_path, "c.zarr").uncounted == {"c.zarr": "a Zarr store without a uuid"}
    assert take_store(tmp_path, "d.zarr").uncounted == {}
    assert take_store(tmp_path, "*.zarr").uncounted == {"*.zarr": "a Zarr store without a uuid in it"}


def test_a_damaged_store_is_one_line(tmp_path):
    write_archive(tmp_path / "c.zarr", 2)
    (tmp_path / "c.zarr" / ".zattrs").write_text('{"a"')
    with pytest.raises(UserError) as caught:
        take_store(tmp_path, "c.zarr")
    line = f"config: {tmp_path}/c.zarr/.zattrs: not JSON: the Zarr store is damaged; write it again"
    assert str(caught.value) == line
