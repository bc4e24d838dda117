"""What pydantic says of a mistake, told as a person needs it: where it stands, what was expected, what was found."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic_core import ErrorDetails

from tocsin.config.base import RENAMED
from tocsin.config.loading import document, environment
from tocsin.config.loading.errors import nearest
from tocsin.config.loading.keys import valid_keys, without_tags


def describe(path: Path, root: yaml.Node | None, details: ErrorDetails) -> str:
    """One mistake as one line: `file:line: key: message`."""
    tagged = ["schema" if key == "schema_" else key for key in details["loc"]]
    message = details["msg"].removeprefix("Value error, ")
    if not tagged and (about := re.match(r"([a-z_.]+): ", message)):
        tagged, message = [*about[1].split(".")], message[about.end() :]
    keys = without_tags(tagged)
    where = _where(path, root, keys)
    if details["type"] == "extra_forbidden":
        message = f"is no setting here{nearest(str(keys[-1]), valid_keys(tagged[:-1]))}"
        if document.SECRET_GROUP in keys[:-1]:
            where, message = where.removesuffix(f".{keys[-1]}"), f"a key {message} (the key may be a secret)"
    elif details["type"] not in ("value_error", "missing", RENAMED) and not isinstance(details["input"], dict | list):
        message = f"{message[0].lower()}{message[1:]}{_found(keys, details)}"
    return f"{where}: {message}"


def _where(path: Path, root: yaml.Node | None, keys: Sequence[int | str]) -> str:
    """File, line and key; or the variable of the environment that gave the value."""
    dotted = ".".join(str(key) for key in keys) or "(top)"
    line, in_file = document.find(root, keys)
    variable = environment.variable_of(keys, in_file)
    if variable is not None:
        return f"the environment: {variable}: {dotted}"
    return f"{path}:{line}: {dotted}" if line is not None else f"{path} or the environment: {dotted}"


def _found(keys: Sequence[int | str], details: ErrorDetails) -> str:
    """What stood there instead, unless it may be a secret, and the nearest of the values that are allowed."""
    value = details["input"]
    # A name and a password before a broker's address stand in the wrong place, too.
    if document.SECRET_GROUP in keys or list(keys) in (["kafka"], ["kafka", "bootstrap"]) or "@" in str(value):
        return ""
    allowed = re.findall(r"'([^']+)'", str(details.get("ctx", {}).get("expected") or ""))
    close = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    return f", found {reprlib.repr(value)}" + (f"; did you mean {close[0]!r}?" if close else "")
