"""The parameters of a launch, as `nextflow_schema.json` lists them: check, --help, manual."""

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalflow.errors import UserError
from evalflow.lookup import PROJECT
from evalflow.texts import did_you_mean, names_variable, show

SCHEMA = PROJECT / "nextflow_schema.json"
_WORDS = {"integer": "N", "boolean": "", "file-path": "FILE", "directory-path": "FOLDER", "string": "TEXT"}
_LOST = "\ufffd"
"""What Java has in the place of a character that its locale lacks: a batch job may have no LANG."""
_INTRO = """\
evalflow: evaluate machine-learned weather models

usage:  nextflow run . -profile local|slurm --config my.yaml [parameters]
"""
_OUTRO = """\
Nextflow's own options have one dash:
  -profile local          on this machine
  -profile slurm          on a cluster (docs/slurm.md)
  -stub-run               go through everything in seconds, with empty files in a store of its own
  -resume                 also take from the work folder what was made and could not be stored

To see what a launch would do:            bin/plan.py --config my.yaml
To see why two experiments or ids differ: bin/explain.py --help
"""


@dataclass(frozen=True)
class Parameter:
    """One parameter, with the words that the JSON schema has for it (`enum`: its choices)."""

    type: str
    description: str
    default: Any = None
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    format: str | None = None
    help_text: str = ""

    @property
    def word(self) -> str:
        """What stands for a value in a list of parameters."""
        if self.default is True:
            return "false"
        return "NAME" if self.enum else _WORDS[self.format or self.type]

    @property
    def allowed(self) -> str:
        """What a value may be, in words."""
        if self.enum:
            return ", ".join(self.enum)
        if self.type == "integer":
            return f"a whole number from {self.minimum} on"
        words = {"boolean": "true or false", "file-path": "a file", "directory-path": "a folder", "string": "a text"}
        return words[self.format or self.type]

    def read(self, value: Any) -> Any:
        """Return `value` with the parameter's type: some versions of Nextflow give only text.

        Raises
        ------
        ValueError
            Where the value does not fit; its text says what was given.
        """
        if value == self.default and type(value) is type(self.default):
            return value
        if value in (None, "") or (self.type != "boolean" and str(value).lower() == "true"):
            raise ValueError("has no value")  # Nextflow gives True, or its text, for `--name` alone and for `--name ''`
        text = str(value) if isinstance(value, str | int) else ""
        if self.type == "boolean" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if self.type == "integer" and re.fullmatch(r"[0-9]{1,9}", text) and int(text) >= (self.minimum or 0):
            return int(text)
        if self.type == "string" and text and (not self.enum or text in self.enum):
            return text
        raise ValueError(f"got {show(value)}{did_you_mean(value, self.enum).removesuffix('?')}")


def read_groups(path: Path = SCHEMA) -> list[tuple[str, dict[str, Parameter]]]:
    """Return the groups of parameters, in their order: a title, and name → parameter."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    groups = [schema["$defs"][entry["$ref"].rpartition("/")[2]] for entry in schema["allOf"]]
    return [
        (group["title"], {name: Parameter(**entry) for name, entry in group["properties"].items()}) for group in groups
    ]


def read_parameters(path: Path = SCHEMA) -> dict[str, Parameter]:
    """Return name → parameter."""
    return {name: parameter for _, group in read_groups(path) for name, parameter in group.items()}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _describe_unknown(name: str, known: Mapping[str, Parameter]) -> str:
    for right in known:
        if _plain(right) == _plain(name):
            return f"unknown parameter --{name}: write --{right}"
    near = did_you_mean(name, known).replace("mean ", "mean --") or ";"
    return f"unknown parameter --{name}{near} --help lists all"


def check_parameters(given: Mapping[str, Any], known: Mapping[str, Parameter] | None = None) -> dict[str, Any]:
    """Return the parameters of a launch with their types, defaults included.

    Parameters
    ----------
    given : name → value, as Nextflow has them: of the command line, a params file, and all its
        configs
    known : the parameters that there are

    Raises
    ------
    UserError
        With one line for each name that does not exist or is spelled in another way, and each value
        that does not fit.
    """
    known = known or read_parameters()
    if str(given.get("help")).lower() == "true":
        return {"help": True}
    problems = [_describe_unknown(name, known) for name in given if name not in known]
    read = {name: parameter.default for name, parameter in known.items()}
    for name in [name for name in given if name in known]:
        if _LOST in str(given[name]):
            problems.append(
                f"--{name}: Nextflow cannot read {show(str(given[name]))} without a locale of UTF-8; set LC_ALL=C.UTF-8 "
                "and launch again"
            )
            continue
        try:
            read[name] = known[name].read(given[name])
        except ValueError as error:
            problems.append(f"--{name}: {error}; allowed: {known[name].allowed}")
    if problems:
        raise UserError("\n".join(problems))
    return read


def check_folders(folders: Mapping[str, str]) -> None:
    """Check that the scripts that Nextflow writes for tasks find their folders.

    Parameters
    ----------
    folders : what it is → its path

    Raises
    ------
    UserError
        Where a path has a `$` that these scripts take for the beginning of a variable.
    """
    for what, path in folders.items():
        if names_variable(path):
            raise UserError(
                f"{what} {path}: the scripts of tasks take the $ in this name for a variable; choose another folder "
                '(where a variable was meant, do not put it into single quotes: -work-dir "$HOME/work")'
            )


def _show_default(parameter: Parameter) -> str:
    if parameter.default is True:
        return "true"
    return "" if parameter.default is None or parameter.default is False else str(parameter.default)


def usage() -> str:
    """Return what --help shows."""
    lines = [_INTRO]
    for title, group in read_groups():
        lines.append(f"{title}:")
        for name, parameter in group.items():
            text = parameter.description.replace("`", "").removesuffix(".")
            text += f": {parameter.allowed}" if parameter.enum else ""
            default = _show_default(parameter)
            text += f"  [{default}]" if default else ""
            head = f"  --{name} {parameter.word}".ljust(25)
            lines += textwrap.wrap(text, 100, initial_indent=f"{head} ", subsequent_indent=" " * 26)
        lines.append("")
    return "\n".join([*lines, _OUTRO])


def parameters_table() -> str:
    """Return the parameters as tables of Markdown, one a group."""
    lines = []
    for title, group in read_groups():
        lines += [f"{title}:", "", "| parameter | what | default |", "|---|---|---|"]
        for name, parameter in group.items():
            words = "\\|".join(parameter.enum) or parameter.word
            default = _show_default(parameter)
            about = f"{parameter.description} {parameter.help_text}".strip()
            lines.append(f"| `--{name}{' ' if words else ''}{words}` | {about} | {f'`{default}`' if default else ''} |")
        lines.append("")
    return "\n".join(lines)
