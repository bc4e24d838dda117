"""When labels became known: a time beside the label that is never before the event's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.streams.replay.inference.roles import Roles
from tocsin.streams.replay.inference.times import milliseconds_of
from tocsin.streams.replay.inference.words import words_of

_NAMES = frozenset(
    ("known", "label", "labelled", "labeled", "verdict", "reported", "confirmed", "decided", "resolved", "disputed")
)
_LATE_SHARE, _LATEST = 0.99, 2 * 366 * 86_400_000
"""Of the rows so many must not be before their events, and the middle one no later than this."""


def find_label_time(columns: Mapping[str, Sequence[Any]], roles: Roles) -> str | None:
    """The column that says when the label of a row became known; None where none does, or where rows have no time.

    Its name says so, or it stands in one object with the label. `columns` holds the values by column.
    """
    if roles.label is None or roles.time is None:
        return None
    of_events = milliseconds_of(columns[roles.time]) or []
    for name, values in columns.items():
        if name in roles.taken or not _speaks_of(name, roles.label):
            continue
        told = milliseconds_of(values) or []
        late = sorted(t - e for t, e in zip(told, of_events, strict=False) if t is not None and e is not None)
        if 2 * len(late) <= len(values) or late[-1] <= 0 or late[len(late) // 2] > _LATEST:
            continue
        if sum(one >= 0 for one in late) >= _LATE_SHARE * len(late):
            return name
    return None


def _speaks_of(name: str, label: str) -> bool:
    parent, _, _ = label.rpartition(".")
    return bool(_NAMES & set(words_of(name))) or (bool(parent) and name.startswith(f"{parent}."))
