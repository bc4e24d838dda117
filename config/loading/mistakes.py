"""What pydantic says of a mistake, told as a person needs it: where it stands, what was expected, what was found."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import yaml
from pydantic_core import ErrorDetails

from tocsin.config.base import RENAMED
from tocsin.config.kafka import Role, is_option
from tocsin.config.loading import document, environment
from tocsin.config.loading.errors import nearest, unknown_key
from tocsin.config.loading.keys import valid_keys, without_tags

_OPTIONS = ["topics", "options"]
"""Where options of Kafka's stand, among which somebody may have put a secret of Kafka's."""


def describe(path: Path, root: yaml.Node | None, details: ErrorDetails) -> str:
    """One mistake as one line: `file:line: key: message`."""
    tagged = ["schema" if key == "schema_" else key for key in details["loc"]]
    message = details["msg"].removeprefix("Value error, ")
    if not tagged and (about := re.match(r"([a-z_.]+): ", message)):
        tagged, message = [*about[1].split(".")], message[about.end() :]
    keys = without_tags(tagged)
    if details["type"] == "extra_forbidden":
        return _unknown_key(path, root, keys, valid_keys(tagged[:-1]))
    where = _where(path, root, keys)
    if details["type"] not in ("value_error", "missing", RENAMED) and not isinstance(details["input"], dict | list):
        message = f"{message[0].lower()}{message[1:]}{_found(keys, details)}"
    return f"{where}: {message}"


def _unknown_key(path: Path, root: yaml.Node | None, keys: Sequence[int | str], valid: Sequence[str]) -> str:
    """The mistake of a key that is no setting, without the key where it may be a secret."""
    group, key, source = ".".join(str(key) for key in keys[:-1]), str(keys[-1]), _source(path, root, keys)
    if not document.SECRET_GROUPS.isdisjoint(keys[:-1]):
        return f"{source}: {group}: a key is no setting here{nearest(key, valid)} (the key may be a secret)"
    return f"{source}: {unknown_key(group, key, valid)}"


def _where(path: Path, root: yaml.Node | None, keys: Sequence[int | str]) -> str:
    """File, line and key; or the variable of the environment that gave the value."""
    return f"{_source(path, root, keys)}: {'.'.join(str(key) for key in _known(keys)) or '(top)'}"


def _source(path: Path, root: yaml.Node | None, keys: Sequence[int | str]) -> str:
    """File and line; or the variable of the environment that gave the value."""
    line, in_file = document.find(root, keys)
    variable = environment.variable_of(keys, in_file)
    if variable is not None:
        return f"the environment: {variable}"
    return f"{path}:{line}" if line is not None else f"{path} or the environment"


def _known(keys: Sequence[int | str]) -> Sequence[int | str]:
    """The keys without what may be a secret: below `topics.options` only what a topic is for, and an option's name."""
    if list(keys[:2]) != _OPTIONS:
        return keys
    if len(keys) < 3 or keys[2] not in get_args(Role):
        return keys[:2]
    return keys[:4] if len(keys) > 3 and is_option(keys[3]) else keys[:3]


def _found(keys: Sequence[int | str], details: ErrorDetails) -> str:
    """What stood there instead, unless it may be a secret, and the nearest of the values that are allowed."""
    value = details["input"]
    # A name and a password before a broker's address stand in the wrong place, too.
    if (
        list(keys[:2]) == _OPTIONS
        or not document.SECRET_GROUPS.isdisjoint(keys)
        or list(keys) in (["kafka"], ["kafka", "bootstrap"])
        or "@" in str(value)
    ):
        return ""
    allowed = re.findall(r"'([^']+)'", str(details.get("ctx", {}).get("expected") or ""))
    close = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    return f", found {reprlib.repr(value)}" + (f"; did you mean {close[0]!r}?" if close else "")
