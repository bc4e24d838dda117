"""Pending events: decided, and kept until their labels come.

The entries lie in the order in which events came, so that a batch is appended and the oldest go from the front. An
index finds an entry by the event's id, another one by its subject.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import msgspec

from tocsin.streams.state.entries import (
    EXPIRED_AT_ONCE,
    FINGERPRINT,
    DamagedError,
    LmdbEntries,
    Sequence,
    fingerprint,
)
from tocsin.streams.state.pending.tallies import Tallies
from tocsin.streams.wire.packed.events import (
    More,
    PackedEvent,
    Unpacked,
    event_of,
    pack,
    packed_alone,
    read_packed,
    unpacked,
)
from tocsin.streams.wire.packed.layout import Layout, read_layout
from tocsin.streams.wire.records import Event
from tocsin.streams.wire.sealing.sealed import EVENT, UNSEALED, ErasedError, Seals
from tocsin.streams.wire.sealing.secret import DamagedSealError

PENDING, BY_ID, BY_SUBJECT = "events", "events_by_id", "events_by_subject"
"""An entry by its order; the order by the event's fingerprint; and by the subject and the order, without a value."""
LABELLED = "labelled"
"""The fingerprints of those events that have a label. They are kept on, because another label may come."""
LAYOUTS = "layouts"
"""What the numbers of entries mean, by the key that entries name."""
_SUBJECT, _PARTITION = 2 * FINGERPRINT, 2 * FINGERPRINT + 4
"""Where the subject's fingerprint and the partition end in an entry, behind that of the event."""


class PendingEvent(NamedTuple):
    """What is kept of an event until its label comes."""

    layout: Layout
    packed: bytes
    """A `PackedEvent` as it is kept."""
    read: PackedEvent
    """Its parts."""

    @classmethod
    def of(
        cls, event: Event, layout: Layout, partition: int, content: bytes | None = None, more: More | None = None
    ) -> PendingEvent:
        """An event of which the model saw nothing, or what it saw is lost; `layout` is that of such events."""
        read = packed_alone(event, layout, partition, content, more)
        return cls(layout, pack(read), read)

    @property
    def event(self) -> Event:
        """The event as a record."""
        return event_of(self.layout, self.read)

    @property
    def content(self) -> bytes | None:
        """A digest of what was sent; None where it is not known."""
        return self.read.content

    @property
    def partition(self) -> int:
        """The partition of the events topic that it came in."""
        return self.read.partition

    def unpacked(self) -> Unpacked:
        """All that is kept, as records."""
        return unpacked(self.layout, self.read)


