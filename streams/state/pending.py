"""Pending events: decided, and kept until their labels come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

import msgspec

from tocsin.streams.state.entries import (
    EXPIRED_AT_ONCE,
    FINGERPRINT,
    ORDER,
    LmdbEntries,
    Sequence,
    decoded,
    fingerprint,
)
from tocsin.streams.state.tallies import Tallies
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.older import ContextOfOld, renewed
from tocsin.streams.wire.records import Context, Decision, Event

PENDING, BY_AGE, BY_SUBJECT = "pending", "pending_order", "posts"
"""An entry by the event's fingerprint; the fingerprint by the entry's order; and by the subject and the order."""
LABELLED = "labelled"
"""The fingerprints of those events that have a label. They are kept on, because another label may come."""
_HEADER = ORDER + FINGERPRINT
"""Bytes before an entry's JSON: its order and its subject's fingerprint."""


class PendingEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of an event until its label comes."""

    event: Event
    decision: Decision | None
    """What was said of it, without the explanation; None where that is not known."""
    context: Context | None
    """What the model saw of it; None where that is lost, and the learner scores the event anew."""
    partition: int
    """The partition of the events topic that it came in."""
    content: str | None = None
    """A digest of what was sent; None where an older version kept the event."""


class _PendingOfOld(PendingEvent, frozen=True):
    """As it was kept until 0.1.0."""

    context: ContextOfOld | None = msgspec.field(name="saw")


class _Place(msgspec.Struct, frozen=True):
    """Of what is kept, only where the event came in."""

    partition: int


_DECODER = msgspec.json.Decoder(PendingEvent)
_DECODER_OF_PLACE = msgspec.json.Decoder(_Place)
_DECODER_OF_OLD = msgspec.json.Decoder(_PendingOfOld)


class PendingEvents:
    """The pending events within one transaction."""

    def __init__(self, entries: LmdbEntries, sequence: Sequence, tallies: Tallies) -> None:
        self._entries = entries
        self._sequence = sequence
        self._tallies = tallies

    def get(self, event_id: str) -> PendingEvent | None:
        """What is kept of an event."""
        return _decoded(self._entries.get(PENDING, fingerprint(event_id)))

    def add(self, pending: PendingEvent, now: int) -> bool:
        """Keep an event from now (epoch ms) on; False, and nothing changes, for one that is kept already."""
        key = fingerprint(pending.event.id)
        if self._entries.get(PENDING, key) is not None:
            return False
        order, subject = self._sequence.at(now), fingerprint(pending.event.subject)
        self._entries.put(PENDING, key, order + subject + encode(pending))
        self._entries.put(BY_AGE, order, key)
        self._entries.put(BY_SUBJECT, subject + order, key)
        self._tallies.add("pending", pending.partition, 1)
        return True

    def of_subject(self, subject: str, most: int) -> list[PendingEvent]:
        """What is kept of a subject's last events, at most `most`, oldest first."""
        found: list[PendingEvent] = []
        for _, key in self._entries.walk_back(BY_SUBJECT, fingerprint(subject)):
            if len(found) >= most:
                break
            pending = _decoded(self._entries.get(PENDING, key))
            if pending is not None:
                found.append(pending)
        return found[::-1]

    def expire(self, before: int, most: int, most_bytes: int, at_once: int = EXPIRED_AT_ONCE) -> int:
        """Forget events kept before an instant (epoch ms), and the oldest beyond a number or size; returns how many.

        At most `at_once` events are forgotten in one call, so that a call does not take longer the longer it was not
        called.
        """
        forgotten = 0
        for order, key in self._entries.walk(BY_AGE):
            within = self.count() <= most and self._entries.size(PENDING) <= most_bytes
            if (int.from_bytes(order[:8], "big") >= before and within) or forgotten >= at_once:
                break
            kept = self._entries.get(PENDING, key)
            if kept is not None:
                partition = _partition(kept)
                self._tallies.add("pending", partition, -1)
                if self._entries.get(LABELLED, key) is not None:
                    self._tallies.add("labelled", partition, -1)
                    self._entries.delete(LABELLED, key)
                self._entries.delete(BY_SUBJECT, kept[ORDER:_HEADER] + order)
                self._entries.delete(PENDING, key)
            self._entries.delete(BY_AGE, order)
            forgotten += 1
        return forgotten

    def note_label(self, event_id: str) -> None:
        """A label came for an event; one that is not kept is no error."""
        key = fingerprint(event_id)
        if self._entries.get(LABELLED, key) is None and (kept := self._entries.get(PENDING, key)) is not None:
            self._entries.put(LABELLED, key, b"")
            self._tallies.add("labelled", _partition(kept), 1)

    def count(self) -> int:
        """How many events are kept."""
        return self._entries.count(PENDING)

    def count_of(self, partitions: Collection[int]) -> int:
        """How many events of these partitions are kept; of others a former owner may still have copies."""
        return sum(self._tallies.of("pending", partition) for partition in partitions)

    def count_labelled_of(self, partitions: Collection[int]) -> int:
        """How many of these have a label."""
        return sum(self._tallies.of("labelled", partition) for partition in partitions)

    def tally(self) -> None:
        """Count what an older version kept."""
        kept: Counter[int] = Counter()
        labelled: Counter[int] = Counter()
        for key, entry in self._entries.walk(PENDING):
            partition = _partition(entry)
            kept[partition] += 1
            labelled[partition] += self._entries.get(LABELLED, key) is not None
        for partition in kept:
            self._tallies.set("pending", partition, kept[partition])
            self._tallies.set("labelled", partition, labelled[partition])

    def all(self) -> Iterator[PendingEvent]:
        """Whatever is kept, in no order."""
        for _, kept in self._entries.walk(PENDING):
            if (pending := _decoded(kept)) is not None:
                yield pending


def _partition(kept: bytes) -> int:
    return decoded(PENDING, _DECODER_OF_PLACE, kept[_HEADER:]).partition


def _decoded(kept: bytes | None) -> PendingEvent | None:
    if kept is None:
        return None
    try:
        return _DECODER.decode(kept[_HEADER:])
    except msgspec.MsgspecError:
        return renewed(PendingEvent, decoded(PENDING, _DECODER_OF_OLD, kept[_HEADER:]))
