"""Files of statistics: what is written is read, and nothing else."""

import json
import resource
from dataclasses import fields, replace
from datetime import datetime, timedelta

import netCDF4
import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.scores.stored import read_attributes, read_sums, write_sums
from evalflow.scores.sums import Cells, ParamSums, Sums

BOXES = {50.0: np.arange(120) // 10, 62.5: np.arange(120) // 12}


def same(one, other) -> bool:
    """Return whether two values made of dataclasses and arrays are equal."""
    if isinstance(one, Sums | ParamSums | Cells):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


@pytest.fixture
def sums(scored_world):
    """Return sums of two params: one has fewer lead times, no thresholds and no climatology."""
    some = scored_world(inits=[datetime(2020, 1, 1, 6)], leads=(0, 6, 12), missing=0.1, weights="real")
    [first] = some.sums(0, values=(275.0, 280.0), climatology=True, boxes=BOXES)
    some.lead_times, some.weights = some.lead_times[1:], None
    some.forecasts[:, :, 0] = some.truths[:, 0] = 280
    [second] = some.sums(1, boxes={62.5: BOXES[62.5]})
    return replace(first, params={"T_2M": first.params["T_2M"], "TD_2M": second.params["T_2M"]})


def test_what_is_written_is_read(sums, tmp_path):
    write_sums(tmp_path / "a.nc", sums)
    assert same(read_sums(tmp_path / "a.nc"), sums)
    assert (read_sums(tmp_path / "a.nc").valid("T_2M", timedelta(0)) == sums.valid("T_2M", timedelta(0))).all()


def test_histograms_of_a_param_with_fewer_lead_times(sums, tmp_path):
    swapped = replace(sums, params={"T_2M": sums.params["TD_2M"], "TD_2M": sums.params["T_2M"]})
    cells = sums.params["T_2M"].cells
    per_lead = sums.params["T_2M"].cells_per_lead
    later = Cells(*(array[cells.cell >= per_lead] for array in (cells.cell, cells.count, cells.weight)))
    fewer = replace(
        *[sums.params["T_2M"]],
        lead_times=sums.params["T_2M"].lead_times[1:],
        moments=sums.params["T_2M"].moments[:, 1:],
        anomalies=None,
        boxes={},
        cells=replace(later, cell=later.cell - per_lead),
        digests=sums.params["T_2M"].digests[1:],
        masks=sums.params["T_2M"].masks[1:],
    )
    swapped.params["TD_2M"], swapped.params["T_2M"] = fewer, sums.params["T_2M"]
    write_sums(tmp_path / "a.nc", swapped)
    assert same(read_sums(tmp_path / "a.nc"), swapped)


def test_one_param_one_region_one_lead_time_of_minutes(scored_world, tmp_path):
    some = scored_world(inits=[datetime(2020, 1, 1)], leads=(1 / 6,), missing=0)
    some.regions = {"all": some.regions["all"]}
    [sums] = some.sums(0)
    write_sums(tmp_path / "a.nc", sums)
    assert same(read_sums(tmp_path / "a.nc"), sums)
    assert read_sums(tmp_path / "a.nc").params["T_2M"].lead_times == (timedelta(minutes=10),)


def test_the_file_explains_itself(sums, tmp_path):
    write_sums(tmp_path / "a.nc", sums)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        assert file.data_model == "NETCDF3_64BIT_DATA"
        assert json.loads(file.params) == ["T_2M", "TD_2M"]
        assert json.loads(file.units) == ["K", "K"]
        names = json.loads(file.statistics), json.loads(file.statistics_long_names)
        assert [len(one) for one in names] == 2 * [file.dimensions["statistic"].size]
        assert file["lead_time"].units == "s"
        assert all(variable.long_name for variable in file.variables.values())


def test_a_file_is_small(scored_world, tmp_path):
    # What is fixed takes some 2 kB; each lead time adds 8 sums of 8 bytes for each of 4 atoms, and a digest.
    sizes = []
    for number in (20, 120):
        some = scored_world(inits=[datetime(2020, 1, 1)], leads=tuple(range(number)), missing=0, weights="real")
        write_sums(tmp_path / f"{number}.nc", some.sums(0)[0])
        sizes.append((tmp_path / f"{number}.nc").stat().st_size)
    assert sizes[0] < 20 * 8 * 8 * 4 + 2_500
    assert sizes[1] - sizes[0] < 100 * (8 * 8 * 4 + 16)


def test_equal_sums_make_equal_files(sums, tmp_path):
    for name in ("a.nc", "b.nc"):
        write_sums(tmp_path / name, sums)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "text", "gone"])
