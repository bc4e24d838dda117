"""Events and labels that a forgotten subject had sent before it was forgotten, and that are read only now."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.streams.state.store import Transaction
from tocsin.streams.state.waiting import subject_of
from tocsin.streams.transport.base import Partition
from tocsin.streams.wire.decode import DecodedLabel
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.sealing.key_records import Forgotten


def wanted_events(events: EventColumns, transaction: Transaction) -> EventColumns:
    """The events of a batch without those whose subject was forgotten since they were sent: they are not decided."""
    coming = _still_coming(transaction)
    if not coming:
        return events
    subjects, records = events.subjects, events.records
    gone = {
        i
        for i, subject in enumerate(subjects)
        if (one := coming.get(subject)) is not None and one.sent_before(records[i])
    }
    return events.of([i for i in range(events.size) if i not in gone]) if gone else events


def wanted_labels(labels: Sequence[DecodedLabel], transaction: Transaction) -> Sequence[DecodedLabel]:
    """The labels of a batch without those about a subject, or with what it sent, that was forgotten since then."""
    coming = _still_coming(transaction)
    if not coming:
        return labels
    found = [(decoded, coming.get(subject_of(decoded.label))) for decoded in labels]
    return [decoded for decoded, one in found if one is None or not one.sent_before(decoded.record)]


def read_again(events: EventColumns, transaction: Transaction) -> EventColumns:
    """Events that are read from the log once more, without those whose subject was forgotten since they were sent."""
    keys = transaction.keys
    if keys is None or not keys.forgets:
        return events
    known = {subject: keys.forgotten(subject) for subject in dict.fromkeys(events.subjects)}
    rows = [
        i
        for i, subject in enumerate(events.subjects)
        if (one := known[subject]) is None or not one.sent_before(events.records[i])
    ]
    return events.of(rows)


def _still_coming(transaction: Transaction) -> dict[str, Forgotten]:
    if transaction.keys is None:
        return {}
    return transaction.keys.still_coming(lambda one: _all_read(one, transaction))


def _all_read(one: Forgotten, transaction: Transaction) -> bool:
    """Whether this worker has read everything that was sent before a subject was forgotten."""
    return all(
        (transaction.positions.get(Partition(topic, int(index))) or 0) >= end
        for topic, partitions in one.ends.items()
        for index, end in partitions.items()
    )
