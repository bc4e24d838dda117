"""A span of past decisions, from one offset or time to another."""

from __future__ import annotations

from typing import NamedTuple

from tocsin.models.data.times.reading import epoch_milliseconds
from tocsin.streams.replay.past.decisions import DecisionHead
from tocsin.streams.replay.past_event import SourceError

_OFFSET_DIGITS = 12
"""A number of so many digits or more is a time in epoch milliseconds, a shorter one is an offset."""


class Span(NamedTuple):
    """Decisions whose model had learnt up to some offset of the feedback, or which were made at some time.

    The first bound is within the span, the second is not.
    """

    first_offset: int | None = None
    stop_offset: int | None = None
    first_time: int | None = None
    """Epoch milliseconds."""
    stop_time: int | None = None

    @classmethod
    def of(cls, first: str | None, stop: str | None) -> Span:
        """The span between two bounds as people write them. Raises SourceError.

        >>> Span.of("100", "2026-01-01T00:00:00Z")
        Span(first_offset=100, stop_offset=None, first_time=None, stop_time=1767225600000)
        """
        (first_offset, first_time), (stop_offset, stop_time) = _bound("--from", first), _bound("--until", stop)
        return cls(first_offset, stop_offset, first_time, stop_time)

    def holds(self, head: DecisionHead) -> bool:
        """Whether a decision is within the span."""
        offset, time = head.model.feedback_offset, head.decided_at
        return (
            (self.first_offset is None or offset >= self.first_offset)
            and (self.stop_offset is None or offset < self.stop_offset)
            and (self.first_time is None or time >= self.first_time)
            and (self.stop_time is None or time < self.stop_time)
        )


def _bound(option: str, text: str | None) -> tuple[int | None, int | None]:
    """One end, as an offset or as a time; the other one of the two is None."""
    if text is None:
        return None, None
    if text.isdecimal() and len(text) < _OFFSET_DIGITS:
        return int(text), None
    try:
        return None, epoch_milliseconds(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise SourceError(f"{option}: give an offset of the feedback, or a time: {error}") from None
