"""Which past decisions are asked for: a range, or one event."""

from __future__ import annotations

from typing import NamedTuple

from tocsin.models.data.times.reading import epoch_milliseconds
from tocsin.streams.replay.past.decisions import DecisionHead

_OFFSET_DIGITS = 12
"""A number of so many digits or more is a time in epoch milliseconds, a shorter one is an offset."""


class ScopeError(ValueError):
    """One end of a range is neither an offset nor a time."""


class Limit(NamedTuple):
    """One end of a range: one of the two."""

    offset: int | None = None
    """A feedback offset, that of the model that decided."""
    time: int | None = None
    """When it decided, epoch milliseconds."""

    @classmethod
    def of(cls, text: str) -> Limit:
        """What stands on the command line. Raises ScopeError.

        >>> Limit.of("20000").offset, Limit.of("1970-01-01T00:00:01Z").time
        (20000, 1000)
        """
        if text.isdecimal() and len(text) < _OFFSET_DIGITS:
            return cls(offset=int(text))
        try:
            return cls(time=epoch_milliseconds(int(text) if text.isdecimal() else text))
        except ValueError as error:
            raise ScopeError(str(error)) from None

    def is_reached_by(self, head: DecisionHead) -> bool:
        """Whether a decision stands at or behind it."""
        if self.offset is not None:
            return head.model.feedback_offset >= self.offset
        return self.time is None or head.decided_at >= self.time


class Scope(NamedTuple):
    """From one limit on and before another, or the decisions on one event of these."""

    start: Limit | None = None
    stop: Limit | None = None
    event: str | None = None

    def holds(self, head: DecisionHead) -> bool:
        """Whether a decision is asked for."""
        if self.event is not None and head.event != self.event:
            return False
        begun = self.start is None or self.start.is_reached_by(head)
        return begun and not (self.stop is not None and self.stop.is_reached_by(head))


EVERYTHING = Scope()
