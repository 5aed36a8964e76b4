"""Times and lengths of time in the config: init times, how far apart they are, lead times."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evalflow.config.fields import Model, check_number, refuse
from evalflow.texts import length_text, show

# Otherwise a slip in a year, a frequency or a step would fill the memory before anybody is told.
MAX_TIMES = 1_000_000

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2})(?::([0-9]{2}))?Z?)?")


def parse_time(text: str) -> datetime:
    """Return the UTC time, without a time zone, of an ISO-8601 date or time of whole minutes.

    Raises
    ------
    ValueError
        Where the text is anything else, names another time zone, or no such day or hour exists.
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    try:
        if not match or (match[3] or "00") != "00":
            raise ValueError
        return datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00'}")
    except ValueError:
        allowed = "an ISO-8601 date or time in UTC, in whole minutes, such as 2024-01-01 or 2024-01-01T06:00"
        raise ValueError(f"got {show(text)}; allowed: {allowed}") from None


def _canonical_time(value: Any) -> str:
    return parse_time(value).isoformat(timespec="minutes")


def _canonical_end(value: Any) -> str:
    time = parse_time(value)
    return (time if "T" in value else time + timedelta(hours=23, minutes=59)).isoformat(timespec="minutes")


def _sorted_times(times: list[str]) -> list[str]:
    return sorted(set(times))


def _some_times(times: list[str]) -> list[str]:
    if not times:
        raise ValueError("no init time is left; allowed: at least one")
    return times


_EXAMPLES = Field(examples=["2024-01-01T00:00"])
Time = Annotated[str, BeforeValidator(_canonical_time, json_schema_input_type=str), _EXAMPLES]
LastTime = Annotated[str, BeforeValidator(_canonical_end, json_schema_input_type=str), _EXAMPLES]
"""The end of a period: a day without an hour counts to its last minute."""
Times = Annotated[list[Time], AfterValidator(_sorted_times)]
InitTimes = Annotated[Times, AfterValidator(_some_times)]

_FREQUENCY = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class Dates(Model):
    """Init times at equal distances, the end included where it is one of them."""

    start: Time = Field(description="First init time, ISO-8601, UTC.")
    end: Time = Field(description="Last init time, ISO-8601, UTC.")
    frequency: str = Field(
        pattern=r"^[1-9][0-9]{0,5}[mhd]$",
        examples=["6h", "1d", "30m"],
        description="Time between init times, in days, hours or minutes.",
    )
    blacklist: list[Time] = Field([], description="Init times to leave out.")

    @model_validator(mode="after")
    def _some_times(self) -> "Dates":
        start, end = parse_time(self.start), parse_time(self.end)
        if end < start:
            raise refuse([(("end",), f"is before the start {self.start}; allowed: the start or a later time")])
        if (end - start) / self.interval >= MAX_TIMES:
            raise refuse([((), f"more than {MAX_TIMES} init times; allowed: a shorter period")])
        if not self.times():
            raise refuse([(("blacklist",), "leaves out every init time; allowed: at least one must stay")])
        return self

    @property
    def interval(self) -> timedelta:
        """Time between two init times."""
        return int(self.frequency[:-1]) * _FREQUENCY[self.frequency[-1]]

    def all_times(self) -> list[datetime]:
        """Return the init times in order, those of the blacklist among them."""
        start, end = parse_time(self.start), parse_time(self.end)
        return [start + self.interval * index for index in range((end - start) // self.interval + 1)]

    def times(self) -> list[datetime]:
        """Return the init times in order, the blacklist left out."""
        left_out = {parse_time(text) for text in self.blacklist}
        return [time for time in self.all_times() if time not in left_out]


_LENGTH = r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(h|m)?\s*"
_STEPS = re.compile("/".join(3 * [_LENGTH]))


def _minutes(number: str, unit: str | None) -> int:
    minutes = Decimal(number) * (1 if unit == "m" else 60)
    if minutes != int(minutes):
        raise ValueError("no whole minutes")
    return int(minutes)


def parse_steps(text: str) -> range:
    """Return the lead times of `start/end/step` in minutes, with the end where it is on the grid.

    Each of the three is a number of hours (`6`, `0.5`, `6h`) or of minutes (`30m`).

    Raises
    ------
    ValueError
        Where the text is anything else, is no whole number of minutes, start exceeds end, or step
        is 0.
    """
    match = _STEPS.fullmatch(text) if isinstance(text, str) else None
    try:
        start, end, step = (_minutes(*match.group(i, i + 1)) for i in (1, 3, 5)) if match else (0, -1, 0)
    except ValueError:
        start, end, step = 0, -1, 0
    if start > end or step == 0:
        allowed = "start/end/step in whole hours or minutes with start <= end and step > 0, such as 0/120/6 or 0/6/30m"
        raise ValueError(f"got {show(text)}; allowed: {allowed}")
    lead_times = range(start, end + 1, step)
    if len(lead_times) > MAX_TIMES:
        raise ValueError(f"more than {MAX_TIMES} lead times; allowed: fewer, such as 0/120/6")
    return lead_times


def _canonical_steps(value: Any) -> str:
    steps = parse_steps(value)
    return "/".join(length_text(minutes / 60) for minutes in (steps.start, steps.stop - 1, steps.step))


Steps = Annotated[str, BeforeValidator(_canonical_steps, json_schema_input_type=str), Field(examples=["0/120/6"])]
"""Lead times: `0/120/6` where all three are whole hours, else `0/6/30m`."""


def as_hours(minutes: int) -> int | float:
    """Return minutes as hours: a whole number where possible.

    So identities and file names stay what they are.
    """
    return minutes / 60 if minutes % 60 else minutes // 60


def _whole_minutes(hours: float) -> int | float:
    minutes = round(hours * 60)
    if abs(hours * 60 - minutes) > 1e-6:
        raise ValueError(f"got {show(hours)}; allowed: hours that are whole minutes, such as 6 or 0.5")
    return as_hours(minutes)


LeadHours = Annotated[float, Field(ge=0), BeforeValidator(check_number), AfterValidator(_whole_minutes)]
"""A lead time in hours, a whole number wherever it is one."""


def hours_of(steps: str) -> list[int | float]:
    """Return the lead times of `steps` in hours."""
    return [as_hours(minutes) for minutes in parse_steps(steps)]


def lead_times_of(steps: str) -> list[timedelta]:
    """Return the lead times of `steps`."""
    return [timedelta(minutes=minutes) for minutes in parse_steps(steps)]
