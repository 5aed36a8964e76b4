"""Read and write YAML so that the same text always means the same data.

This differs from PyYAML's safe loader. Duplicate keys are refused. Dates stay text, so quotes
change nothing. `01:30:00` stays text (YAML 1.1 reads it as the number 5400). `1e5` is a number.
What JSON cannot hold is refused.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from evalflow.errors import UserError

_MOST_REPEATED = 1_000_000
"""Characters that all aliases of a file may stand for: few lines can mean a lot."""
_AROUND = 10
"""Characters that a value takes besides its own: indentation, a line end."""
_DEEPEST = 100
"""Levels of lists and mappings; what walks through them later on must not reach Python's limit."""


class _Loader(yaml.SafeLoader):
    """A loader that knows what a node means where every alias in it is written out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated = 0
        self.sizes: dict[yaml.Node, tuple[int, int]] = {}  # of each node composed: characters, levels

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        mark, is_alias = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if is_alias:
            if node not in self.sizes:
                raise yaml.composer.ComposerError(None, None, "an anchor that contains itself", mark)
            self.repeated += self.sizes[node][0]
            if self.repeated > _MOST_REPEATED:
                problem = f"its aliases mean more than {_MOST_REPEATED:,} characters; use fewer of them"
                raise yaml.composer.ComposerError(None, None, problem, mark)
            return node
        self.sizes[node] = self._measure(node)
        if self.sizes[node][1] > _DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested too deeply, more than {_DEEPEST} levels", mark)
        return node

    def _measure(self, node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return _AROUND + len(node.value), 0
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        below = [self.sizes[part] for part in parts]
        return _AROUND + sum(size for size, _ in below), 1 + max((levels for _, levels in below), default=0)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_TAG = "tag:yaml.org,2002:"
_DROPPED = {f"{_TAG}timestamp", f"{_TAG}int", f"{_TAG}float", f"{_TAG}value"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag not in _DROPPED]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F][0-9a-fA-F_]*)$")
_FLOAT = re.compile(
    r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+)$"
    r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)


for _class in (_Loader, _Dumper):  # the dumper keeps its own as well: it quotes what any reader would take for a number
    _class.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
    _class.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes rare line breaks as they are and reads them back as another one. In double
    # quotes it escapes them.
    style = '"' if set(text) & set("\x85\u2028\u2029") else None
    return dumper.represent_scalar(f"{_TAG}str", text, style)


_Dumper.add_representer(str, _represent_text)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a plain value", key_node.start_mark)
        # As written and as read: `1` and `"1"` are one key in JSON, `yes` and `true` in YAML.
        spellings = {key_node.value}
        if key_node.tag != f"{_TAG}merge":
            spellings.add(loader.construct_object(key_node))
        if seen & spellings:
            raise yaml.constructor.ConstructorError(
                None, None, f"duplicate key {key_node.value!r}", key_node.start_mark
            )
        seen |= spellings
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(f"{_TAG}map", _mapping)


def _refuse_what_json_cannot_hold(data: Any) -> None:
    if isinstance(data, dict | list):
        for item in [*data, *data.values()] if isinstance(data, dict) else data:
            _refuse_what_json_cannot_hold(item)
    elif not isinstance(data, str | int | float | None):
        raise yaml.YAMLError(
            f"a value of type {type(data).__name__}; allowed: text, numbers, true, false, null, lists, mappings"
        )


def parse_yaml(text: str, name: str) -> Any:
    """Return the data in `text`; `name` is the file that error messages show.

    Raises
    ------
    UserError
        With file, line and column, where the text is not YAML or repeats a key.
    """
    try:
        data = yaml.load(text, _Loader)
        _refuse_what_json_cannot_hold(data)
        return data
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UserError(f"{where}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: `!!int text`
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{name}: not valid YAML: nested too deeply") from None


def read_text(path: Path) -> str:
    """Return the UTF-8 text of `path`, or raise a UserError that says why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def read_yaml(path: Path) -> Any:
    """Return the data in the YAML file `path` (see `parse_yaml` for what is raised)."""
    return parse_yaml(read_text(path), str(path))


def dump_yaml(data: Any) -> str:
    """Return `data` as YAML text in its order, with quotes around texts like dates and numbers."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)
