"""Waiting labels: kept until the event or the subject that they speak of turns up."""

from __future__ import annotations

import base64
import itertools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from tocsin.streams.state.entries import EXPIRED_AT_ONCE, FINGERPRINT, DamagedError, LmdbEntries, Sequence, decoded
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.records import Label, Scalar
from tocsin.streams.wire.sealing.sealed import LABEL, UNSEALED, ErasedError, Seals

WAITING, BY_AGE, BY_PLACE = "waiting", "waiting_order", "waiting_place"
"""A label by the key that it waits under and its order; the key by the order; that full key by the label's place."""
_PLACE = struct.Struct(">IQ")
"""Where a label lies in its topic: partition and offset. An entry begins with it."""


class WaitingLabel(NamedTuple):
    """A label with the raw record it came in, which becomes a dead letter if it waits in vain."""

    label: Label
    record: Record


class _PackedRecord(msgspec.Struct, frozen=True, array_like=True):
    """A raw record as JSON can hold it: bytes in base 85."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: str | None
    value: str | None
    headers: list[tuple[str, str | None]]


class _Kept(msgspec.Struct, frozen=True):
    label: Label
    record: _PackedRecord
    sealed: str | msgspec.UnsetType = msgspec.UNSET
    """Features and text of the label, sealed, in base 85."""


class _Brought(msgspec.Struct, frozen=True):
    """What a label brings of its event."""

    features: dict[str, Scalar] | None
    text: str | None


_DECODER, _BROUGHT = msgspec.json.Decoder(_Kept), msgspec.json.Decoder(_Brought)


class WaitingLabels:
    """The waiting labels within one transaction."""

    def __init__(self, entries: LmdbEntries, sequence: Sequence, seals: Seals = UNSEALED) -> None:
        self._entries = entries
        self._sequence = sequence
        self._seals = seals

    def add(self, key: bytes, waiting: WaitingLabel, now: int) -> None:
        """Keep a label from now (epoch ms) on; `key` is what it will be asked for by."""
        order = self._sequence.at(now)
        place = _PLACE.pack(waiting.record.partition, waiting.record.offset)
        self._entries.put(WAITING, key + order, place + pack(waiting, self._seals))
        self._entries.put(BY_AGE, order, key)
        self._entries.put(BY_PLACE, place, key + order)

    def has(self, record: Record) -> bool:
        """Whether the label in this very record waits."""
        return self._entries.get(BY_PLACE, _PLACE.pack(record.partition, record.offset)) is not None

    def full(self, key: bytes, most: int) -> bool:
        """Whether at least so many labels wait under a key."""
        return len(list(itertools.islice(self._entries.walk_from(WAITING, key), most))) >= most

    def oldest(self, partition: int, start: int) -> int | None:
        """The lowest offset from `start` on of a label in this partition that waits, or None."""
        for place, _ in self._entries.walk_from(BY_PLACE, _PLACE.pack(partition, 0)[:4], _PLACE.pack(partition, start)):
            return int(_PLACE.unpack(place)[1])
        return None

    def take(self, key: bytes) -> list[WaitingLabel]:
        """The labels that wait under a key, oldest first; they wait no more. What takes labels back waits on."""
        return self._take(key, lambda waiting: waiting.label.label is not None)

    def withdraw(self, key: bytes, source: str, place: tuple[int, int]) -> bool:
        """Have the labels of a source (empty for none) wait no more that it takes back; returns whether there were any.

        These are the ones that do not lie behind this place, partition and offset, in the same partition.
        """

        def taken_back(waiting: WaitingLabel) -> bool:
            label, record = waiting
            behind = record.partition == place[0] and record.offset > place[1]
            return label.label is not None and (label.source or "") == source and not behind

        return bool(self._take(key, taken_back))

    def takings_back(self, key: bytes) -> list[WaitingLabel]:
        """What waits under a key to take labels back."""
        found = (self._unpacked(value) for _, value in self._entries.walk_from(WAITING, key))
        return [waiting for waiting in found if waiting.label.label is None]

    def _take(self, key: bytes, wanted: Callable[[WaitingLabel], bool]) -> list[WaitingLabel]:
        if self.count() == 0:
            return []
        taken: list[WaitingLabel] = []
        for full, value in list(self._entries.walk_from(WAITING, key)):
            if wanted(waiting := self._unpacked(value)):
                taken.append(waiting)
                self._remove(full, value)
        return taken

    def take_where(self, wanted: Callable[[WaitingLabel], bool]) -> list[WaitingLabel]:
        """The labels that are wanted, of all that wait; they wait no more. It looks at every one."""
        found: list[WaitingLabel] = []
        for full, value in self._entries.walk(WAITING):
            waiting = self._unpacked(value)
            if wanted(waiting):
                found.append(waiting)
                self._remove(full, value)
        return found

    def first_of_each(self) -> list[tuple[bytes, WaitingLabel]]:
        """Every key that labels wait under, with the first of its labels, in the order in which these came."""
        found: dict[bytes, tuple[bytes, bytes]] = {}
        for full, value in self._entries.walk(WAITING):
            found.setdefault(full[:FINGERPRINT], (full[FINGERPRINT:], value))
        return [
            (key, self._unpacked(value)) for key, (_, value) in sorted(found.items(), key=lambda entry: entry[1][0])
        ]

    def drop(self, key: bytes, source: str, label: str) -> None:
        """Have a label of a source (empty for none) wait no more: another worker has joined it."""
        if self.count() == 0:
            return
        for full, value in list(self._entries.walk_from(WAITING, key)):
            waiting = self._unpacked(value).label
            if waiting.label == label and (waiting.source or "") == source:
                self._remove(full, value)

    def expire(self, before: int, most: int, most_bytes: int, at_once: int = EXPIRED_AT_ONCE) -> list[WaitingLabel]:
        """Labels that waited since before an instant (epoch ms), and the oldest beyond a number or size.

        At most `at_once` labels expire in one call, so that a call does not take longer the longer it was not called.
        """
        expired: list[WaitingLabel] = []
        for order, key in self._entries.walk(BY_AGE):
            within = self.count() <= most and self._entries.size(WAITING) <= most_bytes
            if (int.from_bytes(order[:8], "big") >= before and within) or len(expired) >= at_once:
                break
            value = self._entries.get(WAITING, key + order)
            if value is None:
                self._entries.delete(BY_AGE, order)
            else:
                expired.append(self._unpacked(value))
                self._remove(key + order, value)
        return expired

    def count(self) -> int:
        """How many labels wait."""
        return self._entries.count(WAITING)

    def _unpacked(self, value: bytes) -> WaitingLabel:
        """The label of an entry."""
        return unpack(value[_PLACE.size :], self._seals)

    def _remove(self, full: bytes, value: bytes) -> None:
        self._entries.delete(WAITING, full)
        self._entries.delete(BY_AGE, full[FINGERPRINT:])
        self._entries.delete(BY_PLACE, value[: _PLACE.size])


def note_places(entries: LmdbEntries) -> None:
    """Give the labels that an older version kept the place that an entry begins with since."""
    for full, value in list(entries.walk(WAITING)):
        record = unpack(value).record
        place = _PLACE.pack(record.partition, record.offset)
        entries.put(WAITING, full, place + value)
        entries.put(BY_PLACE, place, full)


def subject_of(label: Label) -> str:
    """The subject that what a label brings belongs to: the one it names, else the event's own id stands for it."""
    return label.subject or label.event or ""


