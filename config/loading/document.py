"""A YAML document as people write one, and the lines on which its keys stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml
from yaml.reader import ReaderError

from tocsin.config.loading.errors import ConfigError
from tocsin.config.loading.keys import all_keys

SECRET_GROUPS = frozenset({"security", "erasure"})
"""The group of settings that holds secrets: neither its values nor its unknown keys are repeated in a message."""
MAX_NODES = 100_000
"""The most values that a file may hold, where each use of an alias counts: a few lines of aliases can stand for more
values than memory holds."""


_KINDS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""By YAML's tag: which plain words are values of it, and how these begin."""
_SAFE_QUOTATION = re.compile(r"'(?:<[a-z ]+>|\W)'")
"""What PyYAML quotes and no secret stands in: the name of a token, or one mark of punctuation."""
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_ALIAS = "a value that begins with * stands for another one: quote it where it is meant as it is"
_TAG = "a value that begins with ! has a type of its own, which a config does not use: quote it"
_ANCHOR = "a value that begins with & names itself, and one of this name stands there already: quote it"


class Loader(yaml.SafeLoader):
    """YAML as people write it: `no` is a word and `1e-7` a number (YAML 1.2), where YAML 1.1 says the opposite.

    `1:30:00`, `0x10`, `010`, `.inf` and `2026-01-01` are words, too: YAML 1.1 would make other values of them.
    """


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, (_pattern, _first) in _KINDS.items():
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def syntax_mistake(error: yaml.YAMLError, text: str) -> str:
    """What is wrong with a text that is not YAML, with line and column, in one line.

    Nothing of the text itself is repeated: what begins with a mark that YAML reads may be a password.
    """
    if isinstance(error, ReaderError):
        return _foreign_character(error, text)
    mark = getattr(error, "problem_mark", None)
    parts = (getattr(error, "context", None), getattr(error, "problem", None) or getattr(error, "reason", None))
    problem = " ".join(filter(None, parts)) or "this is not YAML"
    for begins, ours in (
        ("found undefined alias", _ALIAS), ("while scanning an alias", _ALIAS), ("while scanning a tag", _TAG),
        ("found undefined tag", _TAG), ("found duplicate anchor", _ANCHOR), ("while scanning an anchor", _ANCHOR),
    ):  # fmt: skip
        problem = ours if begins in problem else problem
    problem = _without_quotations(problem)
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def _foreign_character(error: ReaderError, text: str) -> str:
    """What is wrong where a character stands that YAML does not take, such as a control character."""
    breaks = [found.end() for found in _LINE_BREAK.finditer(text, 0, error.position)]
    code = ord(text[error.position])
    escape = f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"
    return (
        f"the character U+{code:04X} may not stand in YAML as it is: take it out, or write {escape} within double "
        f"quotes (line {len(breaks) + 1}, column {error.position - (breaks[-1] if breaks else 0) + 1})"
    )


def _without_quotations(problem: str) -> str:
    """PyYAML's words up to the first that it may have from the text."""
    safe = _SAFE_QUOTATION.sub(lambda found: found[0].replace("'", "\0"), problem)
    return safe.split("'")[0].split('"')[0].replace("\0", "'").rstrip()


def refuse_tags(text: str) -> None:
    """Raise yaml.YAMLError for a value with a tag: it makes another value of what stands there, or an error of it."""
    for event in yaml.parse(text, Loader):
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem=_TAG, problem_mark=getattr(event, "start_mark", None))


def refuse_doubles(path: Path, root: yaml.Node | None) -> None:
    """Raise ConfigError for a key that stands twice in one group, where the second would silently replace the first."""
    nodes = [(root, False)] if root is not None else []
    count = 0
    while nodes:
        node, secret = nodes.pop()
        count += 1
        if count > MAX_NODES:
            raise ConfigError(f"{path}: holds more than {MAX_NODES} values; is it a config file?")
        if isinstance(node, yaml.MappingNode):
            nodes.extend(_values_of_distinct_keys(path, node, secret))
        elif isinstance(node, yaml.SequenceNode):
            nodes.extend((child, secret) for child in node.value)


def _values_of_distinct_keys(path: Path, node: yaml.MappingNode, secret: bool) -> list[tuple[yaml.Node, bool]]:
    """The values, and whether each may be a secret; of `node` the keys may be one where it is `secret`."""
    lines: dict[str, int] = {}
    values: list[tuple[yaml.Node, bool]] = []
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{path}:{line}: a key must be a word")
        if key.value in lines:
            name = key.value if not secret and key.value in all_keys() else "a key"  # any other may be a secret
            raise ConfigError(f"{path}:{line}: {name}: stands here and on line {lines[key.value]}")
        lines[key.value] = line
        values.append((value, secret or key.value in SECRET_GROUPS))
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
