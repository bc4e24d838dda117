"""Flat: a JSON object as values by their dot paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tocsin.config.schema import Path, keys_of

DEEPEST = 8
"""Objects within one another that are looked into; what lies deeper is one value that no feature is made of."""
_PATH: TypeAdapter[str] = TypeAdapter(Path)


def flat(event: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """The values of an object by the keys that lead to them; lists, and what lies too deep, as they are."""
    return dict(_values((), event))


def _values(keys: tuple[str, ...], event: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in event.items():
        if isinstance(value, dict) and value and len(keys) + 1 < DEEPEST:
            yield from _values((*keys, key), value)
        else:
            yield (*keys, key), value


def path_to(keys: Sequence[str]) -> str | None:
    r"""The dot path that consists of these keys; None where none can be written.

    >>> path_to(["account", "id"]), path_to(["user.name", "first"]), path_to([""])
    ('account.id', 'user\\.name.first', None)
    """
    path = ".".join(re.sub(r"[.\\]", r"\\\g<0>", key) for key in keys)
    if path[:1].isspace():
        path = f"\\{path}"
    try:
        _PATH.validate_python(path)
    except ValidationError:
        return None
    return path if keys_of(path) == tuple(keys) else None
