"""The table of params: canonical names, aliases, units, plausible ranges.

Canonical names are those of configs (COSMO and ICON). Params on pressure levels are made from a
base and a level in hPa (`T_850`), amounts of precipitation from a number of hours (`TOT_PREC6`).
"""

import difflib
import math
import re
from dataclasses import dataclass, replace

import numpy as np

from evalflow.errors import UserError
from evalflow.fields.units import check_units


@dataclass(frozen=True)
class Param:
    """One quantity as it is verified.

    Attributes
    ----------
    name : canonical name
    units : canonical unit, in which all values are in memory
    quantity : what kind of quantity it is, by which units are converted (`units.known_units`)
    long_name : for titles
    valid_min, valid_max : plausible range; what lies outside is taken for an error of the file
    aliases : other names: IFS short names, WeatherBench names, CF standard names that can mean
        nothing else
    standard_name : CF standard name, which may need `height` or `level` to mean this param
    height : metres above ground that it belongs to, or None
    level : pressure level in hPa, or None
    accumulated : whether files hold a sum over time
    hours : of an amount of precipitation, the hours that it is a sum of; None: since the start
    may_be_constant : whether a field can have one value everywhere
    """

    name: str
    units: str
    quantity: str
    long_name: str
    valid_min: float
    valid_max: float
    aliases: tuple[str, ...] = ()
    standard_name: str = ""
    height: float | None = None
    level: int | None = None
    accumulated: bool = False
    hours: int | None = None
    may_be_constant: bool = False


