"""The config's manual, made from the descriptions of the models' fields."""

import json
import re
import textwrap

from evalflow.config.messages import alternatives, describe, resolve
from evalflow.config.runs import RunConfig
from evalflow.lookup import PROJECT

_INTRO = """\
# The config

<!-- Written by `bin/schema.py` from the models in `bin/evalflow/config/`: change those. -->

One YAML file says what an experiment is: which models to run, when, what to verify them against,
and what to make of the scores. Files written for evalml work as they are.

- evalflow refuses a key that is not listed here, and a value that does not fit. Every problem is
  one line that names the file, the key, what is wrong and what is allowed.
- The order of keys, comments, and quotes around dates change nothing. A key that stands twice is
  refused.
- Times are UTC. Lead times are hours, written `start/end/step`; the end is included where it is on
  the grid. Below an hour, write `0/6/0.5` or `0/6/30m`.
- evalflow looks for relative paths beside the config, then in the launch folder, then in the
  project.
- For help while you write, begin the file with
  `# yaml-language-server: $schema=PATH/config/config.schema.json`.
"""
_WIDTH = 100
_IDENTITY = """\
What follows from a change of a field of a run:

| Fields | A change gives |
|---|---|
| {env} | another environment, and all its forecasts |
| {free} | nothing new: results stay where they are |
| all others | other forecasts from the same environment |
"""
EXAMPLE = PROJECT / "config" / "example.yaml"


def _models_below(node: dict, schema: dict, path: str) -> list[tuple[str, dict]]:
    """Return place in the config and node of each model that a value of this node may hold."""
    found = []
    for leaf in alternatives(node, schema):
        target = resolve(leaf, schema)
        if "properties" in target:
            keys = list(target["properties"])
            inner = target["properties"][keys[0]]
            # An item of `runs` is a mapping with one key: what stands below that key is the
            # section.
            wraps = len(keys) == 1 and "$ref" in inner
            found += _models_below(inner, schema, f"{path}.{keys[0]}") if wraps else [(path, leaf)]
        elif target.get("type") == "array":
            found += _models_below(target.get("items", {}), schema, f"{path}[]")
        elif isinstance(target.get("additionalProperties"), dict):
            found += _models_below(target["additionalProperties"], schema, f"{path}.NAME")
    return found


def _sections(schema: dict) -> dict[str, str]:
    """Return reference of each model → first place in the config; outer models come first."""
    places: dict[str, str] = {}

    def visit(model: dict, path: str) -> None:
        for key, node in model["properties"].items():
            for place, leaf in _models_below(node, schema, f"{path}.{key}".lstrip(".")):
                if leaf["$ref"] not in places:
                    places[leaf["$ref"]] = place
                    visit(resolve(leaf, schema), place)

    visit(schema, "")
    return places


def _link(place: str) -> str:
    anchor = re.sub(r"[^\w -]", "", place.lower()).replace(" ", "-")
    return f"[`{place}`](#{anchor})"


def _table(model: dict, schema: dict, places: dict[str, str]) -> str:
    def name_model(leaf: dict) -> str:
        return " or ".join(_link(places[inner["$ref"]]) for _, inner in _models_below(leaf, schema, ""))

    rows = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for key, node in model["properties"].items():
        if key in model.get("required", []):
            default = "**required**"
        elif node.get("default") is not None:
            default = f"`{json.dumps(node['default'], ensure_ascii=False)}`"
        else:
            default = "" if "default" in node else "its defaults"
        # A field that says the same as its model says nothing in the schema.
        meaning = node.get("description") or resolve(node, schema)["description"]
        cells = [f"`{key}`", describe(node, schema, name_model), default, meaning]
        rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _names(fields: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in RunConfig.model_fields if name in fields)


def config_docs(schema: dict) -> str:
    """Return the manual of the config as Markdown, made from its JSON schema."""
    places = _sections(schema)
    parts = [_INTRO, "## Top level\n", _table(schema, schema, places)]
    for reference, place in places.items():
        model = resolve({"$ref": reference}, schema)
        parts += [f"## {place}\n", textwrap.fill(model["description"], _WIDTH) + "\n", _table(model, schema, places)]
        if reference.endswith("/ForecasterConfig"):
            parts.append(_IDENTITY.format(env=_names(RunConfig.ENV_FIELDS), free=_names(RunConfig.HASH_EXCLUDE)))
    parts += ["## A complete example\n", f"```yaml\n{EXAMPLE.read_text(encoding='utf-8')}```\n"]
    return "\n".join(parts)
