"""Numbers, units and names as the pages show them."""

import math
import re

MINUS, SPACE = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number with so many significant digits, thousands apart, never in powers of ten; `–` where it is missing."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    places = max(digits - 1 - (math.floor(math.log10(size)) if size else 0), 0)
    text = f"{round(value, places):,.{min(places, 8)}f}"
    if float(text.replace(",", "")) == 0:
        return "0"
    sign = "+" if signed and value > 0 else ""
    return sign + text.replace("-", MINUS)


def percent(value: float | None) -> str:
    """Return a relative difference in percent with its sign."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{abs(value):.1f}" if abs(value) < 9.95 else f"{abs(value):.0f}"
    sign = "" if float(text) == 0 else "+" if value > 0 else MINUS
    return f"{sign}{text}{SPACE}%"


def unit(text: str) -> str:
    """Return a unit with raised exponents, nothing for 1."""
    return "" if text == "1" else re.sub(r"(?<=[A-Za-z%°])-?\d+", lambda match: match[0].translate(_RAISED), text)


def with_unit(text: str, units: str) -> str:
    """Return a number and its unit."""
    return f"{text}{SPACE}{unit(units)}" if unit(units) else text


def hours(value: float) -> str:
    """Return a lead time: `6 h`, `0.5 h`."""
    return f"{value:g}{SPACE}h"


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours."""
    size, name = (3600, "h") if seconds >= 3600 else (60, "min") if seconds >= 60 else (1, "s")
    return f"{number(seconds / size, 2)}{SPACE}{name}"


def short(text: str, length: int = 48) -> str:
    """Return a text that is no longer than `length`."""
    return text if len(text) <= length else text[: length - 1] + "…"


def visible(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)


def file_name(text: str, taken: set[str]) -> str:
    """Return a part of a file's name for a title, which is not among those taken, and take it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:60] or "unnamed"
    found, count = name, 1
    while found.lower() in taken:
        count += 1
        found = f"{name}-{count}"
    taken.add(found.lower())
    return found


def time(name: str) -> str:
    """Return an init time as people write it."""
    return f"{name[:4]}-{name[4:6]}-{name[6:8]} {name[8:10]}:{name[10:12]}"
