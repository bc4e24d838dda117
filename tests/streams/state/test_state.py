from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tocsin.streams.state.entries import StateError, fingerprint
from tocsin.streams.state.pending.events import PendingEvent
from tocsin.streams.state.store import State, Transaction, discard
from tocsin.streams.state.waiting import WaitingLabel
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.records import Event, Label, SubjectState

MIB = 1024 * 1024

MUCH = 1 << 40
"""Bytes: no bound."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "lmdb", 16 * MIB)
    yield state
    state.close()


def entry(identity: str, subject: str = "s", text: str | None = None) -> PendingEvent:
    event = Event(id=identity, subject=subject, time=0, text=text)
    return PendingEvent.of(event, Layout((), ()), partition=0)


def ids(entries: list[PendingEvent]) -> list[str]:
    return [e.read.id for e in entries]


def waiting(n: int, label: str = "yes") -> WaitingLabel:
    return WaitingLabel(Label(event="e", label=label, time=n), Record("labels", 0, n, 0, None, b"raw"))


def numbers(labels: list[WaitingLabel]) -> list[int]:
    return [one.record.offset for one in labels]


def subject(posts: int = 1, **more: Any) -> SubjectState:
    return SubjectState(posts=posts, risk={}, alerts={}, **more)


COUNTED = (
    "events",
    "events_by_id",
    "events_by_subject",
    "waiting",
    "waiting_order",
    "known",
    "known_order",
    "subjects",
)


def counts(t: Transaction, *databases: str) -> list[int]:
    """Entries of databases, of which those that belong together hold equally many."""
    return [t.entries.count(database) for database in databases]


class StopError(Exception):
    pass


def fill(t: Transaction) -> None:
    t.pending.add(entry("e"), now=1)
    t.waiting.add(b"k" * 16, waiting(1), 1)
    t.known.add(b"k" * 16, "", "yes", 10)
    t.subjects.put("s", subject(), 10)
    t.positions.set({Partition("events", 0): 7})
    t.notes.set("note", b"x")


def test_an_exception_keeps_nothing_of_a_batch(state: State) -> None:
    with pytest.raises(StopError), state.transaction() as t:  # noqa: PT012
        fill(t)
        raise StopError
    with state.transaction() as t:
        assert t.pending.get("e") is None
        assert t.pending.of_subject("s", 9) == []
        assert t.waiting.take(b"k" * 16) == []
        assert t.known.get(b"k" * 16) == {}
        assert t.subjects.get("s") is None
        assert t.positions.get(Partition("events", 0)) is None
        assert t.notes.get("note") is None
        assert counts(t, *COUNTED) == [0] * len(COUNTED)


def test_a_batch_is_there_whole_after_reopening(tmp_path: Path) -> None:
    state = State(tmp_path, 16 * MIB)
    with state.transaction() as t:
        fill(t)
    state.close()
    state = State(tmp_path, 16 * MIB)
    with state.transaction() as t:
        assert t.pending.get("e") == entry("e")
        assert t.positions.get(Partition("events", 0)) == 7
        assert t.known.get(b"k" * 16) == {"": "yes"}
        assert t.waiting.take(b"k" * 16) == [waiting(1)]
        assert t.subjects.get("s") == subject()
    state.close()


def test_positions_of_partitions_do_not_run_into_each_other(state: State) -> None:
    offsets = {Partition("events", 1): 5, Partition("events", 11): 6, Partition("events1", 1): 7}
    with state.transaction() as t:
        t.positions.set(offsets)
        t.positions.set({Partition("events", 1): 8})
        assert t.positions.get(Partition("events", 1)) == 8
        assert t.positions.get(Partition("events", 11)) == 6
        assert t.positions.get(Partition("events1", 1)) == 7
        assert t.positions.get(Partition("events", 2)) is None


def test_pending_events_go_when_their_time_is_over(state: State) -> None:
    with state.transaction() as t:
        for i in range(10):
            t.pending.add(entry(f"e{i}"), now=1_000 + i)
        assert t.pending.expire(1_004, 100, MUCH) == 4
        assert t.pending.get("e3") is None
        assert t.pending.get("e4") is not None
        assert ids(t.pending.of_subject("s", 99)) == [f"e{i}" for i in range(4, 10)]


def test_pending_events_beyond_the_bound_go_oldest_first(state: State) -> None:
    with state.transaction() as t:
        for i in range(10):
            t.pending.add(entry(f"e{i}"), now=1_000)
        assert t.pending.expire(0, 3, MUCH) == 7
        assert ids(t.pending.of_subject("s", 99)) == ["e7", "e8", "e9"]
        assert counts(t, "events", "events_by_id", "events_by_subject") == [3, 3, 3]


def test_an_event_that_is_kept_is_not_kept_anew(state: State) -> None:
    with state.transaction() as t:
        assert t.pending.add(entry("e", text="first"), 1)
        assert not t.pending.add(entry("e", text="second"), 2)
        assert t.pending.get("e") == entry("e", text="first")
        assert counts(t, "events_by_subject") == [1]


def test_a_clock_that_runs_back_loses_no_event(state: State) -> None:
    with state.transaction() as t:
        t.pending.add(entry("late"), now=5_000)
        t.pending.add(entry("early"), now=1_000)
        assert t.pending.expire(2_000, 10, MUCH) == 1
        assert t.pending.get("late") is not None


def test_a_subjects_events_come_oldest_first_and_no_more_than_asked(state: State) -> None:
    with state.transaction() as t:
        for i in range(5):
            t.pending.add(entry(f"a{i}", "a"), now=i)
            t.pending.add(entry(f"b{i}", "b"), now=i)
        assert ids(t.pending.of_subject("a", 99)) == ["a0", "a1", "a2", "a3", "a4"]
        assert ids(t.pending.of_subject("b", 2)) == ["b3", "b4"]
        assert t.pending.of_subject("c", 9) == []


def test_the_last_subject_of_the_file_is_found_too(state: State) -> None:
    with state.transaction() as t:
        subjects = [f"s{i}" for i in range(50)]
        for i, subject in enumerate(subjects):
            t.pending.add(entry(f"e{i}", subject), now=i)
        assert [ids(t.pending.of_subject(s, 1)) for s in subjects] == [[f"e{i}"] for i in range(50)]


def test_waiting_labels_are_given_once_oldest_first(state: State) -> None:
    one, other = fingerprint("event", "1"), fingerprint("event", "2")
    with state.transaction() as t:
        for i in range(3):
            t.waiting.add(one, waiting(i), 100 + i)
        t.waiting.add(other, waiting(9), 100)
        assert numbers(t.waiting.take(one)) == [0, 1, 2]
        assert t.waiting.take(one) == []
        assert counts(t, "waiting", "waiting_order") == [1, 1]


def test_labels_that_waited_too_long_or_are_too_many_come_back(state: State) -> None:
    with state.transaction() as t:
        for i in range(6):
            t.waiting.add(fingerprint(str(i)), waiting(i), 100 + i)
        assert numbers(t.waiting.expire(102, 99, MUCH)) == [0, 1]
        assert numbers(t.waiting.expire(0, 2, MUCH)) == [2, 3]
        assert counts(t, "waiting", "waiting_order") == [2, 2]


def test_known_labels_are_bounded_and_told_apart_by_source(state: State) -> None:
    with state.transaction() as t:
        for i in range(5):
            t.known.add(fingerprint(str(i)), "", "yes", 3)
        assert [bool(t.known.get(fingerprint(str(i)))) for i in range(5)] == [False, False, True, True, True]
        t.known.add(fingerprint("4"), "audit", "no", 3)
        assert t.known.get(fingerprint("4")) == {"": "yes", "audit": "no"}
        assert counts(t, "known", "known_order") == [3, 3]


def test_the_subject_longest_silent_is_forgotten(state: State) -> None:
    with state.transaction() as t:
        for name in ("a", "b", "c"):
            t.subjects.put(name, subject(), 3)
        t.subjects.put("a", subject(2), 3)
        t.subjects.put("d", subject(), 3)
        assert t.subjects.get("b") is None
        assert t.subjects.get("a") == subject(2)
        assert t.subjects.count() == 3
        t.subjects.write()
        assert counts(t, "subjects", "subjects_order") == [3, 3]


@pytest.mark.parametrize("name", ["x" * 16_384, "é" * 8_000, "🎉\x00\n", "\x00", " ", "a\x00b"], ids=range(6))
def test_names_of_any_length_and_script_keep_apart(state: State, name: str) -> None:
    with state.transaction() as t:
        t.pending.add(entry(name, name), now=1)
        t.pending.add(entry(name + "x", name + "x"), now=1)
        t.subjects.put(name, subject(), 9)
        found = t.pending.get(name)
        assert found is not None
        assert found.event.id == name
        assert ids(t.pending.of_subject(name, 9)) == [name]
        assert t.subjects.get(name + "x") is None


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint("a") != fingerprint("a", "")


def test_a_full_map_names_the_setting(tmp_path: Path) -> None:
    state = State(tmp_path, MIB)
    with pytest.raises(StateError, match=r"state\.max_bytes"), state.transaction() as t:  # noqa: PT012
        for i in range(10_000):
            t.pending.add(entry(f"e{i}", text="x" * 2_000), i)
    with state.transaction() as t:
        assert t.pending.count() == 0
        t.pending.add(entry("small"), now=1)
    state.close()


def test_forgetting_in_a_full_map_names_the_setting_too(tmp_path: Path) -> None:
    state = State(tmp_path, MIB)
    i = 0
    with pytest.raises(StateError, match=r"state\.max_bytes"):  # noqa: PT012
        while True:
            with state.transaction() as t:
                t.pending.add(entry(f"e{i}"), now=i)
            i += 1
    with pytest.raises(StateError, match=r"state\.max_bytes"):  # noqa: PT012
        for most in range(i, 0, -50):
            with state.transaction() as t:
                t.pending.expire(0, most, MUCH)
                t.subjects.put("s" * 100, subject(confirmed={"x" * 200_000: 1}), 10)
    state.close()


def test_two_workers_never_share_a_directory(tmp_path: Path) -> None:
    state = State(tmp_path, MIB)
    with pytest.raises(StateError, match="in use by another worker"):
        State(tmp_path, MIB)
    state.close()
    State(tmp_path, MIB).close()


def test_a_state_of_another_version_is_refused_and_let_go_of(tmp_path: Path) -> None:
    state = State(tmp_path, MIB)
    with state.transaction() as t:
        t.notes.set("format", b"0")
    state.close()
    for _ in range(2):
        with pytest.raises(StateError, match="another version"):
            State(tmp_path, MIB)


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"this is no database" * 1_000)
    for _ in range(2):
        with pytest.raises(StateError, match="remove it"):
            State(tmp_path, MIB)
    discard(tmp_path)
    discard(tmp_path)
    State(tmp_path, MIB).close()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"state\.directory"):
        State(tmp_path / "file" / "state", MIB)


class AsAModel(RuleBasedStateMachine):
    """The state beside plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.pending: dict[str, tuple[int, str]] = {}
        self.waiting: list[tuple[int, str, int]] = []

    @initialize()
    def start(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.state = State(Path(self.folder.name), 4 * MIB)

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.state.close()
            self.folder.cleanup()

    @rule(identity=st.sampled_from("abcdefgh"), subject=st.sampled_from("xyz"), tick=st.integers(0, 2))
    def remember(self, identity: str, subject: str, tick: int) -> None:
        self.now += tick
        with self.state.transaction() as t:
            t.pending.add(entry(identity, subject), now=self.now)
        self.pending.setdefault(identity, (self.now, subject))

    @rule(identity=st.sampled_from("abcdefgh"), tick=st.integers(0, 2))
    def wait(self, identity: str, tick: int) -> None:
        self.now += tick
        number = len(self.waiting) + self.now
        with self.state.transaction() as t:
            t.waiting.add(fingerprint(identity), waiting(number), self.now)
        self.waiting.append((self.now, identity, number))

    @rule(identity=st.sampled_from("abcdefgh"))
    def take(self, identity: str) -> None:
        with self.state.transaction() as t:
            taken = numbers(t.waiting.take(fingerprint(identity)))
        assert taken == [n for _, i, n in self.waiting if i == identity]
        self.waiting = [w for w in self.waiting if w[1] != identity]

    @rule(age=st.integers(0, 5), most=st.integers(0, 6))
    def expire(self, age: int, most: int) -> None:
        before = max(0, self.now - age)
        with self.state.transaction() as t:
            t.pending.expire(before, most, MUCH)
            expired = numbers(t.waiting.expire(before, most, MUCH))
        kept = [(i, v) for i, v in self.pending.items() if v[0] >= before]
        self.pending = dict(kept[max(0, len(kept) - most) :])
        stay = [w for w in self.waiting if w[0] >= before]
        stay = stay[max(0, len(stay) - most) :]
        assert expired == [w[2] for w in self.waiting if w not in stay]
        self.waiting = stay

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "state"):
            return
        with self.state.transaction() as t:
            for subject in "xyz":
                assert ids(t.pending.of_subject(subject, 9)) == [i for i, v in self.pending.items() if v[1] == subject]
            assert counts(t, "events", "events_by_id", "events_by_subject") == [len(self.pending)] * 3
            assert counts(t, "waiting", "waiting_order") == [len(self.waiting)] * 2


TestAsAModel = AsAModel.TestCase
TestAsAModel.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def test_events_and_labels_beyond_their_share_of_the_map_go_oldest_first(tmp_path: Path) -> None:
    state = State(tmp_path / "state", 2**24)
    with state.transaction() as t:
        for i in range(40):
            t.pending.add(entry(f"e{i}", text="x" * 50_000), i)
            t.waiting.add(fingerprint(f"w{i}"), waiting(i, "x" * 50_000), i)
    with state.transaction() as t:
        t.pending.expire(0, 100, 600_000)
        assert 0 < t.pending.count() < 12
        assert t.pending.get("e39") is not None
        expired = t.waiting.expire(0, 100, 600_000)
        assert numbers(expired) == list(range(len(expired)))
        assert 0 < t.waiting.count() < 12
    state.close()
