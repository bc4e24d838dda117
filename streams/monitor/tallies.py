"""What the decisions and the dead letters themselves show."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from typing import Any, NamedTuple

import orjson

from tocsin.streams.monitor.metrics import LABEL_LENGTH, Capped, Metrics
from tocsin.streams.monitor.workers import KINDS
from tocsin.streams.transport.base import Record

EVENT_IDS = 200_000
"""Event ids remembered to notice a second decision; beyond it the one longest not met is forgotten."""
LATEST = 5
"""Dead letters that the view shows."""


class BadRecordError(Exception):
    """A record is not what its topic holds."""


class Decisions:
    """Counts decisions, and events that were decided more than once."""

    def __init__(self, metrics: Metrics, capacity: int = EVENT_IDS) -> None:
        self._metrics = metrics
        self._capacity = capacity
        self._met: OrderedDict[bytes, None] = OrderedDict()

    def take(self, record: Record) -> None:
        """Count one decision. Raises BadRecordError."""
        # Not through the model `Decision`: its explanation costs much and is not needed here.
        event = _event(record.value)
        # An id may be long; its digest is not.
        digest = hashlib.blake2b(event.encode(errors="surrogatepass"), digest_size=16).digest()
        self._metrics.add("tocsin_decision_records")
        if digest in self._met:
            self._met.move_to_end(digest)
            self._metrics.add("tocsin_repeated_decisions")
            return
        self._metrics.add("tocsin_distinct_events")
        self._met[digest] = None
        if len(self._met) > self._capacity:
            self._met.popitem(last=False)


class DeadLetterSeen(NamedTuple):
    """What a person wants to know of a dead letter at first."""

    origin: str
    kind: str
    message: str


class DeadLetters:
    """Counts dead letters by kind, and keeps the latest."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._kinds = Capped(KINDS)
        self.latest: deque[DeadLetterSeen] = deque(maxlen=LATEST)

    def take(self, record: Record) -> None:
        """Count one dead letter. Raises BadRecordError for one that does not say why it is there."""
        # The last of equal headers is ours: a dead letter keeps the headers that it came with.
        headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
        kind = headers.get("__streams.errors.exception")
        if not kind:
            raise BadRecordError("a dead letter without a reason in its headers")
        self._metrics.add("tocsin_dead_letter_records", 1, self._kinds(kind))
        origin = " ".join(headers.get(f"__streams.errors.{part}", "?") for part in ("topic", "partition", "offset"))
        message = headers.get("__streams.errors.message", "")
        self.latest.append(DeadLetterSeen(origin[:LABEL_LENGTH], kind[:LABEL_LENGTH], message[:200]))


def _event(value: bytes | None) -> str:
    """The event id of a decision."""
    try:
        decision: Any = orjson.loads(value or b"")
    except orjson.JSONDecodeError as error:
        raise BadRecordError(f"a decision is not JSON: {error}") from None
    event = decision.get("event") if isinstance(decision, dict) else None
    if not isinstance(event, str) or decision.get("status") not in ("decided", "abstained"):
        raise BadRecordError("a decision without an event or a status")
    return event
