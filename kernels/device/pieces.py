"""Events in pieces, so that what is computed of them takes little memory at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch

AT_ONCE = 1 << 22
"""Numbers of one tensor that is computed on the way: 32 MiB."""
IN_CACHE = 1 << 18
"""The same on the CPU, where what is computed should still be in the cache when it is read again."""


def most_at_once(device: torch.device) -> int:
    """How many numbers a tensor that is computed on the way may have there."""
    return min(IN_CACHE, AT_ONCE) if device.type == "cpu" else AT_ONCE


def pieces(events: int, width: int, device: torch.device) -> Iterator[slice]:
    """So many events in slices, each of which times `width` numbers an event is at most `most_at_once`, or one event.

    There is one slice, which is empty, where there is no event.

    >>> list(pieces(5, 100_000, torch.device("cpu"))), list(pieces(0, 10, torch.device("cpu")))
    ([slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)], [slice(0, 0, None)])
    """
    step = max(1, most_at_once(device) // max(width, 1))
    for start in range(0, max(events, 1), step):
        yield slice(start, min(start + step, events))
