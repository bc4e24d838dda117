"""Dot paths: `account.id` leads to the value at `{"account": {"id": ...}}`, `items.0` to the first of an array."""

from __future__ import annotations

from typing import Any

from tocsin.config.schema import Keys


def walk(value: Any, keys: Keys) -> tuple[bool, Any]:
    """Whether a value stands at the end of the keys, and the value.

    A number leads into an array, too. A key with dots in its name is found where no object stands at its beginning.

    >>> walk({"account": {"id": None}}, ("account", "id")), walk({"items": [{"price": 3}]}, ("items", "0", "price"))
    ((True, None), (True, 3))
    >>> walk({"account.id": 7}, ("account", "id"))
    (True, 7)
    """
    place = 0
    while place < len(keys):
        key = keys[place]
        if isinstance(value, dict):
            if key not in value:
                key, place = _dotted(value, keys, place)
            if key not in value:
                return False, None
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            return False, None
        place += 1
    return True, value


def _dotted(value: dict[str, Any], keys: Keys, place: int) -> tuple[str, int]:
    """The key with dots that begins with the one at `place`, and the place of its last part."""
    key = keys[place]
    for last in range(place + 1, len(keys)):
        key = f"{key}.{keys[last]}"
        if key in value:
            return key, last
    return keys[place], place


def put(target: dict[str, Any], keys: Keys, value: Any) -> None:
    """Set the value at the end of the keys, making the objects on the way.

    Raises TypeError or AttributeError where something else than an object stands on the way.
    """
    for key in keys[:-1]:
        target = target.setdefault(key, {})
    target[keys[-1]] = value
