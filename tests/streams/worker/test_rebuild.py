from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tocsin.streams.state.store import State
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.rebuild import Rebuild, tail

from ..support import START, Service, drain, event, running, settings, stream, text_settings

EVENTS = Partition("events", 0)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(settings(tmp_path / "state", bounds={"pending_events": 15}))


def rebuild(service: Service, state: State) -> Rebuild:
    decoder = Decoder(EventSchema(service.settings))
    return Rebuild(service.settings, decoder, state, MemoryTransport(service.broker))


def test_no_more_is_read_than_may_be_pending(service: Service, tmp_path: Path) -> None:
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(20)], b"bad", event("e19", a=9.0))
        drain(worker)
    state = State(tmp_path / "other", 2**22)
    again = rebuild(service, state)
    assert again(EVENTS, 22, START) == (13, 0, 1)  # of the last 15 records two are dead letters
    with state.transaction() as t:
        assert t.pending.get("e6") is None
        kept = t.pending.get("e19")
        assert kept is not None
        assert kept.event.features["a"] != 9.0
        decision = kept.unpacked().decision
        assert decision is not None
        assert decision.event == "e19"
        assert kept.unpacked().context is None
        assert t.positions.get(EVENTS) == 22
    assert again(EVENTS, 22, START) == (0, 0, 0)
    state.close()


def test_a_gap_is_read_from_where_the_state_stood(service: Service, tmp_path: Path) -> None:
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(10)])
        drain(worker)
    state = State(tmp_path / "other", 2**22)
    with state.transaction() as t:
        t.positions.set({EVENTS: 7})
    assert rebuild(service, state)(EVENTS, 10, START) == (3, 0, 0)
    assert rebuild(service, state)(EVENTS, 5, START) == (0, 0, 0)
    with state.transaction() as t:
        assert t.positions.get(EVENTS) == 10
    state.close()


def test_events_that_retention_took_are_no_error(service: Service, tmp_path: Path) -> None:
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(10)])
        drain(worker)
    service.broker.expire(EVENTS, 8)
    service.broker.expire(Partition("decisions", 0), 9)
    state = State(tmp_path / "other", 2**22)
    assert rebuild(service, state)(EVENTS, 10, START) == (2, 1, 0)
    with state.transaction() as t:
        first, second = t.pending.get("e8"), t.pending.get("e9")
        assert first is not None
        assert second is not None
        assert first.unpacked().decision is None
        known = second.unpacked().decision
        assert known is not None
        assert known.event == "e9"
    state.close()


def test_a_subjects_risk_is_that_of_its_last_decision(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path / "state"))
    with running(service) as worker:
        service.send(*[{"id": f"m{i}", "subject": "u", "time": START, "text": "hello"} for i in range(4)])
        drain(worker)
    state = State(tmp_path / "other", 2**22)
    rebuild(service, state)(EVENTS, 4, START)
    with state.transaction() as t:
        assert msgspec.to_builtins(t.subjects.get("u")) == service.decisions[-1]["risk"]
    state.close()


def test_the_tail_is_of_every_partition() -> None:
    from tocsin.streams.transport.memory import MemoryBroker

    broker = MemoryBroker()
    broker.create("t", 2)
    transport = MemoryTransport(broker)
    for i in range(10):
        transport.produce("t", None, b"%d" % i)
    assert [r.value for r in tail(transport, "t", 2)] == [b"6", b"8", b"7", b"9"]
    assert len(list(tail(transport, "t", 99))) == 10