def test_a_damaged_file_is_refused_in_one_line(sums, tmp_path, damage):
    path = tmp_path / "a.nc"
    write_sums(path, sums)
    data = bytearray(path.read_bytes())
    with netCDF4.Dataset(path) as file:
        names = list(file.variables)
    if damage == "flipped":
        # Amid the largest array, which lies in the middle of the file.
        data[len(data) // 2] ^= 16
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"hello"}.get(damage, bytes(data)))
    if damage == "gone":
        path.unlink()
    with pytest.raises(UserError) as error:
        read_sums(path)
    assert str(error.value).startswith(f"{path}: cannot be read as statistics (")
    assert str(error.value).endswith("; remove it, and it is made again")
    assert "\n" not in str(error.value)
    assert "sums" in names


def test_a_damaged_attribute_is_seen(sums, tmp_path):
    path = tmp_path / "a.nc"
    write_sums(path, replace(sums, attributes={"holding": "of these files"}))
    assert read_attributes(path)["holding"] == "of these files"
    path.write_bytes(path.read_bytes().replace(b"of these files", b"of those files"))
    for read in (read_sums, read_attributes):
        with pytest.raises(UserError, match="attributes are damaged"):
            read(path)


def test_some_params_alone_can_be_read(sums, tmp_path):
    write_sums(tmp_path / "a.nc", sums)
    found = read_sums(tmp_path / "a.nc", ["TD_2M", "PS"])
    assert same(found, replace(sums, params={"TD_2M": sums.params["TD_2M"]}))


def test_nothing_valid_at_all(scored_world, tmp_path):
    """No cell of the joint histograms is filled, of two params."""
    some = scored_world(inits=[datetime(2020, 1, 1)], missing=1, weights="real")
    [one] = some.sums(0, values=(275.0,))
    both = replace(one, params={"T_2M": one.params["T_2M"], "TD_2M": one.params["T_2M"]})
    write_sums(tmp_path / "a.nc", both)
    found = read_sums(tmp_path / "a.nc").params["TD_2M"]
    assert found.cells.cell.size == found.cells.count.size == 0 and found.values == (275.0,)
    assert (found.counts == 0).all()


@pytest.mark.parametrize("version", [None, "evalflow statistics 0"])
def test_a_file_of_something_else_is_refused(tmp_path, version):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        if version:
            file.format = version
    with pytest.raises(UserError, match="a.nc: is not a file of statistics of this version; remove it"):
        read_sums(tmp_path / "a.nc")


def test_a_file_that_lacks_something_is_refused(sums, tmp_path):
    write_sums(tmp_path / "a.nc", sums)
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file.renameVariable("in_region", "other")
    with pytest.raises(UserError, match="a.nc: cannot be read as statistics"):
        read_sums(tmp_path / "a.nc")


def test_no_room_for_the_file(sums, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_sums(tmp_path / "a.nc", sums)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(OSError, match="gone"):
        write_sums(tmp_path / "gone" / "a.nc", sums)


def test_a_file_may_hold_no_param(sums, tmp_path):
    """It says that there was nothing to sum."""
    empty = replace(sums, params={})
    write_sums(tmp_path / "a.nc", empty)
    assert same(read_sums(tmp_path / "a.nc"), empty)
