"""How a page is written: a template, with all that it needs inside it, renamed into place."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment

from evalflow.drawing.pages import page_templates
from evalflow.report import words
from evalflow.store.files import new_in_place_of, read_json

TEMPLATES = Path(__file__).parent / "templates"
MADE = "report.json"
"""In the folder of results: what was drawn, and from what."""


@dataclass(frozen=True)
class Page:
    """A page that was drawn, and files beside it.

    Attributes
    ----------
    name : of the file, in the folder of results
    title, about : what the index says of it
    files : (name, title) of what belongs to it
    more : names of files that belong to it and that it shows itself
    problems : what the config asks for and what could not be drawn, a line each
    digests : name of a file → digest of what it shows, where drawing it takes long: such a file is kept while it shows
        the same
    """

    name: str
    title: str
    about: str = ""
    files: list[tuple[str, str]] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of all its files."""
        return [self.name, *(name for name, _ in self.files), *self.more]


def drawn_before(folder: Path) -> dict[str, str]:
    """Return name → digest of what the files in the folder of results show, of those that are there."""
    digests = (read_json(folder / MADE) or {}).get("digests", {})
    return {name: digest for name, digest in digests.items() if (folder / name).is_file()}


@cache
def _environment() -> Environment:
    environment = page_templates(
        TEMPLATES, finalize=lambda value: words.visible(value) if type(value) is str else value
    )
    environment.filters |= {"short": words.short, "unit": words.unit, "number": words.number}
    return environment


def render(template: str, **context: object) -> str:
    """Return what a template makes of values; texts are escaped."""
    return _environment().get_template(template).render(**context)


def write_text(folder: Path, name: str, text: str) -> None:
    """Write a file of the report, whole or not at all."""
    with new_in_place_of(folder / name) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(folder: Path, name: str, content: bytes) -> None:
    """Write a file of the report, whole or not at all."""
    with new_in_place_of(folder / name) as temporary:
        temporary.write_bytes(content)
