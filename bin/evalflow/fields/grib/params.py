"""Which param a field of GRIB is, by its numbers, and the unit that the tables of GRIB give it.

The numbers are those of the WMO's tables (Manual on Codes I.2: code table 4.2 of GRIB2, table 2 of
GRIB1) and of ECMWF's own (GRIB1 table 128, GRIB2 with ECMWF as centre). So a field is known
whatever tables ecCodes has and whatever its time is.
"""

from evalflow.fields.grib.headers import start_of_product
from evalflow.fields.grib.index import TWINS, Field
from evalflow.fields.params import Param, on_level, param_named

_ECMWF = 98
_GROUND, _CLOUD, _SEA_LEVEL, _PRESSURE, _HEIGHT = 1, 8, 101, 100, 103
_ANY = None
_2M, _10M = (_HEIGHT, 2.0), (_HEIGHT, 10.0)

Places = dict[int | tuple[int, float] | None, str]
"""Surface, as (code, value), as code alone or any → param; of pressure levels its base."""

# (discipline, category, number) → unit, statistic, places. `_LOCAL2` has ECMWF's own.
_GRIB2: dict[tuple[int, ...], list[tuple[str, str | None, Places]]] = {
    (0, 0, 0): [("K", None, {_2M: "T_2M", _GROUND: "T_G", _PRESSURE: "T"}), ("K", "maximum", {_2M: "TMAX_2M"}),
                ("K", "minimum", {_2M: "TMIN_2M"})],
    (0, 0, 4): [("K", None, {_2M: "TMAX_2M"}), ("K", "maximum", {_2M: "TMAX_2M"})],
    (0, 0, 5): [("K", None, {_2M: "TMIN_2M"}), ("K", "minimum", {_2M: "TMIN_2M"})],
    (0, 0, 6): [("K", None, {_2M: "TD_2M"})],
    (0, 0, 17): [("K", None, {_GROUND: "T_G"})],
    (0, 1, 0): [("kg kg-1", None, {_2M: "QV_2M", _PRESSURE: "QV"})],
    (0, 1, 1): [("%", None, {_2M: "RELHUM_2M", _PRESSURE: "RELHUM"})],
    (0, 1, 8): [("kg m-2", "sum", {_GROUND: "TOT_PREC"})],
    (0, 1, 11): [("m", None, {_GROUND: "H_SNOW"})],
    (0, 1, 52): [("kg m-2", "sum", {_GROUND: "TOT_PREC"})],
    (0, 1, 64): [("kg m-2", None, {_ANY: "TQV"})],
    (0, 2, 0): [("degree", None, {_10M: "DD_10M", _PRESSURE: "DD"})],
    (0, 2, 1): [("m s-1", None, {_10M: "SP_10M", _PRESSURE: "SP"})],
    (0, 2, 2): [("m s-1", None, {_10M: "U_10M", _PRESSURE: "U"})],
    (0, 2, 3): [("m s-1", None, {_10M: "V_10M", _PRESSURE: "V"})],
    (0, 2, 8): [("Pa s-1", None, {_PRESSURE: "OMEGA"})],
    (0, 2, 22): [("m s-1", None, {_10M: "VMAX_10M", _GROUND: "VMAX_10M"}),
                 ("m s-1", "maximum", {_10M: "VMAX_10M", _GROUND: "VMAX_10M"})],
    (0, 3, 0): [("Pa", None, {_GROUND: "PS", _SEA_LEVEL: "PMSL"})],
    (0, 3, 1): [("Pa", None, {_SEA_LEVEL: "PMSL"})],
    (0, 3, 4): [("m2 s-2", None, {_GROUND: "FIS", _PRESSURE: "Z"})],
    (0, 3, 5): [("gpm", None, {_GROUND: "HSURF", _PRESSURE: "Z"})],
    (0, 3, 6): [("m", None, {_GROUND: "HSURF"})],
    (0, 6, 1): [("%", None, {_GROUND: "CLCT", _CLOUD: "CLCT", 10: "CLCT"})],
    (0, 6, 3): [("%", None, {_ANY: "CLCL"})],
    (0, 6, 4): [("%", None, {_ANY: "CLCM"})],
    (0, 6, 5): [("%", None, {_ANY: "CLCH"})],
    (2, 0, 0): [("1", None, {_GROUND: "FR_LAND"})],
    (10, 3, 0): [("K", None, {_GROUND: "T_SEA"})],
}  # fmt: skip
_GRIB2_OF_ECMWF: dict[tuple[int, ...], list[tuple[str, str | None, Places]]] = {
    (0, 1, 193): [("m", "sum", {_GROUND: "TOT_PREC"})],
    (0, 6, 192): [("1", None, {_ANY: "CLCT"})],
    (0, 6, 193): [("1", None, {_ANY: "CLCL"})],
    (0, 6, 194): [("1", None, {_ANY: "CLCM"})],
    (0, 6, 195): [("1", None, {_ANY: "CLCH"})],
}
# Number in the WMO's table 2 → unit, places. Levels: 1 ground, 100 pressure, 102 sea level, 103
# height above it, 105 above ground.
_GRIB1_2M, _GRIB1_10M, _GRIB1_SEA = (105, 2.0), (105, 10.0), 102
_GRIB1: dict[int, tuple[str, Places]] = {
    1: ("Pa", {1: "PS", (105, 0.0): "PS", _GRIB1_SEA: "PMSL", (103, 0.0): "PMSL"}),
    2: ("Pa", {_ANY: "PMSL"}),
    6: ("m2 s-2", {1: "FIS", (105, 0.0): "FIS", 100: "Z"}),
    7: ("gpm", {1: "HSURF", 100: "Z"}),
    8: ("m", {1: "HSURF"}),
    11: ("K", {_GRIB1_2M: "T_2M", 1: "T_G", 100: "T"}),
    15: ("K", {_GRIB1_2M: "TMAX_2M"}),
    16: ("K", {_GRIB1_2M: "TMIN_2M"}),
    17: ("K", {_GRIB1_2M: "TD_2M"}),
    31: ("degree", {_GRIB1_10M: "DD_10M", 100: "DD"}),
    32: ("m s-1", {_GRIB1_10M: "SP_10M", 100: "SP"}),
    33: ("m s-1", {_GRIB1_10M: "U_10M", 100: "U"}),
    34: ("m s-1", {_GRIB1_10M: "V_10M", 100: "V"}),
    39: ("Pa s-1", {100: "OMEGA"}),
    51: ("kg kg-1", {_GRIB1_2M: "QV_2M", 100: "QV"}),
    52: ("%", {_GRIB1_2M: "RELHUM_2M", 100: "RELHUM"}),
    54: ("kg m-2", {_ANY: "TQV"}),
    61: ("kg m-2", {1: "TOT_PREC", (105, 0.0): "TOT_PREC"}),
    66: ("m", {1: "H_SNOW"}),
    71: ("%", {_ANY: "CLCT"}),
    73: ("%", {_ANY: "CLCL"}),
    74: ("%", {_ANY: "CLCM"}),
    75: ("%", {_ANY: "CLCH"}),
    81: ("1", {1: "FR_LAND"}),
}
# Number in ECMWF's table 128 → unit, places.
_GRIB1_OF_ECMWF: dict[int, tuple[str, Places]] = {
    34: ("K", {1: "T_SEA"}),
    49: ("m s-1", {1: "VMAX_10M"}),
    129: ("m2 s-2", {1: "FIS", 100: "Z"}),
    130: ("K", {100: "T"}),
    131: ("m s-1", {100: "U"}),
    132: ("m s-1", {100: "V"}),
    133: ("kg kg-1", {100: "QV"}),
    134: ("Pa", {1: "PS"}),
    135: ("Pa s-1", {100: "OMEGA"}),
    137: ("kg m-2", {1: "TQV"}),
    151: ("Pa", {1: "PMSL"}),
    156: ("gpm", {100: "Z"}),
    157: ("%", {100: "RELHUM"}),
    164: ("1", {1: "CLCT"}),
    165: ("m s-1", {1: "U_10M"}),
    166: ("m s-1", {1: "V_10M"}),
    167: ("K", {1: "T_2M"}),
    168: ("K", {1: "TD_2M"}),
    172: ("1", {1: "FR_LAND"}),
    186: ("1", {1: "CLCL"}),
    187: ("1", {1: "CLCM"}),
    188: ("1", {1: "CLCH"}),
    201: ("K", {1: "TMAX_2M"}),
    202: ("K", {1: "TMIN_2M"}),
    207: ("m s-1", {1: "SP_10M"}),
    228: ("m", {1: "TOT_PREC"}),
    235: ("K", {1: "T_G"}),
}
_HIRLAM = 253
"""HIRLAM's and HARMONIE's table of GRIB1: its numbers below 128 are the WMO's."""
_COSMO_GUSTS = (201, 187)
_TOT_PREC_228 = (228, 228)
"""Precipitation in mm in ECMWF's table 228."""
_ACCUMULATED, _EXTREME = {"TOT_PREC"}, {"VMAX_10M", "TMAX_2M", "TMIN_2M"}