class PendingEvents:
    """The pending events within one transaction."""

    def __init__(
        self,
        entries: LmdbEntries,
        sequence: Sequence,
        tallies: Tallies,
        layouts: dict[bytes, Layout],
        seals: Seals = UNSEALED,
    ) -> None:
        """`layouts` are those that were read before; what they mean never changes. `seals` seals what is kept."""
        self._entries = entries
        self._sequence = sequence
        self._tallies = tallies
        self._layouts = layouts
        self._seals = seals

    def get(self, event_id: str) -> PendingEvent | None:
        """What is kept of an event."""
        order = self._entries.get(BY_ID, fingerprint(event_id))
        return None if order is None else self._at(order)

    def get_all(self, event_ids: Iterable[str]) -> dict[str, PendingEvent]:
        """What is kept of events, by their ids."""
        keys = {event_id: fingerprint(event_id) for event_id in event_ids}
        orders = self._entries.get_all(BY_ID, keys.values())
        kept = self._entries.get_all(PENDING, orders.values()) if orders else {}
        found = {event_id: kept.get(orders.get(key, b"")) for event_id, key in keys.items()}
        read = {event_id: self._pending(one) for event_id, one in found.items() if one is not None}
        return {event_id: pending for event_id, pending in read.items() if pending is not None}

    def has(self, event_id: str) -> bool:
        """Whether an event is kept."""
        return self._entries.get(BY_ID, fingerprint(event_id)) is not None

    def add(self, pending: PendingEvent, now: int) -> bool:
        """Keep an event from now (epoch ms) on; False, and nothing changes, for one that is kept already."""
        read = pending.read
        if self.has(read.id):
            return False
        self.add_new([(read.id, read.subject, read.partition, pending.packed)], pending.layout, now)
        return True

    def add_new(self, events: Iterable[tuple[str, str, int, bytes]], layout: Layout, now: int) -> None:
        """Keep events that are not kept yet: the id, subject, partition and packed bytes of each."""
        self._keep_layout(layout)
        entries, ids, subjects = [], [], []
        counted: Counter[int] = Counter()
        for identity, subject, partition, packed in events:
            order, key, of_subject = self._sequence.at(now), fingerprint(identity), fingerprint(subject)
            kept = self._seals.seal(subject, packed, EVENT)
            entries.append((order, b"%b%b%b%b" % (key, of_subject, partition.to_bytes(4, "big"), kept)))
            ids.append((key, order))
            subjects.append((of_subject + order, b""))
            counted[partition] += 1
        self._entries.put_all(PENDING, entries)
        self._entries.put_all(BY_ID, ids)
        self._entries.put_all(BY_SUBJECT, subjects)
        for partition, count in counted.items():
            self._tallies.add("pending", partition, count)

    def of_subject(self, subject: str, most: int) -> list[PendingEvent]:
        """What is kept of a subject's last events, at most `most`, oldest first."""
        found: list[PendingEvent] = []
        for key, _ in self._entries.walk_back(BY_SUBJECT, fingerprint(subject)):
            if len(found) >= most:
                break
            pending = self._at(key[FINGERPRINT:])
            if pending is not None:
                found.append(pending)
        return found[::-1]

    def expire(self, before: int, most: int, most_bytes: int, at_once: int = EXPIRED_AT_ONCE) -> int:
        """Forget events kept before an instant (epoch ms), and the oldest beyond a number or size; returns how many.

        At most `at_once` events are forgotten in one call, so that a call does not take longer the longer it was not
        called.
        """
        forgotten = 0
        for order, kept in self._entries.walk(PENDING):
            within = self.count() <= most and self._entries.size(PENDING) <= most_bytes
            if (int.from_bytes(order[:8], "big") >= before and within) or forgotten >= at_once:
                break
            self._remove(order, kept)
            forgotten += 1
        return forgotten

    def forget(self, subject: str) -> list[str]:
        """Forget all events of a subject; returns the ids of those that could still be read."""
        orders = [key[FINGERPRINT:] for key, _ in self._entries.walk_from(BY_SUBJECT, fingerprint(subject))]
        ids: list[str] = []
        for order in orders:
            kept = self._entries.get(PENDING, order)
            if kept is not None:
                pending = self._pending(kept)
                ids += [] if pending is None else [pending.read.id]
                self._remove(order, kept)
        return ids

    def _remove(self, order: bytes, kept: bytes) -> None:
        key, subject, partition = kept[:FINGERPRINT], kept[FINGERPRINT:_SUBJECT], _partition(kept)
        self._tallies.add("pending", partition, -1)
        if self._entries.get(LABELLED, key) is not None:
            self._tallies.add("labelled", partition, -1)
            self._entries.delete(LABELLED, key)
        self._entries.delete(BY_SUBJECT, subject + order)
        self._entries.delete(BY_ID, key)
        self._entries.delete(PENDING, order)

    def note_label(self, event_id: str) -> None:
        """A label came for an event; one that is not kept is no error."""
        key = fingerprint(event_id)
        if self._entries.get(LABELLED, key) is None and (pending := self.get(event_id)) is not None:
            self._note(key, pending.partition)

    def note_label_of(self, pending: PendingEvent) -> None:
        """A label came for an event that is kept."""
        key = fingerprint(pending.read.id)
        if self._entries.get(LABELLED, key) is None:
            self._note(key, pending.partition)

    def note_labels_of(self, events: Iterable[PendingEvent]) -> None:
        """The same for many events."""
        partitions = {fingerprint(pending.read.id): pending.partition for pending in events}
        noted = self._entries.get_all(LABELLED, partitions)
        new = [key for key in partitions if key not in noted]
        self._entries.put_all(LABELLED, [(key, b"") for key in new])
        for partition, count in Counter(partitions[key] for key in new).items():
            self._tallies.add("labelled", partition, count)

    def note_labels(self, event_ids: Iterable[str]) -> None:
        """Labels came for these events; one that is not kept is no error."""
        keys = {event_id: fingerprint(event_id) for event_id in event_ids}
        noted = self._entries.get_all(LABELLED, keys.values())
        new = [key for key in keys.values() if key not in noted]
        orders = self._entries.get_all(BY_ID, new) if new else {}
        kept = self._entries.get_all(PENDING, orders.values()) if orders else {}
        there = {key: _partition(kept[order]) for key, order in orders.items() if order in kept}
        self._entries.put_all(LABELLED, [(key, b"") for key in there])
        for partition, count in Counter(there.values()).items():
            self._tallies.add("labelled", partition, count)

    def _note(self, key: bytes, partition: int) -> None:
        self._entries.put(LABELLED, key, b"")
        self._tallies.add("labelled", partition, 1)

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
        """Count anew what is kept."""
        kept: Counter[int] = Counter()
        labelled: Counter[int] = Counter()
        for _, entry in self._entries.walk(PENDING):
            partition = _partition(entry)
            kept[partition] += 1
            labelled[partition] += self._entries.get(LABELLED, entry[:FINGERPRINT]) is not None
        for partition in kept:
            self._tallies.set("pending", partition, kept[partition])
            self._tallies.set("labelled", partition, labelled[partition])

    def all(self) -> Iterator[PendingEvent]:
        """Whatever is kept, oldest first."""
        for _, kept in self._entries.walk(PENDING):
            if (pending := self._pending(kept)) is not None:
                yield pending

    def _at(self, order: bytes) -> PendingEvent | None:
        kept = self._entries.get(PENDING, order)
        return None if kept is None else self._pending(kept)

    def _pending(self, kept: bytes) -> PendingEvent | None:
        """What an entry holds; None where its subject is forgotten."""
        try:
            packed = self._seals.opened(kept[_PARTITION:], EVENT)
            read = read_packed(packed)
            return PendingEvent(self._layout(read.layout), packed, read)
        except ErasedError:
            return None
        except (msgspec.MsgspecError, DamagedSealError) as error:
            raise DamagedError(f"state.directory: an entry of {PENDING!r} is damaged ({error})") from error

    def _keep_layout(self, layout: Layout) -> None:
        if self._entries.get(LAYOUTS, layout.key) is None:
            self._entries.put(LAYOUTS, layout.key, layout.packed)

    def _layout(self, key: bytes) -> Layout:
        layout = self._layouts.get(key)
        if layout is None:
            packed = self._entries.get(LAYOUTS, key)
            if packed is None:
                raise DamagedError(f"state.directory: an entry of {PENDING!r} names a layout that is not kept")
            layout = self._layouts[key] = read_layout(packed)
        return layout


def _partition(kept: bytes) -> int:
    return int.from_bytes(kept[_SUBJECT:_PARTITION], "big")
