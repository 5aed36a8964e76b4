"""Show what the store has: link it into the results, draw meteograms, write the page."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from evalflow.digests import digest
from evalflow.drawing.pages import page_templates, script_data
from evalflow.errors import describe_os_error
from evalflow.fields.params import param_named
from evalflow.showcase.collect import Collected, Collector
from evalflow.showcase.meteograms import Meteogram, draw_meteogram, unknown_characters
from evalflow.showcase.spec import Prepared, ShowcaseSpec, Shown
from evalflow.store.files import new_in_place_of, read_json, replace_file, to_json, write_over
from evalflow.store.layout import SHOWCASE_PAGE

MADE = "showcase.json"
"""In the folder of results: which files the showcase has, and what they were made from."""
_TEMPLATES = Path(__file__).parent / "templates"


def _source_name(source: int | None, truth: int | None) -> str:
    return f"s{source}" if source is not None else f"t{truth}"


def page_data(spec: ShowcaseSpec, found: Collected) -> dict:
    """Return what the script of the page works on: names of files, labels, nothing of a field."""
    sources = [{"id": f"s{number}", "label": source.label} for number, source in enumerate(spec.sources)]
    sources += [{"id": f"t{number}", "label": truth.label} for number, truth in enumerate(spec.truths)]
    return {
        "times": [time.model_dump() for time in spec.times],
        "sources": sources,
        "truths": [truth.label for truth in spec.truths],
        "params": [[param, param_named(param).long_name] for param in spec.params],
        "domains": [domain.name for domain in spec.domains],
        "animations": [
            {
                "time": one.item.init_time,
                "source": _source_name(one.item.source, one.item.truth),
                "param": one.product.param,
                "domain": one.product.domain.name if one.product.domain else "",
                "truth": one.product.truth,
                "file": one.file,
                "key": one.product.path.name,
                "films": [name for name, _ in one.films],
            }
            for one in found.animations
        ],
        "meteograms": [
            {"time": f"{one.init_time:%Y%m%d%H%M}", "name": one.name, "file": name}
            for name, one in found.meteograms.items()
        ],
    }


class _Results:
    """The files of the showcase in the folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before: dict[str, str] = (read_json(folder / MADE) or {}).get("files", {})
        self.now: dict[str, str] = {}

    def link(self, name: str, stored: Path) -> None:
        """Give a file of the store a name here: a hard link, else a copy, never a symbolic link."""
        path = self.folder / name
        self.now[name] = stored.name
        if self.before.get(name) == stored.name and _same_size(path, stored):
            return
        replace_file(stored, path)

    def draw(self, name: str, meteogram: Meteogram) -> None:
        """Draw a meteogram, unless what is there shows the same."""
        self.now[name] = digest([_code(), json.loads(json.dumps(asdict(meteogram), default=_plain))])
        if self.before.get(name) != self.now[name] or not (self.folder / name).is_file():
            draw_meteogram(self.folder / name, meteogram)

    def finish(self, problems: list[str]) -> None:
        """Remove what an earlier launch has shown and this one does not; say what there is now."""
        for name in self.before.keys() - self.now.keys():
            path = self.folder / name
            if path.resolve().is_relative_to(self.folder.resolve()):
                path.unlink(missing_ok=True)
        write_over(self.folder / MADE, to_json({"files": self.now, "problems": problems}))


def _plain(value: object) -> object:
    return value.model_dump() if hasattr(value, "model_dump") else str(value)


def _code() -> str:
    return digest((Path(__file__).parent / "meteograms.py").read_text(encoding="utf-8"))


def _same_size(path: Path, stored: Path) -> bool:
    try:
        return os.path.samefile(path, stored) or path.stat().st_size == stored.stat().st_size
    except OSError:
        return False


def _font_problems(found: Collected) -> list[str]:
    names = {text for one in found.meteograms.values() for text in (one.name, *(line.label for line in one.lines))}
    unknown = {name: unknown_characters(name) for name in sorted(names)}
    return [
        f"{name}: no font here has {characters}: pictures show boxes in their place, the page shows the name"
        for name, characters in unknown.items()
        if characters
    ]


def show(spec: ShowcaseSpec, prepared: Prepared, drawn: int, problems: list[str]) -> Shown:
    """Write the page and all that it shows into the results.

    Where the folder of results cannot be written to, there is a line that says why.

    Parameters
    ----------
    drawn : number of products that this launch has drawn
    problems : what could not be drawn, a line each
    """
    found = Collector(spec, prepared).collect()
    lines = list(dict.fromkeys([*problems, *found.problems, *_font_problems(found)]))
    shown = {"animations": len(found.animations), "meteograms": len(found.meteograms), "drawn": drawn}
    try:
        results = _Results(spec.results)
        for animation in found.animations:
            results.link(animation.file, animation.product.path)
            for name, path in animation.films:
                results.link(name, path)
        for name, meteogram in found.meteograms.items():
            results.draw(name, meteogram)
        _write_page(spec, found, lines)
        results.finish(lines)
    except OSError as error:
        return Shown(**shown, problems=[f"the showcase is not kept: {describe_os_error(error)}", *lines])
    return Shown(page=str(spec.results / SHOWCASE_PAGE), **shown, problems=lines)


def _about(spec: ShowcaseSpec) -> list[str]:
    if not any(time.cases for time in spec.times):
        return []
    return [
        "Init times of cases were chosen because of what happened afterwards: they are no sample to judge models by."
    ]


def _write_page(spec: ShowcaseSpec, found: Collected, problems: list[str]) -> None:
    template = page_templates(_TEMPLATES).get_template(SHOWCASE_PAGE)
    data = script_data(page_data(spec, found))
    text = template.render(spec=spec, title="Forecasts to look at", about=_about(spec), problems=problems, data=data)
    with new_in_place_of(spec.results / SHOWCASE_PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
