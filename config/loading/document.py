"""A YAML document as people write one, and the lines on which its keys stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from tocsin.config.loading.errors import ConfigError

MAX_NODES = 100_000
"""The most values that a file may hold, where each use of an alias counts: a few lines of aliases can stand for more
values than memory holds."""


class Loader(yaml.SafeLoader):
    """YAML as people write it: `no` is a word and `1e-7` a number (YAML 1.2), where YAML 1.1 says the opposite."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:\d+|\d+\.\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def syntax_mistake(error: yaml.YAMLError) -> str:
    """What is wrong with a text that is not YAML, with line and column, in one line."""
    mark = getattr(error, "problem_mark", None)
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    problem = " ".join(filter(None, parts)) or str(error)
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def refuse_doubles(path: Path, root: yaml.Node | None) -> None:
    """Raise ConfigError for a key that stands twice in one group, where the second would silently replace the first."""
    nodes = [root] if root is not None else []
    count = 0
    while nodes:
        node = nodes.pop()
        count += 1
        if count > MAX_NODES:
            raise ConfigError(f"{path}: holds more than {MAX_NODES} values; is it a config file?")
        if isinstance(node, yaml.MappingNode):
            nodes.extend(_values_of_distinct_keys(path, node))
        elif isinstance(node, yaml.SequenceNode):
            nodes.extend(node.value)


def _values_of_distinct_keys(path: Path, node: yaml.MappingNode) -> list[yaml.Node]:
    lines: dict[str, int] = {}
    values = []
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{path}:{line}: a key must be a word")
        if key.value in lines:
            raise ConfigError(f"{path}:{line}: {key.value}: stands here and on line {lines[key.value]}")
        lines[key.value] = line
        values.append(value)
    return values


def find(root: yaml.Node | None, keys: Sequence[int | str]) -> tuple[int | None, bool]:
    """The line of the deepest of these keys that stands in the document, and whether all of them do."""
    node, line = root, None
    for key in keys:
        child = _child(node, key)
        if child is None:
            return line, False
        line, node = child
    return line, True


def _child(node: yaml.Node | None, key: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for k, value in node.value:
            if k.value == str(key):
                return k.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None