_T, _W, _SPEED = "temperature", "water", "speed"
_SURFACE = (
    Param("T_2M", "K", _T, "2 m temperature", 150, 350, ("2t", "t2m", "2m_temperature"), "air_temperature", 2),
    Param("TD_2M", "K", _T, "2 m dew point", 100, 330, ("2d", "d2m", "2m_dewpoint_temperature"),
          "dew_point_temperature", 2),
    Param("TMAX_2M", "K", _T, "2 m maximum temperature", 150, 350, ("mx2t", "mx2t3", "mx2t6", "mx2t24")),
    Param("TMIN_2M", "K", _T, "2 m minimum temperature", 150, 350, ("mn2t", "mn2t3", "mn2t6", "mn2t24")),
    Param("T_G", "K", _T, "surface temperature", 150, 370, ("skt", "skin_temperature")),
    Param("T_SEA", "K", _T, "sea surface temperature", 250, 320, ("sst", "sea_surface_temperature")),
    Param("RELHUM_2M", "%", "percentage", "2 m relative humidity", 0, 200, ("2r", "r2"), "relative_humidity", 2,
          may_be_constant=True),
    Param("QV_2M", "kg kg-1", "humidity", "2 m specific humidity", -0.001, 0.1, ("2sh", "sh2"), "specific_humidity", 2),
    Param("U_10M", "m s-1", _SPEED, "10 m wind to the east", -150, 150, ("10u", "u10", "10m_u_component_of_wind"),
          "eastward_wind", 10),
    Param("V_10M", "m s-1", _SPEED, "10 m wind to the north", -150, 150, ("10v", "v10", "10m_v_component_of_wind"),
          "northward_wind", 10),
    Param("SP_10M", "m s-1", _SPEED, "10 m wind speed", 0, 150, ("FF_10M", "10si", "si10", "ws10", "10m_wind_speed"),
          "wind_speed", 10),
    Param("DD_10M", "degree", "direction", "10 m wind direction", 0, 360, ("10wdir", "wdir10", "10m_wind_direction"),
          "wind_from_direction", 10),
    Param("VMAX_10M", "m s-1", _SPEED, "10 m wind gust", 0, 200,
          ("10fg", "fg10", "10fg3", "10fg6", "i10fg", "gust", "max_i10fg", "wind_speed_of_gust"), "wind_speed_of_gust", 10),
    Param("PS", "Pa", "pressure", "surface pressure", 30_000, 115_000, ("sp", "surface_pressure", "surface_air_pressure")),
    Param("PMSL", "Pa", "pressure", "mean sea level pressure", 85_000, 112_000,
          ("msl", "prmsl", "mslp", "mean_sea_level_pressure", "air_pressure_at_mean_sea_level", "air_pressure_at_sea_level")),
    Param("TOT_PREC", "kg m-2", _W, "precipitation since the start", 0, 5000,
          ("tp", "total_precipitation", "precipitation_amount", "lwe_thickness_of_precipitation_amount"),
          accumulated=True, may_be_constant=True),
    Param("CLCT", "%", "percentage", "cloud cover", 0, 101, ("tcc", "total_cloud_cover", "cloud_area_fraction"),
          may_be_constant=True),
    Param("CLCL", "%", "percentage", "low cloud cover", 0, 101, ("lcc", "low_cloud_cover"), may_be_constant=True),
    Param("CLCM", "%", "percentage", "medium cloud cover", 0, 101, ("mcc", "medium_cloud_cover"), may_be_constant=True),
    Param("CLCH", "%", "percentage", "high cloud cover", 0, 101, ("hcc", "high_cloud_cover"), may_be_constant=True),
    Param("TQV", "kg m-2", _W, "water vapour of the column", 0, 150,
          ("tcwv", "tciwv", "total_column_water_vapour", "atmosphere_mass_content_of_water_vapor")),
    Param("CAPE_ML", "J kg-1", "energy per mass", "convective available potential energy", 0, 20_000,
          ("mlcape100",), may_be_constant=True),
    Param("H_SNOW", "m", "length", "snow depth", 0, 100, ("sde", "surface_snow_thickness"), may_be_constant=True),
    Param("FR_LAND", "1", "fraction", "land fraction", 0, 1.001, ("lsm", "land_sea_mask", "land_area_fraction"),
          may_be_constant=True),
    Param("FIS", "m2 s-2", "geopotential", "surface geopotential", -5_000, 90_000,
          ("z", "geopotential_at_surface", "surface_geopotential"), may_be_constant=True),
    Param("HSURF", "m", "elevation", "surface elevation", -500, 9_000,
          ("orog", "h", "elevation", "surface_altitude", "orography"), "surface_altitude", may_be_constant=True),
)  # fmt: skip
_LEVEL = (
    Param("T", "K", _T, "temperature", 130, 350, ("t", "temperature"), "air_temperature"),
    Param("U", "m s-1", _SPEED, "wind to the east", -200, 200, ("u", "u_component_of_wind"), "eastward_wind"),
    Param("V", "m s-1", _SPEED, "wind to the north", -200, 200, ("v", "v_component_of_wind"), "northward_wind"),
    Param("SP", "m s-1", _SPEED, "wind speed", 0, 250, ("FF", "ws", "wind_speed"), "wind_speed"),
    Param("DD", "degree", "direction", "wind direction", 0, 360, ("wdir", "wind_direction"), "wind_from_direction"),
    Param("Z", "m2 s-2", "geopotential", "geopotential", -30_000, 700_000, ("z", "gh", "FI", "geopotential"),
          "geopotential"),
    Param("QV", "kg kg-1", "humidity", "specific humidity", -0.001, 0.1, ("q", "specific_humidity"),
          "specific_humidity"),
    Param("RELHUM", "%", "percentage", "relative humidity", -10, 200, ("r", "relative_humidity"), "relative_humidity"),
    Param("OMEGA", "Pa s-1", "pressure per time", "vertical velocity", -200, 200, ("w", "vertical_velocity"),
          "lagrangian_tendency_of_air_pressure"),
)  # fmt: skip


def _by_name(params: tuple[Param, ...]) -> dict[str, Param]:
    names = {alias.casefold(): param for param in params for alias in param.aliases}
    return names | {param.name.casefold(): param for param in params}