def pack(waiting: WaitingLabel, seals: Seals = UNSEALED) -> bytes:
    """A label and its record as they are kept.

    Where anything is sealed, what the label brings of its event is, and of the record only its place is kept.
    """
    label, record = waiting
    sealed: str | msgspec.UnsetType = msgspec.UNSET
    if seals.active:
        record = record._replace(key=None, value=None, headers=())
        if label.features is not None or label.text is not None:
            brought = encode(_Brought(label.features, label.text))
            sealed = base64.b85encode(seals.seal(subject_of(label), brought, LABEL)).decode()
            label = msgspec.structs.replace(label, features=None, text=None)
    headers = [(name, _text(value)) for name, value in record.headers]
    packed = _PackedRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        _text(record.key),
        _text(record.value),
        headers,
    )
    return encode(_Kept(label, packed, sealed))


def unpack(value: bytes, seals: Seals = UNSEALED) -> WaitingLabel:
    """What `pack` packed; a label whose subject is forgotten brings nothing any more. Raises DamagedError."""
    kept = decoded(WAITING, _DECODER, value)
    packed = kept.record
    headers: Any = tuple((name, _bytes(text)) for name, text in packed.headers)  # a header of no value passes through
    record = Record(
        packed.topic,
        packed.partition,
        packed.offset,
        packed.timestamp,
        _bytes(packed.key),
        _bytes(packed.value),
        headers,
    )
    label = kept.label if kept.sealed is msgspec.UNSET else _opened(kept.label, kept.sealed, seals)
    return WaitingLabel(label, record)


def _opened(label: Label, sealed: str, seals: Seals) -> Label:
    try:
        brought = decoded(WAITING, _BROUGHT, seals.opened(base64.b85decode(sealed), LABEL))
    except ErasedError:
        return label
    except ValueError as error:
        raise DamagedError(f"state.directory: an entry of {WAITING!r} is damaged ({error})") from error
    return msgspec.structs.replace(label, features=brought.features, text=brought.text)


def _text(part: bytes | None) -> str | None:
    return None if part is None else base64.b85encode(part).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b85decode(text)
