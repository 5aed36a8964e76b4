"""Texts for people: values and keys in messages, and what no text of a config may hold."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evalflow.errors import UserError


def show(value: Any) -> str:
    """Return `value` for an error message: on one line, short, quoted where it is text."""
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    if not text.isprintable():
        text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def length_text(hours: float) -> str:
    """Return a length as the config has it: `6`, or `30m` where it is no whole number of hours."""
    minutes = round(60 * hours)
    return f"{minutes}m" if minutes % 60 else str(minutes // 60)


def insert_generated(manual: str, name: str, text: str) -> str:
    """Return a manual with `text` between its two marks for the generated part `name`.

    Raises
    ------
    ValueError
        Where the marks are not there.
    """
    begin, end = f"<!-- {name}: written by `bin/schema.py`. -->\n", f"<!-- End of {name}. -->\n"
    before, found, rest = manual.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the manual has no marks between which {name} stand")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


def did_you_mean(word: Any, known: Iterable[str]) -> str:
    """Return `, did you mean …?` for the known word that is nearest to `word`, or nothing."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""


def render(keys: tuple[str | int, ...]) -> str:
    """Return the place in the config, such as `runs[0].forecaster.steps`."""
    place = ""
    for key in keys:
        if isinstance(key, int):
            place += f"[{key}]"
        elif re.fullmatch(r"[\w-]+", key):
            place += f".{key}"
        else:
            place += f"[{json.dumps(key)}]"
    return place.removeprefix(".") or "config"


_CREDENTIALS = re.compile(
    r"https?://[^\s/?#]*@"
    # Elsewhere a user alone is no secret (git+ssh://git@…). A password may hold a slash, and a port
    # is no password.
    r"|://[^\s/?#@\[]*:(?![0-9]+[/?#])[^\s@]*@"
)


def _improper_texts(data: Any, keys: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """Yield the place of each text that `check_texts` refuses, and what is wrong with it."""
    if isinstance(data, dict):
        for key, value in data.items():
            wrong_key = list(_improper_texts(key, keys))
            # What is wrong below such a key is for the next time: its place would show the key.
            yield from wrong_key or _improper_texts(value, (*keys, key if isinstance(key, int | str) else str(key)))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _improper_texts(item, (*keys, index))
    elif isinstance(data, str):
        if _CREDENTIALS.search(data):
            cure = "write it without, and give credentials in the environment or in the client's own file"
            yield keys, f"a URL with a user name or password in it; {cure}"
        elif re.search(r"[\ud800-\udfff]", data):
            yield keys, f"got {show(data)}; allowed: text that UTF-8 can hold"


def check_texts(data: Any, path: Path) -> None:
    """Refuse what no text of a config may hold: all of it ends up in plans, logs and the store.

    Parameters
    ----------
    data : what was read from the YAML file `path`

    Raises
    ------
    UserError
        With one line per text that holds credentials (which the line does not repeat) or no valid
        Unicode.
    """
    lines = [f"{path}: {render(keys)}: {what}" for keys, what in _improper_texts(data)]
    if lines:
        raise UserError("\n".join(lines))


_VARIABLE = re.compile(r"\$[A-Za-z0-9_{$@#-]")


def names_variable(path: str) -> bool:
    """Return whether Nextflow's scripts would take a part of a path for a variable of the shell.

    They escape blanks, quotes and parentheses, and no `$`.
    """
    return _VARIABLE.search(path) is not None
