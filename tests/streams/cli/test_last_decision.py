"""Finding the last decision of an event among those of others."""

from __future__ import annotations

import orjson

from tocsin.streams.cli.last_decision import last_decision, opened
from tocsin.streams.cli.render import render
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.sealing.json_records import DECISION, is_sealed, sealed_record
from tocsin.streams.wire.sealing.logged_keys import LoggedKeys
from tocsin.streams.wire.sealing.sealed import KeySeals
from tocsin.streams.wire.sealing.secret import Secret


def decision(event: str, decided_at: int) -> bytes:
    return orjson.dumps(
        {
            "event": event, "subject": "s", "time": 0, "decided_at": decided_at, "status": "decided", "label": "a",
            "belief": {"a": 0.9}, "uncertainty": 0.1, "conflict": 0.0, "reason": None, "set": ["a"],
            "explanation": None, "model": {"feedback_offset": 3, "config": "c", "segment": "default"},
        }
    )  # fmt: skip


def transport_with(*values: bytes) -> MemoryTransport:
    broker = MemoryBroker()
    broker.create("decisions", 3)
    transport = MemoryTransport(broker)
    for value in values:
        transport.produce("decisions", None, value)
    return transport


def test_of_several_decisions_the_latest_is_found_whatever_its_partition() -> None:
    transport = transport_with(decision("e", 5), decision("e", 9), decision("e", 7), decision("other", 99))
    found = last_decision(transport, "decisions", "e")
    assert found is not None
    assert (found.decision.event, found.decision.decided_at) == ("e", 9)
    assert orjson.loads(found.record.value or b"")["decided_at"] == 9


def test_an_id_that_only_begins_alike_is_another_event() -> None:
    assert last_decision(transport_with(decision("e1", 5)), "decisions", "e") is None


def test_records_that_are_no_decisions_are_left_out() -> None:
    transport = transport_with(b'"e"', b'{"event": "e"}', b'broken "e"', decision("e", 1))
    found = last_decision(transport, "decisions", "e")
    assert found is not None
    assert found.decision.decided_at == 1


def test_an_id_is_found_as_it_stands_in_json() -> None:
    identity = 'a "quoted" id, \n and é漢🎉'
    found = last_decision(transport_with(decision(identity, 1)), "decisions", identity)
    assert found is not None


def test_a_decision_on_a_forgotten_subject_is_not_said_to_have_had_no_explanation() -> None:
    broker = MemoryBroker()
    broker.create("keys", 1)
    lost, secret = MemoryTransport(broker), Secret("a secret that only the tests know")
    whole = decision("e", 1).replace(b'"explanation":null', b'"explanation":{"level":"brief"}')
    sealed = sealed_record(whole, DECISION, "s", KeySeals(LoggedKeys(lost, "keys", secret)))
    assert is_sealed(sealed)
    found = last_decision(transport_with(sealed), "decisions", "e")
    assert found is not None
    found = opened(found, KeySeals(LoggedKeys(lost, "keys", secret)))  # its key is nowhere
    words = render(found.decision, closed=is_sealed(found.record.value))
    assert "cannot be read any more" in words
    assert "`none`" not in words
    assert "`none`" in render(found.decision)