_SURFACE_NAMES = _by_name(_SURFACE)
_LEVEL_NAMES = _by_name(_LEVEL)
_AMOUNT = re.compile(r"(?:TOT_PREC_?|tp_?|total_precipitation_)([1-9]\d{0,3})(?:h|hr)?", re.IGNORECASE)
# Without the `_`, u100 would be a wind at 100 hPa; in IFS files it is that at 100 m.
_ON_LEVEL = re.compile(r"([a-z][a-z_]*?)_([1-9]\d{0,3})", re.IGNORECASE)


def amount(hours: int) -> Param:
    """Return the param `TOT_PREC<hours>`: the amount of precipitation of so many hours.

    The largest amounts ever measured in D hours follow 422 mm × D^0.475 (Jennings 1950, Mon. Wea.
    Rev. 78, 4–5); the range ends a little above.
    """
    return replace(
        _SURFACE_NAMES["tot_prec"],
        name=f"TOT_PREC{hours}",
        long_name=f"precipitation of {hours} h",
        valid_max=round(500 * math.sqrt(hours)),
        aliases=(),
        hours=hours,
    )


def on_level(base: str, level: int) -> Param:
    """Return the param of a base (`T` or an alias such as `t`) on a pressure level in hPa."""
    param = _LEVEL_NAMES[base.casefold()]
    return replace(
        param, name=f"{param.name}_{level}", long_name=f"{param.long_name} at {level} hPa", aliases=(), level=level
    )


def find_param(text: str) -> Param | None:
    """Return the param that a name means (canonical or alias, in capitals or not), or None."""
    found = _SURFACE_NAMES.get(text.casefold())
    if found:
        return found
    match = _AMOUNT.fullmatch(text)
    if match:
        return amount(int(match[1]))
    match = _ON_LEVEL.fullmatch(text)
    if match and match[1].casefold() in _LEVEL_NAMES and int(match[2]) <= 1100:
        return on_level(match[1], int(match[2]))
    return None


def param_named(text: str) -> Param:
    """Return the param that a name means (canonical or alias, in capitals or not).

    Raises
    ------
    UserError
        Where there is none, with the known name that is nearest.
    """
    found = find_param(text)
    if found is None:
        known = [param.name for param in _SURFACE] + [f"{param.name}_500" for param in _LEVEL] + ["TOT_PREC6"]
        near = difflib.get_close_matches(text.upper(), known, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UserError(f"no param {text}{hint}; known: {', '.join(known)} (other levels and hours likewise)")
    return found


def param_of_standard_name(
    standard_name: str, *, height: float | None = None, level: float | None = None
) -> Param | None:
    """Return the param that a CF standard name means at a height (m) or level (hPa), or None."""
    if level is not None:
        bases = [param for param in _LEVEL if param.standard_name == standard_name]
        return on_level(bases[0].name, int(level)) if bases and level == int(level) else None
    near = [param for param in _SURFACE if param.standard_name == standard_name and param.height in (None, height)]
    if near:
        return near[0]
    found = _SURFACE_NAMES.get(standard_name)
    return found if found and standard_name in found.aliases and found.height in (None, height) else None


def convert(values: np.ndarray, from_units: str | None, param: Param, where: str = "") -> np.ndarray:
    """Return values in the param's own unit.

    Parameters
    ----------
    values : array of any shape
    from_units : unit of `values`, as a file or the key `units` says it
    param : what the values are of
    where : names the file in the message

    Raises
    ------
    UserError
        Where the unit is missing, or none that this kind of quantity can be converted from.
    """
    factor, offset = check_units(from_units, param.quantity, f"{where}: {param.name}" if where else param.name)
    if (factor, offset) == (1, 0):
        return values
    return values * values.dtype.type(factor) + values.dtype.type(offset)


def convert_distance(distance: float, from_units: str | None, param: Param, where: str = "") -> float:
    """Return a distance between two values (of any unit) in the param's own unit; raises as `convert`."""
    return distance and abs(check_units(from_units, param.quantity, f"{where}: {param.name}")[0]) * distance
