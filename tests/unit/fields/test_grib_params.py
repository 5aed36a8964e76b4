"""Which param a field of GRIB is: against ecCodes' own table of params, name and unit."""

import pytest
from evalflow.fields.grib.codes import eccodes
from evalflow.fields.grib.index import read_index
from evalflow.fields.grib.params import _GRIB1, _GRIB1_OF_ECMWF, _GRIB2, _GRIB2_OF_ECMWF, is_known, param_of
from evalflow.fields.grib.scan import scan
from evalflow.fields.params import param_named
from evalflow.fields.units import conversion
from support.grib_files import grib, on_level, sum_of, write

IFS = {
    "2t": "T_2M", "2d": "TD_2M", "10u": "U_10M", "10v": "V_10M", "10si": "SP_10M", "sp": "PS", "msl": "PMSL", "10fg": "VMAX_10M",
    "10fg3": "VMAX_10M", "mx2t": "TMAX_2M", "mx2t3": "TMAX_2M", "mx2t6": "TMAX_2M", "mn2t": "TMIN_2M", "mn2t6": "TMIN_2M",
    "tcc": "CLCT", "lcc": "CLCL", "mcc": "CLCM", "hcc": "CLCH", "tcwv": "TQV", "skt": "T_G", "lsm": "FR_LAND",
    "z": "FIS",
}  # fmt: skip
LEVELS = {"t": "T", "u": "U", "v": "V", "q": "QV", "r": "RELHUM", "w": "OMEGA", "z": "Z", "gh": "Z"}


@pytest.fixture
def param(tmp_path):
    """Return a function: param and unit of a message; it must say the same before it is decoded."""

    def run(content: bytes):
        path = write(tmp_path / "a.grib", content)
        (message,), (part,) = read_index([path]), list(scan(path))
        found = param_of(message.field)
        assert found is None or is_known(part.header)
        return found and (found[0].name, found[1])

    return run


def same_unit(name: str, ours: str, content: bytes) -> bool:
    """Tell whether the unit is the one that ecCodes says."""
    handle = eccodes.codes_new_from_message(content)
    theirs = eccodes.codes_get(handle, "units")
    eccodes.codes_release(handle)
    quantity = param_named(name).quantity
    return conversion(ours, quantity) == conversion(theirs, quantity) is not None


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("short_name", sorted(IFS))
def test_fields_of_ecmwf(param, edition, short_name):
    content = grib(edition=edition, centre=98, shortName=short_name)
    name, units = param(content)
    assert name == IFS[short_name]
    assert same_unit(name, units, content)


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("short_name", sorted(LEVELS))
@pytest.mark.parametrize("level", [1, 500, 1000])
def test_fields_on_pressure_levels(param, edition, short_name, level):
    content = grib(edition=edition, centre=98, **on_level(short_name, level))
    name, units = param(content)
    assert name == f"{LEVELS[short_name]}_{level}"
    assert same_unit(name, units, content)


@pytest.mark.parametrize(("param_id", "units"), [(228, "m"), (228228, "kg m-2")])
@pytest.mark.parametrize("edition", [1, 2])
def test_precipitation_of_ecmwf(param, edition, param_id, units):
    steps = {"timeRangeIndicator": 4, "P2": 6} if edition == 1 else {}
    content = grib(edition=edition, centre=98, paramId=param_id, **steps)
    assert param(content) == ("TOT_PREC", units)
    assert same_unit("TOT_PREC", units, content)


@pytest.mark.parametrize("edition", [1, 2])
def test_sea_surface_temperature_of_ecmwf(param, edition):
    """By its number: in GRIB2 ecCodes has several params of this short name."""
    assert param(grib(edition=edition, centre=98, paramId=34)) == ("T_SEA", "K")


