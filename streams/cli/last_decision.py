"""The last decision of an event, found in the topic of decisions."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.decode import read_own
from tocsin.streams.wire.records import Decision


class Found(NamedTuple):
    """A decision, and the record that it was read from."""

    decision: Decision
    record: Record


def last_decision(transport: Transport, topic: str, event_id: str) -> Found | None:
    """The decision of an event that was made last, None where there is none. Raises TransportError."""
    try:
        id_as_json = msgspec.json.encode(event_id)
    except UnicodeEncodeError:  # an argument that is not UTF-8, as which no record holds an id
        return None
    last: Found | None = None
    for partition, end in transport.end_offsets(topic).items():
        for record in transport.read(partition, 0, end):
            # Looking for the bytes of the id first avoids decoding nearly all records.
            decision = read_own(record, Decision) if id_as_json in (record.value or b"") else None
            if decision is None or decision.event != event_id:
                continue
            if last is None or decision.decided_at > last.decision.decided_at:
                last = Found(decision, record)
    return last
