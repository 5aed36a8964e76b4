"""The files that a run's command names: what of them counts, and where they are."""

import os
import re
from dataclasses import dataclass, field
from typing import Any

from evalflow.config.inputs import Identified, find_named
from evalflow.errors import UserError
from evalflow.lookup import Lookup

_OPTION = re.compile(r"(--?[\w-]+=)(.+)", re.DOTALL)
_SYSTEM = ("/bin/", "/sbin/", "/lib/", "/lib64/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/")
"""Programs of the operating system: an update of it makes no other model."""


@dataclass(frozen=True)
class NamedCommand:
    """A command, ready to be identified and to be run.

    Attributes
    ----------
    identity : its words, with what counts in place of files, folders and wildcards
    located : its words, with their absolute paths
    counted : all files whose bytes count
    uncounted : name → why its content does not count
    """

    identity: list[Any] = field(default_factory=list)
    located: list[str] = field(default_factory=list)
    counted: tuple[str, ...] = ()
    uncounted: dict[str, str] = field(default_factory=dict)


def read_command(words: list[str], lookup: Lookup, key: str) -> NamedCommand:
    """Return a run's command with the files that it names.

    A word, or what follows `=` in an option, names a file as a text of an inference config does.
    A word with a placeholder names none.

    Parameters
    ----------
    lookup : where relative paths are looked up
    key : the config key, for messages

    Raises
    ------
    UserError
        Where a file cannot be read.
    """
    identified = Identified(lookup)
    identity: list[Any] = []
    located: list[str] = []
    for index, word in enumerate(words):
        option, value = match.groups() if (match := _OPTION.fullmatch(word)) else ("", word)
        before = words[index - 1] if index and words[index - 1].startswith("-") else ""
        keys = (option or before,)
        named = find_named(value, lookup, keys) if "{" not in value else None
        if named is None or named.path.startswith(_SYSTEM):
            identity.append(word)
            located.append(word)
            continue
        try:
            counts = identified.text(value, keys) if not _is_empty(named.path) else {"file": "empty"}
        except UserError as error:
            raise UserError(f"{key}: {error}") from None
        identity.append(
            [option, counts] if option and not isinstance(counts, str) else f"{option}{counts}" if option else counts
        )
        located.append(f"{option}{named.located}")
    return NamedCommand(identity, located, tuple(dict.fromkeys(identified.files)), identified.uncounted)


def _is_empty(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) == 0
