"""The last decision of an event, found in the topic of decisions."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tocsin.streams.cli.console import print_message
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.decode import read_own
from tocsin.streams.wire.records import Decision
from tocsin.streams.wire.sealing.json_records import opened_record
from tocsin.streams.wire.sealing.sealed import ErasedError, Seals
from tocsin.streams.wire.sealing.secret import DamagedSealError


class Found(NamedTuple):
    """A decision, and the record that it was read from."""

    decision: Decision
    record: Record


def opened(found: Found, seals: Seals) -> Found:
    """A decision with what was sealed of it; where its subject is forgotten, without that, as a message says.

    Raises ErasureError.
    """
    try:
        value = opened_record(found.record.value or b"", seals)
    except (ErasedError, DamagedSealError) as error:
        why = "its subject was forgotten" if isinstance(error, ErasedError) else str(error)
        print_message(f"what quotes the event cannot be read any more: {why}")
        return found
    decision = msgspec.json.decode(value, type=Decision)
    return Found(decision, found.record._replace(value=value))


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