@pytest.mark.parametrize(
    ("numbers", "place", "statistic", "name"),
    [
        # ICON, as its documentation of GRIB2 lists it
        ((0, 0, 0), (103, 2), None, "T_2M"),
        ((0, 0, 6), (103, 2), None, "TD_2M"),
        ((0, 2, 2), (103, 10), None, "U_10M"),
        ((0, 2, 22), (103, 10), 2, "VMAX_10M"),
        ((0, 3, 1), (101, 0), None, "PMSL"),
        ((0, 3, 0), (1, 0), None, "PS"),
        ((0, 1, 52), (1, 0), 1, "TOT_PREC"),
        ((0, 0, 0), (103, 2), 2, "TMAX_2M"),
        ((0, 0, 0), (103, 2), 3, "TMIN_2M"),
        ((0, 3, 6), (1, 0), None, "HSURF"),
        ((2, 0, 0), (1, 0), None, "FR_LAND"),
        ((0, 6, 1), (1, 0), None, "CLCT"),
        # NCEP
        ((0, 1, 8), (1, 0), 1, "TOT_PREC"),
        ((0, 3, 5), (100, 50000), None, "Z_500"),
        # what looks like one and is none
        ((0, 0, 0), (103, 2), 0, None),  # a mean over time
        ((0, 0, 0), (103, 80), None, None),
        ((0, 2, 2), (103, 100), None, None),
        ((0, 1, 52), (1, 0), None, None),  # a rate
        ((0, 1, 52), (1, 0), 0, None),
        ((0, 0, 0), (105, 137), None, None),  # a model's level
        ((0, 0, 0), (150, 80), None, None),
        ((0, 0, 0), (100, 123456), None, None),  # 1234.56 hPa
    ],
)
def test_fields_by_their_numbers(param, numbers, place, statistic, name):
    keys = {"productDefinitionTemplateNumber": 0 if statistic is None else 8}
    keys |= dict(zip(("discipline", "parameterCategory", "parameterNumber"), numbers, strict=True))
    keys |= {
        "typeOfFirstFixedSurface": place[0], "scaleFactorOfFirstFixedSurface": 0, "scaledValueOfFirstFixedSurface": place[1],
    }  # fmt: skip
    keys |= {} if statistic is None else {"typeOfStatisticalProcessing": statistic}
    found = param(grib(centre=78, **keys))
    assert (found and found[0]) == name


@pytest.mark.parametrize(
    ("table", "number", "level_type", "level", "name"),
    [
        (2, 11, 105, 2, "T_2M"), (2, 17, 105, 2, "TD_2M"), (2, 33, 105, 10, "U_10M"), (2, 1, 1, 0, "PS"), (2, 2, 102, 0, "PMSL"),
        (2, 61, 1, 0, "TOT_PREC"), (3, 11, 100, 850, "T_850"), (2, 71, 1, 0, "CLCT"), (201, 187, 105, 10, "VMAX_10M"),
        (253, 11, 105, 2, "T_2M"), (253, 1, 103, 0, "PMSL"), (253, 6, 105, 0, "FIS"), (2, 11, 105, 80, None),
        (2, 11, 109, 40, None), (131, 11, 105, 2, None),  # other tables have other numbers
    ],
)  # fmt: skip
def test_fields_of_other_centres_in_grib1(param, table, number, level_type, level, name):
    keys = {
        "table2Version": table,
        "indicatorOfParameter": number,
        "indicatorOfTypeOfLevel": level_type,
        "level": level,
    }
    found = param(grib(edition=1, centre=78, **keys))
    assert (found and found[0]) == name


def test_numbers_of_one_centre_are_not_another_s(param):
    local = {"productDefinitionTemplateNumber": 8, "discipline": 0, "parameterCategory": 1, "parameterNumber": 193,
             "typeOfFirstFixedSurface": 1, "typeOfStatisticalProcessing": 1}  # fmt: skip
    assert param(grib(centre=98, **local)) == ("TOT_PREC", "m")
    assert param(grib(centre=7, **local)) is None  # NCEP's categorical freezing rain
    assert param(grib(edition=1, centre=7, table2Version=128, indicatorOfParameter=167)) is None


def test_parts_of_an_ensemble_are_no_params(param):
    assert param(grib(productDefinitionTemplateNumber=2, derivedForecast=0, shortName="2t")) is None
    assert param(grib(productDefinitionTemplateNumber=6, percentileValue=50, shortName="2t")) is None


def test_every_name_in_the_tables_is_a_param_with_that_unit():
    entries = [entry for table in (_GRIB2, _GRIB2_OF_ECMWF) for rows in table.values() for entry in rows]
    entries += [(units, None, places) for table in (_GRIB1, _GRIB1_OF_ECMWF) for units, places in table.values()]
    for units, _, places in entries:
        for place, name in places.items():
            found = param_named(f"{name}_500" if place == 100 else name)
            assert conversion(units, found.quantity) is not None, (name, units)


def test_levels_of_models_are_passed_over_before_they_are_decoded(tmp_path):
    path = write(
        tmp_path / "a.grib",
        grib(typeOfFirstFixedSurface=150, shortName="t"), grib(sample="sh_ml_grib2", shortName="t"),
        grib(edition=1, indicatorOfTypeOfLevel=109, level=40, indicatorOfParameter=11, table2Version=2),
        grib(shortName="swh"), grib(**sum_of("0-6")),
    )  # fmt: skip
    assert [is_known(part.header) for part in scan(path)] == [False, False, False, False, True]
