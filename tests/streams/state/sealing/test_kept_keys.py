"""Keys in the state, what is kept sealed there, and a file that holds nothing of what was deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.streams.state.pending.events import PendingEvent
from tocsin.streams.state.sealing.kept_keys import KeyMemory
from tocsin.streams.state.store import State
from tocsin.streams.state.waiting import WaitingLabel
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.records import Event, Label
from tocsin.streams.wire.sealing.key_records import KeyRecord, deletion, forgotten_record
from tocsin.streams.wire.sealing.sealed import EVENT, ErasedError
from tocsin.streams.wire.sealing.secret import Secret

from ...support import START

LAYOUT = Layout(("a",), ("number",))
WORDS = "zyzzyva quokka"


def memory(most: int = 100) -> KeyMemory:
    return KeyMemory(Secret("a text that is long enough"), most, lambda: START, "keys")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "lmdb", 16 << 20, memory())
    yield state
    state.close()


def read_back(state: State, records: list[KeyRecord], first: int = 0) -> None:
    """The topic of keys gives these records."""
    with state.transaction() as t:
        assert t.keys is not None
        for offset, record in enumerate(records, first):
            t.keys.take(Record("keys", 0, offset, START, record.key, record.value))


def keep(state: State, identity: str, subject: str) -> None:
    event = Event(identity, subject, START, {"a": 1.5}, WORDS)
    with state.transaction() as t:
        assert t.pending.add(PendingEvent.of(event, LAYOUT, 0), START)


def content(state: State) -> bytes:
    state._env.sync(True)
    return (state._directory / "data.mdb").read_bytes()


def test_a_subject_keeps_its_key_over_transactions_memory_and_restarts(tmp_path: Path) -> None:
    state = State(tmp_path / "lmdb", 16 << 20, memory())
    with state.transaction() as t:
        sealed = t.seals.seal("anna", b"x", EVENT)
    for _ in range(2):
        with state.transaction() as t:
            assert t.seals.opened(sealed, EVENT) == b"x"
            assert t.keys is not None
            assert t.seals.seal("anna", b"x", EVENT)[2:14] == sealed[2:14]
        state.close()
        state = State(tmp_path / "lmdb", 16 << 20, memory())
    state.close()


def test_more_subjects_than_memory_holds_are_sealed_and_opened_alike(tmp_path: Path) -> None:
    few = memory(most=3)
    state = State(tmp_path / "lmdb", 16 << 20, few)
    with state.transaction() as t:
        sealed = {f"s{i % 10}": t.seals.seal(f"s{i % 10}", b"%d" % (i % 10), EVENT) for i in range(30)}
        assert {t.seals.opened(one, EVENT) for one in sealed.values()} == {b"%d" % i for i in range(10)}
    assert len(few.made) == 10
    assert max(len(few.ready), len(few.sealing)) <= 3
    state.close()


def test_a_key_of_a_transaction_that_is_given_up_is_gone(state: State) -> None:
    t = state.begin()
    t.seals.seal("anna", b"x", EVENT)
    t.abort()
    assert state.keys is not None
    assert (state.keys.made, state.keys.sealing) == ([], {})
    with state.transaction() as t:
        assert t.keys is not None
        assert t.keys.count() == 0


def test_pending_events_are_sealed_on_the_disk_and_read_as_ever(state: State) -> None:
    keep(state, "e1", "anna")
    with state.transaction() as t:
        found = t.pending.get("e1")
        assert found is not None
        assert found.event.text == WORDS
        assert [one.read.id for one in t.pending.of_subject("anna", 5)] == ["e1"]
    assert WORDS.encode() not in content(state)


def test_pending_events_of_before_erasure_was_enabled_are_read_and_forgotten(tmp_path: Path) -> None:
    state = State(tmp_path / "lmdb", 16 << 20)
    keep(state, "e1", "anna")
    state.close()
    state = State(tmp_path / "lmdb", 16 << 20, memory())
    with state.transaction() as t:
        assert t.pending.get("e1") is not None
        assert t.pending.forget("anna") == ["e1"]
        assert t.pending.count() == 0
    state.rewrite()
    assert WORDS.encode() not in content(state)
    state.close()


def test_a_deleted_key_makes_pending_events_unreadable_and_harms_no_other(state: State) -> None:
    keep(state, "e1", "anna")
    keep(state, "e2", "bob")
    with state.transaction() as t:
        sealed = t.seals.seal("anna", b"x", EVENT)
    assert state.keys is not None
    owner = state.keys.secret.index("anna")
    read_back(state, [deletion(owner, sealed[2:14])])
    with state.transaction() as t:
        assert t.pending.get("e1") is None
        assert t.pending.get_all(["e1", "e2"]).keys() == {"e2"}
        assert [one.read.id for one in t.pending.all()] == ["e2"]
        with pytest.raises(ErasedError):
            t.seals.opened(sealed, EVENT)
        assert t.pending.forget("anna") == []
        assert t.pending.count() == 1


def test_a_forgotten_subject_is_to_be_erased_until_that_is_done(state: State) -> None:
    keep(state, "e1", "anna")
    assert state.keys is not None
    read_back(state, [forgotten_record(state.keys.secret, "anna", {Partition("events", 0): 4}, START)])
    with state.transaction() as t:
        assert t.keys is not None
        [one] = t.keys.to_erase()
        assert (one.subject, t.keys.position) == ("anna", 1)
        assert t.keys.still_coming(lambda gone: False).keys() == {"anna"}
        t.keys.erased(one)
        assert t.keys.to_erase() == []
        assert t.keys.forgotten("anna") == one
        assert t.keys.forgotten("bob") is None
        new = t.seals.seal("anna", b"x", EVENT)  # a new beginning
        assert t.seals.opened(new, EVENT) == b"x"


def test_waiting_labels_keep_what_they_bring_sealed_and_nothing_of_their_record(state: State) -> None:
    label = Label(event="e1", subject="anna", label="yes", time=START, features={"a": 1234.56789}, text=WORDS)
    record = Record("labels", 0, 3, START, b"anna", WORDS.encode(), (("trace", WORDS.encode()),))
    with state.transaction() as t:
        t.waiting.add(b"k" * 16, WaitingLabel(label, record), START)
    assert WORDS.encode() not in content(state)
    assert b"1234.56789" not in content(state)
    with state.transaction() as t:
        [found] = t.waiting.take(b"k" * 16)
        assert found.label == label
        assert found.record == record._replace(key=None, value=None, headers=())


def test_a_file_that_is_written_anew_holds_no_byte_of_what_was_deleted(tmp_path: Path) -> None:
    state = State(tmp_path / "lmdb", 16 << 20)  # in clear: what is sealed cannot be searched for
    for i in range(200):
        keep(state, f"e{i}", f"s{i % 7}")
    with state.transaction() as t:
        t.notes.rewrite = True
        for subject in ("s0", "s1", "s2", "s3", "s4", "s5", "s6"):
            t.pending.forget(subject)
        t.notes.set("kept", b"what stays")
    assert WORDS.encode() in content(state)
    state.rewrite()
    assert WORDS.encode() not in content(state)
    assert not list((tmp_path / "lmdb").glob("rewritten*"))
    with state.transaction() as t:
        assert t.notes.get("kept") == b"what stays"
        assert not t.notes.rewrite
        assert t.pending.count() == 0
    keep(state, "e1000", "s1")
    state.close()
    state = State(tmp_path / "lmdb", 16 << 20)
    with state.transaction() as t:
        assert t.pending.count() == 1
    state.close()
