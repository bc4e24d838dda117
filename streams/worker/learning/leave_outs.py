"""Leave-outs: the control records of a feedback log that name records which are learnt no more.

The model at a feedback offset M is the fold over the records below M, without those that `leave-out` records below M
name. That is a function of the log alone. A control record itself is never left out.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from contextlib import suppress

from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.packed.control import Control, is_control, read_control
from tocsin.streams.wire.packed.feedback import UNREADABLE

GAP = 1_000
"""Offsets so far apart are read in two ranges."""


class LeftOutFeedback:
    """The feedback records that some control records name."""

    def __init__(self, controls: dict[int, Control]) -> None:
        """The control records by their offsets."""
        self._offsets: set[int] = set()
        self._ranges: list[tuple[int, int, object]] = []
        for at, control in controls.items():
            self.add(at, control)

    def add(self, at: int, control: Control) -> None:
        """Have what one more control record names be left out, which stands at an offset."""
        self._offsets.update(named for named in control.offsets if named < at)
        if control.first < min(control.end, at):
            self._ranges.append((control.first, min(control.end, at), control.source))

    def names(self, offset: int, source: str | None) -> bool:
        """Whether the feedback record at an offset, which says what a source said, is left out."""
        if offset in self._offsets:
            return True
        return any(first <= offset < end and _is_of(source, of) for first, end, of in self._ranges)

    def may_name(self, offset: int) -> bool:
        """Whether the feedback record at an offset is left out, whoever said what it says or for one source only."""
        return offset in self._offsets or any(first <= offset < end for first, end, _ in self._ranges)

    def has_all_of(self, control: Control, at: int) -> bool:
        """Whether all that the control record at an offset names is left out already, as far as that can be told."""
        end = min(control.end, at)
        ranged = control.first >= end or any(
            first <= control.first and end <= stop and (of is control.source or of == control.source or not _is_set(of))
            for first, stop, of in self._ranges
        )
        return ranged and all(named in self._offsets for named in control.offsets if named < at)


class LeaveOuts:
    """The `leave-out` records of one feedback log between two offsets, as they are read."""

    def __init__(self) -> None:
        self._controls: dict[int, Control] = {}
        self._places: list[int] = []
        """Their offsets, sorted."""
        self._start = self._stop = 0
        """Between these offsets all are known."""

    def clear(self, offset: int) -> None:
        """Begin anew, at an offset."""
        self._controls.clear()
        self._places.clear()
        self._start = self._stop = offset

    def see(self, records: Sequence[Record]) -> None:
        """Note those among the records that follow the ones that were read."""
        for record in records:
            self._note(record)
        if records:
            self._stop = max(self._stop, records[-1].offset + 1)

    def read(self, reader: Transport, partition: Partition, start: int, stop: int) -> None:
        """Know all between two offsets. What is known already is not read again. Raises TransportError."""
        if start < self._start:
            self._look(reader, partition, start, self._start)
            self._start = start
        if stop > self._stop:
            self._look(reader, partition, self._stop, stop)
            self._stop = stop

    def forget(self, offset: int) -> None:
        """Keep none below an offset in memory; where they are asked for again, they are read again."""
        gone = bisect_left(self._places, offset)
        for place in self._places[:gone]:
            del self._controls[place]
        del self._places[:gone]
        self._start = max(self._start, min(offset, self._stop))

    def between(self, start: int, stop: int) -> Iterator[tuple[int, Control]]:
        """Those with start <= offset < stop, in their order."""
        for place in self._places[bisect_left(self._places, start) : bisect_left(self._places, stop)]:
            yield place, self._controls[place]

    def left_out(self, stop: int) -> LeftOutFeedback:
        """What those below an offset name."""
        return LeftOutFeedback(dict(self.between(0, stop)))

    def ahead(self, offset: int, stop: int) -> list[int]:
        """The offsets of those with `offset` <= offset < stop that name a record below `offset`.

        A model that has learnt all below `offset`, and that has obeyed all below `stop`, has obeyed these in advance:
        it is not the model at `offset`, but of use for every later one that must have obeyed the same.
        """
        return [place for place, control in self.between(offset, stop) if first_named(control, place) < offset]

    def _look(self, reader: Transport, partition: Partition, start: int, stop: int) -> None:
        for record in reader.read(partition, start, stop):
            self._note(record)

    def _note(self, record: Record) -> None:
        if not is_control(record.value) or record.offset in self._controls:
            return
        with suppress(*UNREADABLE):  # the fold says that it is none
            control = read_control(record.value or b"")
            if control.kind == "leave-out":
                self._controls[record.offset] = control
                insort(self._places, record.offset)


def first_named(control: Control, at: int) -> int:
    """The lowest offset that the `leave-out` record at an offset names; `at` where it names none below itself."""
    named = [offset for offset in control.offsets if offset < at]
    ranged = [control.first] if control.first < min(control.end, at) else []
    return min([*named, *ranged], default=at)


def named_below(control: Control, at: int) -> list[tuple[int, int]]:
    """Ranges of offsets, first and end, that hold all that the `leave-out` record at an offset names.

    They hold others, too, where these are few: to read one more range takes as long as to read a thousand records.
    """
    ranges = [(offset, offset + 1) for offset in sorted(set(control.offsets)) if offset < at]
    if control.first < (end := min(control.end, at)):
        ranges.append((control.first, end))
    joined: list[tuple[int, int]] = []
    for first, stop in sorted(ranges):
        if joined and first <= joined[-1][1] + GAP:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((first, stop))
    return joined


def _is_set(source: object) -> bool:
    return source is None or isinstance(source, str)


def _is_of(source: str | None, of: object) -> bool:
    """Whether a record of a source is meant by a control record that names one, or all."""
    return not _is_set(of) or source == of
