"""The error that a config ends in, and the nearest of the names that were perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class ConfigError(Exception):
    """The config cannot be used; the text names file, line, key, what was expected and the nearest valid key.

    Each mistake is a line of its own, which `lines` gives as one even where a key or a name holds a line break.
    """

    @property
    def lines(self) -> tuple[str, ...]:
        """The mistakes."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.args)


def nearest(key: str, valid: Sequence[str]) -> str:
    """The end of a message about an unknown key: the valid key nearest to it, or all of them where none is near."""
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid keys: {', '.join(sorted(valid))}"


def close_to(key: str, valid: Sequence[str]) -> str | None:
    """The valid key that a key is but for a slip or two; None where it is too far from each to be one of them.

    >>> close_to("bootstap", ["bootstrap", "group"]), close_to("hunter2", ["bootstrap", "group"])
    ('bootstrap', None)
    """
    near = min(valid, key=lambda name: _slips(key, name), default="")
    return near if _slips(key, near) <= min(2, max(len(near) // 3, 1)) and key and near else None


def unknown_key(place: str, key: str, valid: Sequence[str]) -> str:
    """The message about an unknown key of a group at `place`, which is empty at the top.

    The key itself is only told where it is a known one but for a slip: anything else may be a secret.
    """
    if near := close_to(key, valid):
        return f"{place}{'.' if place else ''}{key}: is no setting here; did you mean {near!r}?"
    return f"{place}{': ' if place else ''}a key is no setting here{nearest(key, valid)}"


def _slips(one: str, other: str) -> int:
    """How many characters to change, to leave out, to put in or to exchange with their neighbour make one the other.

    It counts no further than 3 where the lengths tell as much.
    """
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        latest, row, before = before, [i], row
        for j, b in enumerate(other, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                least = min(least, latest[j - 2] + 1)
            row.append(least)
    return row[-1]
