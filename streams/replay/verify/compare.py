"""Compare: what differs between a decision in the log and the same decision made again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import orjson

TOLERANCE = 1e-6
"""Numbers may differ by so much of the larger of 1 and themselves: sums may be rounded in another order in a batch of
another size, or on another processor. All else must be the same."""
MOST_PATHS = 20
"""Members that are named of one decision."""


def differences(said: bytes, again: bytes) -> dict[str, tuple[Any, Any]]:
    """By path, the members in which two records of one decision differ, without their links: the value in each.

    The value is None where one of them lacks the member. Of a list of another length the whole list is named.

    >>> differences(b'{"label":"a","belief":{"a":0.5}}', b'{"label":"b","belief":{"a":0.50000001}}')
    {'label': ('a', 'b')}
    """
    if said == again:
        return {}
    found = _differences(orjson.loads(said), orjson.loads(again), "")
    return {path: (one, other) for (path, one, other), _ in zip(found, range(MOST_PATHS), strict=False)}


def _differences(said: Any, again: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(said, dict) and isinstance(again, dict):
        for name in dict.fromkeys([*said, *again]):
            inner = f"{path}.{name}" if path else name
            if name in said and name in again:
                yield from _differences(said[name], again[name], inner)
            else:
                yield inner, said.get(name), again.get(name)
    elif isinstance(said, list) and isinstance(again, list):
        if len(said) != len(again):
            yield path, said, again
            return
        for i, (one, other) in enumerate(zip(said, again, strict=True)):
            yield from _differences(one, other, f"{path}[{i}]")
    elif not _same(said, again):
        yield path, said, again


def _same(said: Any, again: Any) -> bool:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (said, again)]
    if all(numbers):
        return math.isclose(said, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(type(said) is type(again) and said == again)