def param_of(field: Field) -> tuple[Param, str] | None:
    """Return the param that a field is, and the unit of its values, or None.

    Statistics over an ensemble, probabilities and the like are none.
    """
    if field.more:
        return None
    return _of_grib1(field) if field.edition == 1 else _of_grib2(field)


def _of_grib2(field: Field) -> tuple[Param, str] | None:
    entries = _GRIB2.get(field.numbers, [])
    if field.centre == _ECMWF:
        entries = _GRIB2_OF_ECMWF.get(field.numbers, [])
        if field.numbers[:2] == (192, 128):  # ECMWF's table 128 in GRIB2
            return _of_table_128(field, field.numbers[2])
    elif field.centre is not None:
        return None
    for units, statistic, places in entries:
        if statistic == field.statistic:
            return _placed(field, places, units, pascals=True)
    return None


def _of_grib1(field: Field) -> tuple[Param, str] | None:
    table, number = field.numbers
    if field.centre == _ECMWF:
        if field.numbers == _TOT_PREC_228 and field.first[0] == 1:
            return param_named("TOT_PREC"), "kg m-2"
        return _of_table_128(field, number) if table == 128 else None
    if field.numbers == _COSMO_GUSTS and (field.first == _GRIB1_10M or field.first[0] == 1):
        return param_named("VMAX_10M"), "m s-1"
    if number >= 128 or not (table < 128 or table == _HIRLAM):
        return None
    units, places = _GRIB1.get(number, ("", {}))
    return _of_statistic(field, _placed(field, places, units, pascals=False))


