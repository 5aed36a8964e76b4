"""The kinds of values in a config, and how a validator says what is wrong with one."""

import re
import shlex
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from evalflow.errors import UserError
from evalflow.requirements import is_local_file
from evalflow.scores.names import parse_score
from evalflow.scores.table import METRICS
from evalflow.texts import did_you_mean, show


class Model(BaseModel):
    """A section of the config. It refuses unknown keys, and never changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


Place = tuple[str | int, ...]
"""Keys in the config, from the top or from a section down."""
Problems = list[tuple[Place, str]]
"""Pairs of a place and what is wrong there."""


def refuse(problems: Problems) -> PydanticCustomError:
    """Return the error that a model's validator raises: keys below it, what is wrong there.

    A validator of one value raises a plain ValueError instead: its place is known.
    """
    text = "; ".join(f"{'.'.join(map(str, keys))}: {what}" for keys, what in problems)
    # The text goes through the context: a message template would read braces in it as names.
    return PydanticCustomError("config_problems", "{text}", {"text": text, "problems": problems})


def _check_printable(text: str) -> str:
    # Zl and Zp are line separators: they too would break a one-line message, a table or a file
    # name.
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        raise ValueError(f"got {show(text)}; allowed: text without control characters and line breaks")
    return text


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; allowed: text with at least one character")
    _check_printable(text)
    if len(text.encode()) > 4096:  # no path is longer
        raise ValueError(f"got {show(text)}; allowed: text of up to 4096 bytes")
    return text


def _check_name(text: str) -> str:
    _check_text(text)
    # It becomes part of a file or folder name: 200 bytes leave room for what is put around it.
    if "/" in text or text[0] in ".-" or len(text.encode()) > 200:
        raise ValueError(f"got {show(text)}; allowed: text without '/', not starting with '.' or '-', up to 200 bytes")
    return text


def check_number(value: Any) -> Any:
    """Return the value, unless it is true or false."""
    # Python counts True as 1.
    if isinstance(value, bool):
        raise ValueError(f"got {show(value)}; allowed: a number")
    return value


def unique(values: list) -> list:
    """Return the values in their order, each once: two products must not share a file name."""
    return list(dict.fromkeys(values))


Text = Annotated[str, AfterValidator(_check_text)]
Name = Annotated[str, AfterValidator(_check_name)]
Names = Annotated[list[Name], AfterValidator(unique)]
Natural = Annotated[int, Field(ge=0), BeforeValidator(check_number)]
Count = Annotated[int, Field(ge=1), BeforeValidator(check_number)]
Number = Annotated[float, BeforeValidator(check_number)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(check_number)]


_WIDEST = 270
"""Degrees that a box may have across the date line: a wider one has west and east swapped."""


def _check_box(box: list[float]) -> list[float]:
    west, east, south, north = box
    if -180 <= east < west <= 180 and east + 360 - west <= _WIDEST:
        east += 360
    if not (-180 <= west < east <= 360 and -90 <= south < north <= 90):
        allowed = (
            "[lon_min, lon_max, lat_min, lat_max] in degrees, each min < max; [170, -170, …] is across the date line"
        )
        raise ValueError(f"is not an area; allowed: {allowed}")
    return [west, east, south, north]


Box = Annotated[list[Number], Field(min_length=4, max_length=4), AfterValidator(_check_box)]
"""West, east, south and north in degrees; `[170, 190, -30, 0]` is across the date line."""


def tag_of(value: Any) -> str | None:
    """Return the tag of the branch of a union that fits the kind of a value.

    Choosing a branch by its tag keeps each error where the user wrote the mistake; trying all
    branches would report what each of them dislikes. Tags stand in <> so that `messages.problems`
    can tell them from keys.
    """
    kinds = (
        (bool, "<flag>"),
        (str, "<text>"),
        (int | float, "<number>"),
        (list, "<list>"),
        (dict | BaseModel, "<mapping>"),
    )
    return next((tag for kind, tag in kinds if isinstance(value, kind)), None)


def _folder(value: Any) -> Any:
    if isinstance(value, str):
        _check_text(value)
        if len(value.encode()) > 2048 or any(len(part.encode()) > 255 for part in value.split("/")):
            raise ValueError(f"got {show(value)}; allowed: a path of up to 2048 bytes, each name in it up to 255")
    return value


Folder = Annotated[Path, BeforeValidator(_folder)]
_UNITS = re.compile(r"(?:([0-9]{1,6})d)?\s*(?:([0-9]{1,6})h)?\s*(?:([0-9]{1,6})m)?\s*(?:([0-9]{1,6})s)?")
_CLOCK = re.compile(r"(?:([0-9]{1,4})-)?([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])")


def parse_runtime(value: str | int) -> int:
    """Return a wall-clock time in seconds: `90` (minutes), `1h30m`, `01:30:00` or `1-12:00:00`.

    Raises
    ------
    ValueError
        Where it is written in another way, or is no time at all.
    """
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if re.fullmatch(r"[0-9]{1,6}", text):
        seconds = 60 * int(text)
    else:
        match = _UNITS.fullmatch(text) or _CLOCK.fullmatch(text)
        parts = [int(part or 0) for part in match.groups()] if match else [0, 0, 0, 0]
        seconds = sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=True))
    if seconds == 0:
        allowed = "a time such as 20m, 1h30m, 1d, 01:30:00, 1-00:00:00, or minutes as a whole number"
        raise ValueError(f"got {show(value)}; allowed: {allowed}")
    return seconds


def _check_runtime(value: Any) -> str:
    parse_runtime(value)
    return str(value).strip()


Runtime = Annotated[str, BeforeValidator(_check_runtime, json_schema_input_type=str | int), Field(examples=["1h30m"])]


def _pad(value: Any, digits: int) -> Any:
    # YAML reads 12 as a number; 012 and 00 stay text.
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return f"{value:0{digits}d}" if is_number else value


def _check_member(value: Any) -> str:
    member = "000" if value == "control" else _pad(value, 3)
    if not (isinstance(member, str) and re.fullmatch(r"mean|median|[0-9]{3}", member)):
        raise ValueError(f"got {show(value)}; allowed: control, mean, median, or three digits such as 000")
    return member


def _check_init_hour(value: Any) -> str:
    hour = _pad(value, 2)
    if not (isinstance(hour, str) and re.fullmatch(r"all|[01][0-9]|2[0-3]", hour)):
        raise ValueError(f"got {show(value)}; allowed: all, or an hour from 00 to 23")
    return hour


Member = Annotated[str, BeforeValidator(_check_member, json_schema_input_type=str | int), Field(examples=["000"])]
InitHour = Annotated[str, BeforeValidator(_check_init_hour, json_schema_input_type=str | int), Field(examples=["00"])]


def _check_variable(text: str) -> str:
    param, colon, scores = (part.strip() for part in text.partition(":"))
    try:
        if not re.fullmatch(r"\w[\w.-]*", param):
            raise UserError(f"param {show(param)}: is not understood")
        names = [parse_score(score).name for score in scores.split(",")] if colon else []
    except UserError as error:
        what = str(error).partition("; ")[0]
        allowed = f"a param, or a param and scores such as T_2M:RMSE,R2; scores are {', '.join(METRICS)}"
        raise ValueError(f"got {show(text)}: {what}; allowed: {allowed}") from None
    return f"{param}:{','.join(unique(names))}" if names else param


Variable = Annotated[str, AfterValidator(_check_variable), Field(examples=["T_2M:RMSE,R2"])]
_URL = re.compile(r"(?:git\+)?(?:https?|ssh|file)://[^\s-]\S*")


def check_requirement(text: str) -> str:
    """Return the requirement, stripped, after a check that uv reads it as one requirement only.

    Raises
    ------
    ValueError
        Where uv could take it for an option, for several lines, or for something to be filled in.
    """
    _check_text(text)
    requirement = text.strip()
    if is_local_file(requirement) and not requirement.startswith("-"):
        return requirement
    # uv replaces ${NAME} by a variable of the environment, which may be a secret, and joins a line
    # that ends in \\ to the next one.
    if "${" in requirement or "\\" in requirement:
        raise ValueError(f"got {show(text)}; allowed: a requirement without ${{…}} and \\, which uv would replace")
    try:
        url = Requirement(requirement).url
    except InvalidRequirement:
        url = requirement
    if url and not _URL.fullmatch(url):
        allowed = "name==1.2, a URL, git+https://…@revision, or the path of a .whl, .tar.gz or .zip without spaces"
        raise ValueError(f"got {show(text)}; allowed: {allowed}")
    return requirement


RequirementText = Annotated[str, AfterValidator(check_requirement), Field(examples=["anemoi-inference==0.11.1"])]
PLACEHOLDERS = (
    "checkpoint",
    "config",
    "init_time",
    "lead_time",
    "start",
    "end",
    "step",
    "output",
    "python",
    "forecaster",
)


def _split_command(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {error}; allowed: words quoted as in a shell") from None


def _check_words(words: list[str], placeholders: tuple[str, ...]) -> list[str]:
    allowed = ", ".join(f"{{{name}}}" for name in placeholders)
    if not words or not words[0].strip():
        raise ValueError("is empty; allowed: a program and its arguments")
    if any("\0" in word for word in words):
        raise ValueError("holds a NUL character; allowed: text")
    # A letter after the brace tells a placeholder from JSON; {name:…} would reach the program as it
    # stands.
    for name, rest in re.findall(r"\{([A-Za-z_]\w*)([!:.\[][^{}]*)?\}", " ".join(words)):
        if name not in placeholders or rest:
            hint = did_you_mean(name, placeholders)
            shown = show(f"{{{name}{rest}}}")[1:-1]
            raise ValueError(f"unknown placeholder {shown}{hint}; allowed: {allowed}")
    return words


_OF_SHELLS = re.compile(r"\|\|?|&&|[;&]|[0-9&]?>>?(?!=)\S*|<\S*|.+;")
_SHELL_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\}|\()|`")
_SCRIPT = re.compile(r"-[a-z]{0,2}[ce]")
"""Options after which a word is a program of its own: `bash -c`, `python -c`, `perl -e`."""


def _refuse_shell_syntax(words: list[str]) -> None:
    for before, word in zip(["", *words], words, strict=False):
        if _SCRIPT.fullmatch(before):  # what follows are arguments of that program
            return
        variable = None if re.search(r"\s", word) else _SHELL_VARIABLE.search(word)
        if variable or _OF_SHELLS.fullmatch(word):
            allowed = "words without it, paths written out, a script, or [sh, -c, '…'], which is a shell"
            raise ValueError(f"holds {show(word)}, which no shell reads here; allowed: {allowed}")


def _check_command(words: list[str]) -> list[str]:
    _refuse_shell_syntax(words)
    _check_words(words, PLACEHOLDERS)
    if not any("{output}" in word for word in words):
        allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError("does not use {output}, the folder that the forecast goes to; allowed: " + allowed)
    return words


Command = Annotated[
    list[str],
    BeforeValidator(_split_command, json_schema_input_type=list[str] | str),
    AfterValidator(_check_command),
    Field(examples=["model --from {init_time} --hours {lead_time} --to {output}"]),
]
TableCommand = Annotated[
    list[str],
    BeforeValidator(_split_command, json_schema_input_type=list[str] | str),
    AfterValidator(lambda words: _check_words(words, ("start", "end"))),
    Field(examples=["observations --from {start} --to {end}"]),
]


def _check_inference_config(value: Any) -> Any:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    if isinstance(value, str):
        return _check_text(value)
    if value is None:
        return {}
    raise ValueError(f"got {show(value)}; allowed: a mapping with text keys, or the path of a YAML file")


InferenceSettings = Annotated[dict[str, Any] | str, BeforeValidator(_check_inference_config)]
