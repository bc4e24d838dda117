"""Dot paths: `account.id` leads to the value at `{"account": {"id": ...}}`."""

from __future__ import annotations

from typing import Any

from tocsin.config.schema import Keys


def walk(value: Any, keys: Keys) -> tuple[bool, Any]:
    """Whether a value stands at the end of the keys, and the value.

    >>> walk({"account": {"id": None}}, ("account", "id"))
    (True, None)
    """
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False, None
        value = value[key]
    return True, value


def put(target: dict[str, Any], keys: Keys, value: Any) -> None:
    """Set the value at the end of the keys, making the objects on the way.

    Raises TypeError or AttributeError where something else than an object stands on the way.
    """
    for key in keys[:-1]:
        target = target.setdefault(key, {})
    target[keys[-1]] = value
