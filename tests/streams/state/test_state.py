from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tocsin.streams.state.store import (
    State,
    StateError,
    Transaction,
    discard,
    fingerprint,
)
from tocsin.streams.transport.base import Partition

MIB = 1024 * 1024

MUCH = 1 << 40
"""Bytes: no bound."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "lmdb", 16 * MIB)
    yield state
    state.close()


def entry(identity: str, subject: str = "s") -> tuple[dict[str, Any], dict[str, Any]]:
    event = {"id": identity, "subject": subject}
    return event, {"event": event}


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [e["event"]["id"] for e in entries]


class StopError(Exception):
    pass


def fill(t: Transaction) -> None:
    t.remember(*entry("e"), now=1)
    t.wait(b"k" * 16, {"label": 1}, 1)
    t.set_known_label(b"k" * 16, "", "yes", 10)
    t.set_subject("s", {"posts": 1}, 10)
    t.set_positions({Partition("events", 0): 7})
    t.set_meta("note", b"x")


def test_an_exception_keeps_nothing_of_a_batch(state: State) -> None:
    with pytest.raises(StopError), state.transaction() as t:  # noqa: PT012
        fill(t)
        raise StopError
    with state.transaction() as t:
        assert t.pending("e") is None
        assert t.subject_events("s", 9) == []
        assert t.take_waiting(b"k" * 16) == []
        assert t.known_labels(b"k" * 16) == {}
        assert t.subject("s") is None
        assert t.position(Partition("events", 0)) is None
        assert t.meta("note") is None
        assert all(t.count(d) == 0 for d in ("pending", "pending_order", "waiting_order", "known_order"))


def test_a_batch_is_there_whole_after_reopening(tmp_path: Path) -> None:
    state = State(tmp_path, 16 * MIB)
    with state.transaction() as t:
        fill(t)
    state.close()
    state = State(tmp_path, 16 * MIB)
    with state.transaction() as t:
        assert t.pending("e") == {"event": {"id": "e", "subject": "s"}}
        assert t.position(Partition("events", 0)) == 7
        assert t.known_labels(b"k" * 16) == {"": "yes"}
        assert t.take_waiting(b"k" * 16) == [{"label": 1}]
    state.close()


def test_positions_of_partitions_do_not_run_into_each_other(state: State) -> None:
    offsets = {Partition("events", 1): 5, Partition("events", 11): 6, Partition("events1", 1): 7}
    with state.transaction() as t:
        t.set_positions(offsets)
        t.set_positions({Partition("events", 1): 8})
        assert t.position(Partition("events", 1)) == 8
        assert t.position(Partition("events", 11)) == 6
        assert t.position(Partition("events1", 1)) == 7
        assert t.position(Partition("events", 2)) is None


def test_pending_events_go_when_their_time_is_over(state: State) -> None:
    with state.transaction() as t:
        for i in range(10):
            t.remember(*entry(f"e{i}"), now=1_000 + i)
        assert t.expire_pending(1_004, 100, MUCH) == 4
        assert t.pending("e3") is None
        assert t.pending("e4") is not None
        assert ids(t.subject_events("s", 99)) == [f"e{i}" for i in range(4, 10)]


def test_pending_events_beyond_the_bound_go_oldest_first(state: State) -> None:
    with state.transaction() as t:
        for i in range(10):
            t.remember(*entry(f"e{i}"), now=1_000)
        assert t.expire_pending(0, 3, MUCH) == 7
        assert ids(t.subject_events("s", 99)) == ["e7", "e8", "e9"]
        assert [t.count(d) for d in ("pending", "pending_order", "posts")] == [3, 3, 3]


def test_an_event_that_is_kept_is_not_kept_anew(state: State) -> None:
    with state.transaction() as t:
        t.remember({"id": "e", "subject": "s"}, {"event": {"id": "e"}, "n": 1}, 1)
        t.remember({"id": "e", "subject": "s"}, {"event": {"id": "e"}, "n": 2}, 2)
        assert t.pending("e") == {"event": {"id": "e"}, "n": 1}
        assert t.count("posts") == 1


def test_a_clock_that_runs_back_loses_no_event(state: State) -> None:
    with state.transaction() as t:
        t.remember(*entry("late"), now=5_000)
        t.remember(*entry("early"), now=1_000)
        assert t.expire_pending(2_000, 10, MUCH) == 1
        assert t.pending("late") is not None


def test_a_subjects_events_come_oldest_first_and_no_more_than_asked(state: State) -> None:
    with state.transaction() as t:
        for i in range(5):
            t.remember(*entry(f"a{i}", "a"), now=i)
            t.remember(*entry(f"b{i}", "b"), now=i)
        assert ids(t.subject_events("a", 99)) == ["a0", "a1", "a2", "a3", "a4"]
        assert ids(t.subject_events("b", 2)) == ["b3", "b4"]
        assert t.subject_events("c", 9) == []


def test_the_last_subject_of_the_file_is_found_too(state: State) -> None:
    with state.transaction() as t:
        subjects = [f"s{i}" for i in range(50)]
        for i, subject in enumerate(subjects):
            t.remember(*entry(f"e{i}", subject), now=i)
        assert [ids(t.subject_events(s, 1)) for s in subjects] == [[f"e{i}"] for i in range(50)]


def test_waiting_labels_are_given_once_oldest_first(state: State) -> None:
    one, other = fingerprint("event", "1"), fingerprint("event", "2")
    with state.transaction() as t:
        for i in range(3):
            t.wait(one, {"n": i}, 100 + i)
        t.wait(other, {"n": 9}, 100)
        assert t.take_waiting(one) == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert t.take_waiting(one) == []
        assert t.count("waiting") == t.count("waiting_order") == 1


def test_labels_that_waited_too_long_or_are_too_many_come_back(state: State) -> None:
    with state.transaction() as t:
        for i in range(6):
            t.wait(fingerprint(str(i)), {"n": i}, 100 + i)
        assert [e["n"] for e in t.expire_waiting(102, 99, MUCH)] == [0, 1]
        assert [e["n"] for e in t.expire_waiting(0, 2, MUCH)] == [2, 3]
        assert t.count("waiting") == t.count("waiting_order") == 2


def test_known_labels_are_bounded_and_told_apart_by_source(state: State) -> None:
    with state.transaction() as t:
        for i in range(5):
            t.set_known_label(fingerprint(str(i)), "", "yes", 3)
        assert [bool(t.known_labels(fingerprint(str(i)))) for i in range(5)] == [False, False, True, True, True]
        t.set_known_label(fingerprint("4"), "audit", "no", 3)
        assert t.known_labels(fingerprint("4")) == {"": "yes", "audit": "no"}
        assert t.count("known") == t.count("known_order") == 3


def test_the_subject_longest_silent_is_forgotten(state: State) -> None:
    with state.transaction() as t:
        for name in ("a", "b", "c"):
            t.set_subject(name, {"n": name}, 3)
        t.set_subject("a", {"n": "again"}, 3)
        t.set_subject("d", {"n": "d"}, 3)
        assert t.subject("b") is None
        assert t.subject("a") == {"n": "again"}
        assert t.count("subjects") == t.count("subjects_order") == 3


@pytest.mark.parametrize("name", ["x" * 16_384, "é" * 8_000, "🎉\x00\n", "\x00", " ", "a\x00b"], ids=range(6))
def test_names_of_any_length_and_script_keep_apart(state: State, name: str) -> None:
    with state.transaction() as t:
        t.remember(*entry(name, name), now=1)
        t.remember(*entry(name + "x", name + "x"), now=1)
        t.set_subject(name, {"posts": 1}, 9)
        found = t.pending(name)
        assert found is not None
        assert found["event"]["id"] == name
        assert ids(t.subject_events(name, 9)) == [name]
        assert t.subject(name + "x") is None


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint("a") != fingerprint("a", "")


def test_a_full_map_names_the_setting(tmp_path: Path) -> None:
    state = State(tmp_path, MIB)
    with pytest.raises(StateError, match=r"state\.max_bytes"), state.transaction() as t:  # noqa: PT012
        for i in range(10_000):
            event, kept = entry(f"e{i}")
            t.remember(event, {**kept, "text": "x" * 2_000}, i)
    with state.transaction() as t:
        assert t.count("pending") == 0
        t.remember(*entry("small"), now=1)
    state.close()


def test_forgetting_in_a_full_map_names_the_setting_too(tmp_path: Path) -> None:
    state = State(tmp_path, MIB)
    i = 0
    with pytest.raises(StateError, match=r"state\.max_bytes"):  # noqa: PT012
        while True:
            with state.transaction() as t:
                t.remember(*entry(f"e{i}"), now=i)
            i += 1
    with pytest.raises(StateError, match=r"state\.max_bytes"):  # noqa: PT012
        for most in range(i, 0, -50):
            with state.transaction() as t:
                t.expire_pending(0, most, MUCH)
                t.set_subject("s" * 100, {"text": "x" * 200_000}, 10)
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
        t.set_meta("format", b"0")
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
            t.remember(*entry(identity, subject), now=self.now)
        self.pending.setdefault(identity, (self.now, subject))

    @rule(identity=st.sampled_from("abcdefgh"), tick=st.integers(0, 2))
    def wait(self, identity: str, tick: int) -> None:
        self.now += tick
        number = len(self.waiting) + self.now
        with self.state.transaction() as t:
            t.wait(fingerprint(identity), {"n": number}, self.now)
        self.waiting.append((self.now, identity, number))

    @rule(identity=st.sampled_from("abcdefgh"))
    def take(self, identity: str) -> None:
        with self.state.transaction() as t:
            taken = [w["n"] for w in t.take_waiting(fingerprint(identity))]
        assert taken == [n for _, i, n in self.waiting if i == identity]
        self.waiting = [w for w in self.waiting if w[1] != identity]

    @rule(age=st.integers(0, 5), most=st.integers(0, 6))
    def expire(self, age: int, most: int) -> None:
        before = max(0, self.now - age)
        with self.state.transaction() as t:
            t.expire_pending(before, most, MUCH)
            expired = [w["n"] for w in t.expire_waiting(before, most, MUCH)]
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
                assert ids(t.subject_events(subject, 9)) == [i for i, v in self.pending.items() if v[1] == subject]
            assert t.count("pending") == t.count("posts") == t.count("pending_order") == len(self.pending)
            assert t.count("waiting") == t.count("waiting_order") == len(self.waiting)


TestAsAModel = AsAModel.TestCase
TestAsAModel.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def test_events_and_labels_beyond_their_share_of_the_map_go_oldest_first(tmp_path: Path) -> None:
    state = State(tmp_path / "state", 2**24)
    with state.transaction() as t:
        for i in range(40):
            event = {"id": f"e{i}", "subject": "s", "text": "x" * 50_000}
            t.remember(event, {"event": event}, i)
            t.wait(fingerprint(f"w{i}"), {"label": {"label": "x" * 50_000, "source": None}, "n": i}, i)
    with state.transaction() as t:
        t.expire_pending(0, 100, 600_000)
        assert 0 < t.count("pending") < 12
        assert t.pending("e39") is not None
        expired = t.expire_waiting(0, 100, 600_000)
        assert [entry["n"] for entry in expired] == list(range(len(expired)))
        assert 0 < t.count("waiting") < 12
    state.close()
