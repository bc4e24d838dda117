"""Past feedback: the records of the topic `feedback`, in their order, read on piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property

from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.packed.control import is_control, read_control
from tocsin.streams.wire.packed.feedback import UNREADABLE
from tocsin.streams.worker.learning.learn import FeedbackError


class FeedbackLog:
    """The feedback as it stood when this was made."""

    def __init__(self, reader: Transport, topic: str) -> None:
        """Raises TransportError; FeedbackError where the topic has not exactly one partition."""
        self._reader, ends = reader, reader.end_offsets(topic)
        if len(ends) != 1:
            raise FeedbackError(
                f"topics.feedback: {topic} has {len(ends)} partitions, and feedback has an order in one partition only"
            )
        [(self.partition, self.end)] = ends.items()
        self.first = reader.first_offsets(topic)[self.partition]
        """The oldest offset that is still there; the end where there is none."""

    @cached_property
    def deleted_keys(self) -> dict[bytes, int]:
        """The keys that were deleted with a subject, by their ids, with the offset of the control record that says so.

        Raises TransportError.
        """
        found: dict[bytes, int] = {}
        for record in self.read(self.first):
            if is_control(record.value):
                with suppress(*UNREADABLE):
                    for key_id in read_control(record.value or b"").keys:
                        found.setdefault(bytes.fromhex(key_id), record.offset)
        return found

    def read(self, start: int, stop: int | None = None) -> Iterator[Record]:
        """The records with start <= offset < stop, up to the end of the log. Raises TransportError."""
        stop = self.end if stop is None else min(stop, self.end)
        return self._reader.read(self.partition, start, stop) if start < stop else iter(())


class FeedbackPieces:
    """One passage through the feedback, which is taken up to one offset after the other."""

    def __init__(self, log: FeedbackLog, start: int) -> None:
        """From the offset `start` on."""
        self._records = log.read(start)
        self._next: Record | None = None

    def below(self, offset: int, most: int) -> list[Record]:
        """Up to `most` of the records below an offset that were not taken yet. Raises TransportError."""
        taken: list[Record] = []
        while len(taken) < most:
            if self._next is None:
                self._next = next(self._records, None)
            if self._next is None or self._next.offset >= offset:
                break
            taken.append(self._next)
            self._next = None
        return taken
