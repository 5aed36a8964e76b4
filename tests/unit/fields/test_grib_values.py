"""Values of GRIB messages, packing by packing."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.grib.codes import eccodes
from evalflow.fields.grib.index import read_index
from evalflow.fields.grib.values import Values
from support.grib_files import T_2M, grib, write
from support.trial_files import trial_file

NAN = np.nan
PACKINGS = ("grid_simple", "grid_ccsds", "grid_jpeg", "grid_complex", "grid_complex_spatial_differencing", "grid_ieee")


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("holes", [False, True])
def test_values_of_every_packing(tmp_path, packing, holes, capfd):
    values = np.array([270.5, 281.25, 9999.0, 300, 310, 255, 254, 253, 252, 251, 250, 249])
    if holes:
        values[[0, 5, 11]] = NAN
        values[2] = 298
    message = grib(values, packing=packing, bitsPerValue=24, **T_2M)
    (found,) = read_index([write(tmp_path / "a.grib", message)])
    capfd.readouterr()
    read = Values().read(found)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, values, atol=2e-3)  # 9999 is a value here, although it is ecCodes' own for missing
    assert capfd.readouterr().err == ""
    assert not Values().is_missing_everywhere(found)


@pytest.mark.parametrize("edition", [1, 2])
def test_how_far_packed_values_are_apart(tmp_path, edition):
    """One digit after the point: 2^0 × 10^-1. Values that are floats, or all equal, are not packed."""
    values = np.linspace(270, 290, 12)
    packed = grib(values, edition=edition, decimalPrecision=1, **T_2M)
    whole = grib(np.round(values * 4), edition=edition, bitsPerValue=4, **T_2M)
    equal = grib([280.0] * 12, edition=edition, **T_2M)
    floats = grib(values, packing="grid_ieee", **T_2M)
    found = read_index([write(tmp_path / "a.grib", packed, whole, equal, floats)])
    first, second, third, fourth = found
    reader = Values()
    assert reader.packing(first) == pytest.approx(0.1)
    assert reader.packing(third) == reader.packing(fourth) == 0
    read = np.unique(reader.read(second).astype(float))
    apart = reader.packing(second)
    assert apart > 1, "4 bits have 16 values for a range of 80"
    np.testing.assert_allclose(np.diff(read) / apart, np.round(np.diff(read) / apart), atol=1e-4)
    assert Values().packing(first) == reader.packing(first), "whether the values were read or not"


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_field_that_is_missing_everywhere(tmp_path, packing, capfd):
    message = grib([NAN] * 12, packing=packing, **T_2M)
    (found,) = read_index([write(tmp_path / "a.grib", message)])
    capfd.readouterr()
    assert np.isnan(Values().read(found)).all() and Values().read(found).size == 12
    assert Values().is_missing_everywhere(found)
    assert capfd.readouterr().err == ""


def test_constant_fields_and_grib1(tmp_path):
    path = write(
        tmp_path / "a.grib",
        grib([3.0] * 12, **T_2M),
        grib([3.0] * 11 + [NAN], edition=1, **T_2M),
        grib(edition=1, **T_2M),
    )
    first, second, third = read_index([path])
    values = Values()
    assert values.read(first).tolist() == [3.0] * 12
    assert values.read(second)[:11].tolist() == [3.0] * 11 and np.isnan(values.read(second)[11])
    assert values.read(third).tolist() == list(range(12))
    (empty,) = read_index([write(tmp_path / "b.grib", grib([NAN] * 12, edition=1, **T_2M))])
    assert values.is_missing_everywhere(empty) and not values.is_missing_everywhere(second)


def test_values_and_names_of_real_files_are_those_of_eccodes():
    path = trial_file("arome_arctic_20180710_sfc.grib")
    index, values = read_index([path]), Values()
    with open(path, "rb") as file:
        for message in index[:12]:
            handle = eccodes.codes_grib_new_from_file(file)
            np.testing.assert_allclose(values.read(message), eccodes.codes_get_values(handle), rtol=1e-6)
            assert values.short_name(message) == eccodes.codes_get(handle, "shortName")
            eccodes.codes_release(handle)


def test_files_are_read_in_any_order(tmp_path):
    one = write(tmp_path / "a.grib", grib([1.0] * 12, **T_2M), grib([2.0] * 12, **T_2M))
    two = write(tmp_path / "b.grib", grib([3.0] * 12, **T_2M))
    first, second, third = read_index([one, two])
    values = Values()
    assert [values.read(message)[0] for message in (third, first, second, third, second)] == [3, 1, 2, 3, 2]


def test_values_that_cannot_be_decoded_are_named(tmp_path):
    message = bytearray(grib(packing="grid_jpeg", bitsPerValue=16, **T_2M))
    message[-30:-4] = bytes(26)  # of what JPEG 2000 would read
    (found,) = read_index([write(tmp_path / "a.grib", bytes(message))])
    with pytest.raises(UserError, match=r"a\.grib: message 1 cannot be decoded"):
        Values().read(found)
