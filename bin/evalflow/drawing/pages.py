"""How pages are made: templates that escape what they show, one style, nothing from elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_SHARED = Path(__file__).parent / "templates"


def page_templates(folder: Path, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """Return the templates of a folder, and those that all pages share: `base.html` and its style.

    A template puts a file of either into the page with `inlined`. The style of a folder's pages is
    its `style.css`.

    Parameters
    ----------
    finalize : is given each value before it is escaped and shown
    """
    environment = Environment(
        loader=FileSystemLoader([folder, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )

    def inlined(name: str) -> Markup:
        """Return a file of the templates as it is."""
        path = next(place / name for place in (folder, _SHARED) if (place / name).is_file())
        return Markup(path.read_text(encoding="utf-8"))

    environment.globals["inlined"] = inlined
    return environment


def script_data(value: Any) -> Markup:
    """Return JSON that cannot end the element that it stands in, whatever texts are in it."""
    return Markup(json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))
