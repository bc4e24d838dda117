from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.streams.replay.past.decisions import past_decisions
from tocsin.streams.replay.past.events import GAP, events_at
from tocsin.streams.replay.past.feedback import FeedbackLog, FeedbackPieces
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.worker.learning.learn import FeedbackError

from ...support import Service, drain, running, settings, stream


def decision(identity: str, partition: int | None, offset: int = 0) -> bytes:
    """A decision with a link, or without one."""
    said: dict[str, Any] = {"event": identity, "subject": "s", "time": 1, "decided_at": 2, "status": "decided"}
    said |= {"label": "yes", "belief": {"yes": 1.0}, "uncertainty": 0.0, "conflict": 0.0, "reason": None}
    said |= {"set": ["yes"], "explanation": None, "model": {"feedback_offset": 3, "config": "m", "segment": "default"}}
    if partition is not None:
        said["chain"] = {"partition": partition, "offset": offset, "before": "", "sha256": "0" * 64}
    return orjson.dumps(said)


def topic(*values: bytes, partitions: int = 1) -> tuple[MemoryBroker, MemoryTransport]:
    broker = MemoryBroker()
    broker.create("t", partitions)
    transport = MemoryTransport(broker)
    for i, value in enumerate(values):
        transport.produce("t", str(i).encode(), value)
    return broker, transport


def test_decisions_come_in_the_order_of_their_events_and_not_of_their_topic() -> None:
    values = [decision("d", 1, 7), decision("b", 0, 20), decision("c", 1, 3), decision("a", 0, 4), decision("0", None)]
    _, reader = topic(*values, partitions=3)
    found = past_decisions(reader, "t")
    assert [past.head.event for past in found.decisions] == ["0", "a", "b", "c", "d"]
    assert [past.link is None for past in found.decisions] == [True, False, False, False, False]
    assert found.decisions[1].value == values[3]
    assert found.decisions[1].decision.label == "yes"
    assert not found.unreadable


def test_what_is_no_decision_is_told_apart() -> None:
    _, reader = topic(b"{", decision("a", 0), b"\xff", b'{"event": 1}')
    found = past_decisions(reader, "t")
    assert [past.head.event for past in found.decisions] == ["a"]
    assert [record.value for record in found.unreadable] == [b"{", b"\xff", b'{"event": 1}']


def test_of_decisions_that_nobody_asked_for_only_the_head_is_kept() -> None:
    _, reader = topic(decision("a", 0, 1), decision("b", 0, 2))
    one, other = past_decisions(reader, "t", keeps=lambda head: head.event == "b").decisions
    assert (one.value, one.head.event, other.decision.event) == (b"", "a", "b")


def test_an_event_that_has_expired_is_missing_and_no_error() -> None:
    broker, reader = topic(*(str(i).encode() for i in range(3 * GAP)))
    broker.expire(Partition("t", 0), 10)
    places = [(0, 2 * GAP + 5), (0, 9), (0, 10), (0, 11), (7, 0)]
    found = events_at(reader, "t", places)
    assert {place: record.value for place, record in found.items()} == {
        (0, 10): b"10",
        (0, 11): b"11",
        (0, 2 * GAP + 5): b"%d" % (2 * GAP + 5),
    }


def test_the_feedback_is_taken_piece_by_piece_and_once() -> None:
    broker, reader = topic(*(str(i).encode() for i in range(10)))
    broker.expire(Partition("t", 0), 2)
    log = FeedbackLog(reader, "t")
    assert (log.first, log.end) == (2, 10)
    pieces = FeedbackPieces(log, 3)
    assert [r.offset for r in pieces.below(3, 100)] == []
    assert [r.offset for r in pieces.below(8, 2)] == [3, 4]
    assert [r.offset for r in pieces.below(8, 100)] == [5, 6, 7]
    assert [r.offset for r in pieces.below(99, 100)] == [8, 9]
    assert pieces.below(99, 100) == []


def test_decisions_of_a_service_are_found_with_their_events(tmp_path: Path) -> None:
    service = Service(settings(tmp_path), partitions=2)
    with running(service) as worker:
        service.send(*(event for event, _ in stream(20)))
        drain(worker)
    reader = MemoryTransport(service.broker)
    found = past_decisions(reader, service.topics.decisions)
    assert len(found.decisions) == 20
    places = [(p.link.partition, p.link.offset) for p in found.decisions if p.link is not None]
    events = events_at(reader, service.topics.events, places)
    for past in found.decisions:
        if past.link is not None:
            event = orjson.loads(events[past.link.partition, past.link.offset].value or b"")
            assert event["id"] == past.head.event


def test_feedback_of_several_partitions_is_told_and_not_read(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    service.broker.add_partitions(service.topics.feedback, 2)
    with pytest.raises(FeedbackError, match="has 2 partitions"):
        FeedbackLog(service.open((), {}, None), service.topics.feedback)
