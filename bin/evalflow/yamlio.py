"""Read and write YAML so that the same text always means the same data.

Differs from PyYAML's safe loader in three ways: duplicate keys are refused, dates stay text (quoting a date changes
nothing), and `01:30:00` stays text (YAML 1.1 reads it as the number 5400).
"""

import re
from pathlib import Path
from typing import Any

import yaml

from evalflow.errors import UserError


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_DROPPED = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag not in _DROPPED]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+)$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a plain value", key_node.start_mark)
        if key_node.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key_node.value!r}", key_node.start_mark)
        seen.add(key_node.value)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _refuse_cycles(data: Any, parents: tuple[int, ...]) -> None:
    if isinstance(data, dict | list):
        if id(data) in parents:
            raise yaml.YAMLError("an anchor that contains itself")
        for item in data.values() if isinstance(data, dict) else data:
            _refuse_cycles(item, (*parents, id(data)))


def parse_yaml(text: str, name: str) -> Any:
    """Return the data in `text`; `name` is the file that error messages show.

    Raises
    ------
    UserError
        With file, line and column, where the text is not YAML or repeats a key.
    """
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        _refuse_cycles(data, ())
        return data
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UserError(f"{where}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
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
    """Return `data` as YAML text in the order given; text that looks like a date or a number is quoted."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)
