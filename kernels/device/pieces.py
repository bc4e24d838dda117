"""Many events in pieces, so that what is computed of them takes little memory at once."""

from __future__ import annotations

from collections.abc import Iterator

AT_ONCE = 1 << 22
"""Numbers of one tensor that is computed on the way: 32 MiB."""


def pieces(events: int, width: int, most: int | None = None) -> Iterator[slice]:
    """So many events in slices of which each, times `width` numbers an event, holds at most `most` (`AT_ONCE`
    where that is None), or one event.

    There is one slice, which is empty, where there is no event.

    >>> list(pieces(5, 10, 25)), list(pieces(0, 10))
    ([slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)], [slice(0, 0, None)])
    """
    step = max(1, (AT_ONCE if most is None else most) // max(width, 1))
    for start in range(0, max(events, 1), step):
        yield slice(start, min(start + step, events))
