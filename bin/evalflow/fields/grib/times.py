"""The times of a GRIB message: reference time, lead time and interval, exact to the second."""

from datetime import datetime, timedelta

from evalflow.fields.grib.headers import STEPS, Keys, required

_FIXED = {0: 60, 1: 3600, 2: 86400, 10: 3 * 3600, 11: 6 * 3600, 12: 12 * 3600}
"""Code of a unit → seconds, in both editions (table 4 of GRIB1, table 4.4 of GRIB2)."""
_GRIB1_UNITS = _FIXED | {13: 15 * 60, 14: 30 * 60, 254: 1}
_GRIB2_UNITS = _FIXED | {13: 1}
_MONTHS = {3: 1, 4: 12, 5: 120, 6: 360, 7: 1200}
"""Code of a unit → months, whose length the calendar says."""

GRIB1_MOMENTS = (0, 1, 10)
"""Time range indicators of fields of one moment."""

Times = tuple[datetime, timedelta, timedelta | None]


def _after(start: datetime, amount: int, unit: int, units: dict[int, int]) -> datetime:
    """Return the time that is `amount` of a unit after another."""
    if unit in units:
        return start + timedelta(seconds=amount * units[unit])
    if unit in _MONTHS:
        years, month = divmod(start.month - 1 + amount * _MONTHS[unit], 12)
        return start.replace(year=start.year + years, month=month + 1)
    raise ValueError(f"a time is in units of code {unit}, which has no length")


def _reference_time(keys: Keys) -> datetime:
    date, clock = required(keys, "dataDate"), required(keys, "dataTime")
    seconds = keys("second") or 0
    return datetime(date // 10000, date // 100 % 100, date % 100, clock // 100, clock % 100, seconds)


def grib1_times(keys: Keys) -> Times:
    """Return reference time, lead time and interval of a GRIB1 message.

    The time range indicators (table 5): 0 a forecast, 1 an initialized analysis, 10 a forecast
    whose time takes both octets, 2–5 an interval from P1 to P2. What else there is, ecCodes' own
    keys of steps say.
    """
    reference = _reference_time(keys)
    indicator, unit = required(keys, "timeRangeIndicator"), required(keys, "indicatorOfUnitOfTimeRange")
    first, second = keys("P1") or 0, keys("P2") or 0
    if indicator in GRIB1_MOMENTS:
        steps = first << 8 | second if indicator == 10 else first
        return reference, _after(reference, steps, unit, _GRIB1_UNITS) - reference, None
    if indicator in (2, 3, 4, 5):
        begin, end = (_after(reference, amount, unit, _GRIB1_UNITS) for amount in (first, second))
        return reference, end - reference, end - begin
    return reference, *_steps(keys)


def grib2_times(keys: Keys) -> Times:
    """Return reference time, lead time and interval of a GRIB2 message.

    An interval begins at the forecast time and is as long as its one time range says; of several
    nested ones ecCodes' own keys of steps say it.
    """
    reference = _reference_time(keys)
    unit = keys("indicatorOfUnitForForecastTime")
    unit = required(keys, "indicatorOfUnitOfTimeRange") if unit is None else unit
    ranges = keys("numberOfTimeRanges")
    if ranges not in (None, 1):
        return reference, *_steps(keys)
    begin = _after(reference, required(keys, "forecastTime"), unit, _GRIB2_UNITS)
    if ranges is None:
        return reference, begin - reference, None
    unit = required(keys, "indicatorOfUnitForTimeRange")
    end = _after(begin, keys("lengthOfTimeRange") or 0, unit, _GRIB2_UNITS)
    return reference, end - reference, end - begin


def _steps(keys: Keys) -> tuple[timedelta, timedelta | None]:
    """Return lead time and interval by ecCodes' own keys."""
    start, end = (timedelta(seconds=required(keys, key)) for key in STEPS)
    return end, end - start if end > start else None