def _of_table_128(field: Field, number: int) -> tuple[Param, str] | None:
    units, places = _GRIB1_OF_ECMWF.get(number, ("", {}))
    return _of_statistic(field, _placed(field, places, units, pascals=field.edition == 2))


def _of_statistic(field: Field, found: tuple[Param, str] | None) -> tuple[Param, str] | None:
    """Return a param where the field's statistic over time is one that it can have in GRIB1."""
    if found is None or field.statistic is None:  # ECMWF writes sums and extremes of GRIB1 without it, too
        return found
    name = found[0].name
    allowed = {"sum", "range"} if name in _ACCUMULATED else {"range"} if name in _EXTREME else set()
    return found if field.statistic in allowed else None


def _placed(field: Field, places: Places, units: str, *, pascals: bool) -> tuple[Param, str] | None:
    """Return the param of a field's place; pressure levels are in Pa (`pascals`) or hPa."""
    code, value = field.first
    name = places.get(field.first) or places.get(code) or places.get(_ANY)
    if name is None:
        return None
    if code != _PRESSURE or places.get(_PRESSURE) != name:
        return param_named(name), units
    level = value / 100 if pascals else value
    return (on_level(name, int(level)), units) if level == int(level) and 1 <= level <= 1100 else None


_LEVELS_OF_MODELS = {1: {107, 108, 109, 110, 119, 120}, 2: {104, 105, 111, 113, 118, 119, 150}}
"""Edition → surfaces that no param is on: levels of models, of which files have hundreds."""


def is_known(header: bytes) -> bool:
    """Tell from a header that is not decoded yet whether a field can be one of the params."""
    if header[7] == 1:
        return header[8 + 9] not in _LEVELS_OF_MODELS[1] and _has_number(header[8 + 3], header[8 + 8])
    start = start_of_product(header)
    numbers = (header[6], header[start + 9], header[start + 10])
    if int.from_bytes(header[start + 7 : start + 9], "big") <= 15 and header[start + 22] in _LEVELS_OF_MODELS[2]:
        return False
    return (
        numbers in _GRIB2 or numbers in _GRIB2_OF_ECMWF or (numbers[:2] == (192, 128) and numbers[2] in _GRIB1_OF_ECMWF)
    )


def _has_number(table: int, number: int) -> bool:
    table, number = TWINS.get((table, number), (table, number))
    if (table, number) in (_TOT_PREC_228, _COSMO_GUSTS):
        return True
    return number in (_GRIB1_OF_ECMWF if table == 128 else _GRIB1)
