"""Read a config file, and say of a mistake where it is and what was meant."""

from __future__ import annotations

import difflib
import os
import re
import reprlib
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from tocsin.config.experts import ExpertSettings, kinds
from tocsin.config.settings import Settings

MAX_BYTES = 1024 * 1024
PREFIX = "TOCSIN_"
MAX_NODES = 100_000
"""Values of a file, each use of an alias counted: a few lines of aliases can stand for more than memory holds."""


class ConfigError(Exception):
    """The config cannot be used; the text names file, line, key, what was expected and the nearest valid key."""


class _Loader(yaml.SafeLoader):
    """YAML as people write it: `no` is a word and `1e-7` a number (YAML 1.2), where YAML 1.1 says the opposite."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:\d+|\d+\.\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def load(path: Path | str) -> Settings:
    """The settings of a YAML file with the environment's overrides. Raises ConfigError."""
    path = Path(path)
    text = _read(path)
    try:
        root = yaml.compose(text, _Loader)
        _refuse_doubles(path, root)
        values = yaml.load(text, _Loader)  # a SafeLoader: makes plain values only
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_yaml_mistake(error)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; is it a config file?") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None  # a date that is none, for example
    if root is None:
        values = {}
    elif not isinstance(values, dict):
        raise ConfigError(f"{path}:1: expected keys and values, found {type(values).__name__}")
    _refuse_foreign_keys(path, root, values)
    _refuse_foreign_variables()
    try:
        return Settings(**values)
    except SettingsError as error:
        raise ConfigError(f"the environment: {error}: expected JSON") from None
    except ValidationError as error:
        mistakes = [_mistake(path, root, details) for details in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(mistakes))) from None


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes; is it a config file?")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _yaml_mistake(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    problem = " ".join(filter(None, parts)) or str(error)
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def _refuse_doubles(path: Path, root: yaml.Node | None) -> None:
    """A key that stands twice would silently win over the first."""
    nodes = [root] if root is not None else []
    count = 0
    while nodes:
        node = nodes.pop()
        count += 1
        if count > MAX_NODES:
            raise ConfigError(f"{path}: holds more than {MAX_NODES} values; is it a config file?")
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise ConfigError(f"{path}:{line}: a key must be a word")
                if key.value in seen:
                    raise ConfigError(f"{path}:{line}: {key.value}: stands here and on line {seen[key.value]}")
                seen[key.value] = line
                nodes.append(value)
        elif isinstance(node, yaml.SequenceNode):
            nodes.extend(node.value)


def _refuse_foreign_keys(path: Path, root: yaml.Node | None, values: dict[Any, Any]) -> None:
    """Only settings may reach `Settings(...)`: it takes arguments of its own, such as `_env_prefix`, as well."""
    valid = _valid_keys([])
    for key in values:
        if key not in valid:
            line, _ = _find(root, [key])
            raise ConfigError(f"{path}:{line or 1}: {key}: is no setting here{_nearest(str(key), valid)}")


def _mistake(path: Path, root: yaml.Node | None, details: ErrorDetails) -> str:
    """One mistake as one line."""
    keys = [key for key in details["loc"] if not (isinstance(key, str) and key == "schema_")]
    message = details["msg"].removeprefix("Value error, ")
    if not keys and (about := re.match(r"([a-z_.]+): ", message)):
        keys, message = [*about[1].split(".")], message[about.end() :]
    line, found = _find(root, keys)
    dotted = ".".join(str(key) for key in found) or "(top)"
    if details["type"] == "extra_forbidden":
        message = f"is no setting here{_nearest(str(keys[-1]), _valid_keys(keys[:-1]))}"
    elif details["type"] not in ("value_error", "missing") and not isinstance(details["input"], dict | list):
        message = f"{message[0].lower()}{message[1:]}{_found(keys, details)}"
    where = f"{path}:{line}" if line is not None else f"{path} or the environment"
    return f"{where}: {dotted}: {message}"


def _found(keys: Sequence[int | str], details: ErrorDetails) -> str:
    """What stood there instead, unless it may be a secret, and the nearest of the values it may take."""
    value = details["input"]
    if "security" in keys:
        return ""
    allowed = re.findall(r"'([^']+)'", str(details.get("ctx", {}).get("expected") or ""))
    close = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    return f", found {reprlib.repr(value)}" + (f"; did you mean {close[0]!r}?" if close else "")


def place(path: Path | str, keys: Sequence[int | str]) -> str:
    """Where a setting stands, as `file:line: key`, for mistakes that show only when something is built from it."""
    line, _ = _find(yaml.compose(_read(Path(path)), yaml.SafeLoader), keys)
    return f"{path}{'' if line is None else f':{line}'}: {'.'.join(str(key) for key in keys)}"


def _refuse_foreign_variables() -> None:
    """A misspelt variable would silently leave the default."""
    valid = [key for key in _valid_keys([]) if key not in ("name", "seed")]
    for variable in os.environ:
        group, nested, _ = variable.removeprefix(PREFIX).lower().partition("__")
        if variable.startswith(PREFIX) and nested and group not in valid:
            raise ConfigError(f"the environment: {variable}: is no setting{_nearest(group, valid)}")


def _find(root: yaml.Node | None, keys: Sequence[int | str]) -> tuple[int | None, list[int | str]]:
    """The line of the deepest key that stands in the file, and the path of keys without pydantic's union tags."""
    node, line, found = root, None, list[int | str]()
    for key in keys:
        step = _child(node, key)
        if step is None:
            if node is not None and isinstance(node, yaml.MappingNode) and _tagged(node, key):
                continue  # a discriminated union puts its tag into the path
            found.append(key)
            node = None
            continue
        line, node = step
        found.append(key)
    return line, found


def _tagged(node: yaml.MappingNode, tag: int | str) -> bool:
    return any(k.value == "kind" and v.value == tag for k, v in node.value if isinstance(v, yaml.ScalarNode))


def _child(node: yaml.Node | None, key: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for k, value in node.value:
            if k.value == str(key):
                return k.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def _nearest(key: str, valid: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid keys: {', '.join(sorted(valid))}"


def _valid_keys(keys: Sequence[int | str]) -> list[str]:
    """The keys that the group of settings at this path takes."""
    kinds: list[Any] = [Settings]
    for key in keys:
        kinds = [k for kind in kinds for k in _step(kind, key)]
    return sorted({f.alias or n for kind in kinds for n, f in kind.model_fields.items()})


def _step(kind: type[BaseModel], key: int | str) -> Iterator[type[BaseModel]]:
    """The groups that lie behind a key; an index or a union's tag leads no deeper."""
    for name, field in kind.model_fields.items():
        if key in (name, field.alias):
            yield from _groups(field.annotation)
            return
    tag = kind.model_fields.get("kind")
    if isinstance(key, int) or (tag is not None and tag.default == key):
        yield kind


def _groups(annotation: Any) -> Iterator[type[BaseModel]]:
    if annotation is ExpertSettings:
        yield from kinds().values()
        return
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _groups(argument)
