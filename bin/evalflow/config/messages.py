"""Validation errors in plain words: the user's key, what is wrong, what is allowed."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from evalflow.texts import did_you_mean, render, show

_PLAIN = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def resolve(node: dict, schema: dict) -> dict:
    """Return the JSON schema node that `node` refers to, or the node itself."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def alternatives(node: dict, schema: dict) -> list[dict]:
    """Return the nodes that a value may fit, without null (a key that is left out)."""
    branches = node.get("anyOf") or node.get("oneOf")
    if not branches:
        return [] if node.get("type") == "null" else [node]
    leaves = [leaf for branch in branches for leaf in alternatives(branch, schema)]
    texts = {"examples": node["examples"]} if "examples" in node else {}
    return [{**texts, **leaf} if leaf.get("type") == "string" else leaf for leaf in leaves]


def describe(node: dict, schema: dict, name_model: Callable[[dict], str] | None = None) -> str:
    """Return in plain words what the JSON schema node allows.

    Parameters
    ----------
    name_model : gives the words for a node that refers to a model; by default its keys are listed
    """
    leaves = alternatives(node, schema)
    if len(leaves) != 1:
        return " or ".join(dict.fromkeys(describe(leaf, schema, name_model) for leaf in leaves)) or "nothing"
    (leaf,) = leaves
    if "$ref" in leaf and name_model:
        return name_model(leaf)
    leaf = resolve(leaf, schema)
    kind = leaf.get("type")
    if "const" in leaf:
        return str(leaf["const"])
    if "enum" in leaf:
        return "one of " + ", ".join(map(str, leaf["enum"]))
    if kind == "array":
        items = describe(leaf.get("items", {}), schema, name_model)
        least, most = leaf.get("minItems", 0), leaf.get("maxItems")
        count = f" of {'' if least == most else 'at least '}{least}" if least else ""
        return f"a list{count}, each item {items}"
    if kind == "object" and "properties" in leaf:
        return f"a mapping with the key{'s' * (len(leaf['properties']) > 1)} {', '.join(leaf['properties'])}"
    if kind == "object":
        keys = leaf.get("propertyNames", {}).get("enum")
        words = f"a mapping with any of the keys {', '.join(keys)}" if keys else "a mapping"
        values = leaf.get("additionalProperties")
        return f"{words}, each value {describe(values, schema, name_model)}" if isinstance(values, dict) else words
    words = _PLAIN.get(kind or "", "anything")
    bounds = " and ".join(f"{sign} {leaf[bound]}" for bound, sign in _BOUNDS.items() if bound in leaf)
    words += f" {bounds}" if bounds else ""
    return f"{words} such as {' or '.join(leaf['examples'])}" if kind == "string" and "examples" in leaf else words


def _user_keys(location: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """Return the location without pydantic's additions: tags of unions, mark of a wrong key."""
    keys = []
    for part in location:
        known = isinstance(data, dict) and part in data
        if isinstance(part, str) and not known and (part == "[key]" or re.fullmatch(r"<\w+>", part)):
            continue
        keys.append(part)
        if known or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
        else:
            data = None
    return tuple(keys)


def _nodes_at(keys: tuple[str | int, ...], schema: dict) -> list[dict]:
    """Return the schema nodes that may stand at this place."""
    nodes = [schema]
    for key in keys:
        below = []
        for leaf in (leaf for node in nodes for leaf in alternatives(node, schema)):
            node = resolve(leaf, schema)
            if key in node.get("properties", {}):
                below.append(node["properties"][key])
            elif node.get("type") == "array" and isinstance(key, int):
                below.append(node.get("items", {}))
            elif isinstance(node.get("additionalProperties"), dict):
                below.append(node["additionalProperties"])
        nodes = below
    return nodes


def _explain(detail: ErrorDetails, keys: tuple[str | int, ...], schema: dict) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    parents = [resolve(leaf, schema) for node in _nodes_at(keys[:-1], schema) for leaf in alternatives(node, schema)]
    if kind in {"extra_forbidden", "invalid_key"}:
        known = [key for parent in parents for key in parent.get("properties", {})]
        return f"unknown key{did_you_mean(keys[-1], known)}; allowed: {', '.join(known)}"
    if detail["loc"][-1:] == ("[key]",):
        names = [parent["propertyNames"] for parent in parents if "propertyNames" in parent]
        allowed = describe({"anyOf": names}, schema) if names else "text"
        return f"wrong key; allowed: {allowed}"
    nodes = _nodes_at(keys, schema)
    allowed = describe({"anyOf": nodes}, schema) if nodes else detail["msg"]
    if kind == "missing":
        return f"missing; allowed: {allowed}"
    if value is None:
        return f"is empty; allowed: {allowed}"
    choices = [choice for node in nodes for leaf in alternatives(node, schema) for choice in leaf.get("enum", [])]
    if kind == "string_type" and isinstance(value, int | float):
        allowed = allowed.replace("text", "text in quotes", 1)
    return f"got {show(value)}{did_you_mean(value, choices)}; allowed: {allowed}"


def problems(error: ValidationError, schema: dict, data: Any) -> list[str]:
    """Return one line per problem: `{key}: {what is wrong}; allowed: {what is allowed}`.

    Parameters
    ----------
    schema : JSON schema of the model that was validated
    data : what was validated, as read from the file
    """
    lines = []
    for detail in error.errors(include_url=False):
        keys = _user_keys(detail["loc"], data)
        if detail["type"] == "config_problems":
            lines += [f"{render((*keys, *below))}: {what}" for below, what in detail["ctx"]["problems"]]
        else:
            lines.append(f"{render(keys)}: {_explain(detail, keys, schema)}")
    return list(dict.fromkeys(lines))
