"""The table of params."""

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields import params
from evalflow.fields.params import convert, find_param, param_named, param_of_standard_name
from evalflow.fields.units import conversion, known_units


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # the names that the facts pair
        ("tp", "TOT_PREC"), ("msl", "PMSL"), ("10u", "U_10M"), ("10v", "V_10M"), ("2t", "T_2M"), ("2d", "TD_2M"),
        ("sp", "PS"), ("lsm", "FR_LAND"), ("z", "FIS"),
        # WeatherBench
        ("2m_temperature", "T_2M"), ("10m_u_component_of_wind", "U_10M"), ("mean_sea_level_pressure", "PMSL"),
        ("total_precipitation_6hr", "TOT_PREC6"), ("geopotential_500", "Z_500"), ("u_component_of_wind_850", "U_850"),
        # anemoi and ICON
        ("TOT_PREC_1H", "TOT_PREC1"), ("TOT_PREC24", "TOT_PREC24"), ("t_850", "T_850"), ("q_700", "QV_700"), ("FI_500", "Z_500"),
        ("gh_500", "Z_500"), ("ws_850", "SP_850"), ("SP_850", "SP_850"), ("w_500", "OMEGA_500"),
        # CF
        ("air_pressure_at_mean_sea_level", "PMSL"), ("surface_air_pressure", "PS"), ("precipitation_amount", "TOT_PREC"),
        ("t_2m", "T_2M"), ("10FG3", "VMAX_10M"),
    ],
)  # fmt: skip
def test_names_and_aliases(text, name):
    assert param_named(text).name == name


@pytest.mark.parametrize(
    "text", ["u100", "z500", "T", "T_2000", "T_0", "TOT_PREC0", "TOT_PREC06", "", "U_", "_500", "air_temperature"]
)
def test_these_are_no_params(text):
    assert find_param(text) is None


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="no param T_2N, did you mean T_2M\\?; known: T_2M, TD_2M") as caught:
        param_named("T_2N")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "height", "level", "expected"),
    [
        ("air_temperature", 2, None, "T_2M"), ("air_temperature", None, 850, "T_850"), ("air_temperature", None, None, None),
        ("air_temperature", 100, None, None), ("eastward_wind", 10, None, "U_10M"), ("geopotential", None, 500, "Z_500"),
        ("surface_altitude", None, None, "HSURF"), ("air_pressure_at_mean_sea_level", None, None, "PMSL"),
        ("eastward_wind", None, 500.5, None), ("nothing", None, 500, None), ("wind_speed_of_gust", 10, None, "VMAX_10M"),
    ],
)  # fmt: skip
def test_standard_names_need_their_height_or_level(name, height, level, expected):
    found = param_of_standard_name(name, height=height, level=level)
    assert (found and found.name) == expected


def test_levels_and_hours():
    assert (param_named("T_850").level, param_named("T_850").units) == (850, "K")
    assert (param_named("TOT_PREC6").hours, param_named("TOT_PREC").hours) == (6, None)
    assert param_named("TOT_PREC6").accumulated and not param_named("T_2M").accumulated
    # Foc-Foc, 1966: 1825 mm in 24 h (WMO World Weather & Climate Extremes Archive) is possible, a metre taken for mm is not.
    assert 1825 < param_named("TOT_PREC24").valid_max < 3000
    assert 401 < param_named("TOT_PREC1").valid_max < 1000


def test_the_table_contradicts_itself_nowhere():
    for table in (params._SURFACE, params._LEVEL):
        meanings = {(name.casefold(), param.name) for param in table for name in (param.name, *param.aliases)}
        assert len({name for name, _ in meanings}) == len(meanings)  # no name means two params
    for param in (*params._SURFACE, *params._LEVEL):
        assert param.valid_min < param.valid_max
        assert conversion(param.units, param.quantity) == (1, 0) and known_units(param.quantity)


def test_values_are_converted_in_their_own_precision():
    values = np.array([-10.0, 0.0, np.nan], dtype=np.float32)
    found = convert(values, "degC", param_named("T_2M"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [263.15, 273.15, np.nan], rtol=1e-7)
    assert convert(values, "K", param_named("T_2M")) is values
    with pytest.raises(UserError, match='a.grib: message 3: T_2M has units "mm"'):
        convert(values, "mm", param_named("T_2M"), "a.grib: message 3")
