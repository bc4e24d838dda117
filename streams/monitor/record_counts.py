"""Counts of what stands in the topics of decisions and of dead letters, independent of what the workers report."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from typing import Literal, NamedTuple

import msgspec

from tocsin.streams.monitor.metrics import LABEL_LENGTH, CappedNames, Metrics
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import UNREADABLE

EVENT_IDS = 200_000
"""Event ids remembered to notice a second decision; beyond it the least recently met id is forgotten."""
KINDS = 32
"""Kinds of dead letters that are counted by name; the others are counted together."""
LATEST = 5
"""Dead letters that the view shows."""
_MESSAGE_LENGTH = 200


class BadRecordError(Exception):
    """A record is not what its topic should hold."""


class DecisionCounts:
    """Counts decisions, and events that were decided more than once."""

    def __init__(self, metrics: Metrics, capacity: int = EVENT_IDS) -> None:
        self._metrics = metrics
        self._capacity = capacity
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        """Digests of the event ids that were met, the least recent first."""

    def count(self, record: Record) -> None:
        """Count one decision. Raises BadRecordError."""
        # An id may be long, and its digest is always 16 bytes.
        digest = hashlib.blake2b(_event_id(record.value).encode(), digest_size=16).digest()
        self._metrics.add("tocsin_decision_records")
        if digest in self._digests:
            self._digests.move_to_end(digest)
            self._metrics.add("tocsin_repeated_decisions")
            return
        self._metrics.add("tocsin_distinct_events")
        self._digests[digest] = None
        if len(self._digests) > self._capacity:
            self._digests.popitem(last=False)


class DeadLetterSummary(NamedTuple):
    """What the view shows of a dead letter."""

    origin: str
    """Topic, partition and offset of the record that was put aside."""
    kind: str
    message: str


class DeadLetterCounts:
    """Counts dead letters by kind, and keeps a summary of the latest."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._kinds = CappedNames(KINDS)
        self.latest: deque[DeadLetterSummary] = deque(maxlen=LATEST)

    def count(self, record: Record) -> None:
        """Count one dead letter. Raises BadRecordError where its headers give no reason."""
        # A dead letter keeps the headers that the record came with, and ours follow: the last of equal names wins.
        headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
        kind = headers.get("__streams.errors.exception")
        if not kind:
            raise BadRecordError("a dead letter without a reason in its headers")
        self._metrics.add("tocsin_dead_letter_records", 1, self._kinds(kind))
        origin = " ".join(headers.get(f"__streams.errors.{part}", "?") for part in ("topic", "partition", "offset"))
        message = headers.get("__streams.errors.message", "")
        self.latest.append(DeadLetterSummary(origin[:LABEL_LENGTH], kind[:LABEL_LENGTH], message[:_MESSAGE_LENGTH]))


def _event_id(value: bytes | None) -> str:
    """The event id of a decision. Raises BadRecordError."""
    try:
        return _DECISION.decode(value or b"").event
    except UNREADABLE as error:
        raise BadRecordError(f"not a decision: {error}") from None


class _Decision(msgspec.Struct):
    """The parts of a decision that are counted; its other parts, which may be long, are not decoded."""

    event: str
    status: Literal["decided", "abstained"]


_DECISION = msgspec.json.Decoder(_Decision)
