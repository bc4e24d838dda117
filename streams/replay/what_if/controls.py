"""Control records of the past, translated: the feedback of a simulation has offsets of its own."""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from tocsin.streams.wire.packed.control import Control


class Offsets:
    """Of the feedback records of the past, by offset: those of their counterparts, in the same order."""

    def __init__(self) -> None:
        self._past: list[int] = []
        self._here: list[int] = []

    def note(self, past: int, here: int) -> None:
        """A record of the past has a counterpart. Both offsets are larger than those before."""
        self._past.append(past)
        self._here.append(here)

    def translated(self, control: Control, end: int) -> Control:
        """A control record that says the same of the counterparts; `end` is the end of their feedback.

        >>> offsets = Offsets()
        >>> for past, here in ((3, 0), (5, 1), (6, 2)):
        ...     offsets.note(past, here)
        >>> control = Control(kind="leave-out", reason="rollback", time=0, first=4, end=6, offsets=[3, 4])
        >>> found = offsets.translated(control, 3)
        >>> found.first, found.end, found.offsets
        (1, 2, [0])
        """
        first, last = self._from(control.first, end), self._from(control.end, end)
        offsets = [self._here[i] for one in control.offsets if (i := self._exactly(one)) is not None]
        return msgspec.structs.replace(control, first=first, end=last, offsets=offsets)

    def _from(self, past: int, end: int) -> int:
        """Where the counterparts of the records from an offset of the past on begin."""
        i = bisect_left(self._past, past)
        return self._here[i] if i < len(self._here) else end

    def _exactly(self, past: int) -> int | None:
        i = bisect_left(self._past, past)
        return i if i < len(self._past) and self._past[i] == past else None
