"""Peer baselines are those that one would count, whatever was written, lost or asked for otherwise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.models.early_risk.peers import bin_of
from tocsin.streams.state.entries import StateError
from tocsin.streams.state.peer_baselines import (
    LIVE,
    PeerBaselines,
    PeerGroup,
    peer_group,
)
from tocsin.streams.state.store import State
from tocsin.streams.wire.records import SubjectState

MOST = 4
ASKED = PeerGroup(("risk", "other"), 100)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    one = State(tmp_path / "lmdb", 2**24)
    yield one
    one.close()


def subject(time: int, risk: float) -> SubjectState:
    return SubjectState(posts=1, risk={"risk": risk}, alerts={}, time=time)


def counted(state: State, asked: PeerGroup = ASKED) -> dict[str, dict[int, int]]:
    with state.transaction() as t:
        return {
            name: {int(i): int(counts[i]) for i in np.flatnonzero(counts)}
            for name, counts in t.subjects.peers(asked).items()
        }


def bins(*excesses: float) -> dict[int, int]:
    found: dict[int, int] = {}
    for value in excesses:
        found[bin_of(value)] = found.get(bin_of(value), 0) + 1
    return found


def test_a_subject_that_has_ended_does_not_weigh_on_those_that_live(state: State) -> None:
    with state.transaction() as t:
        t.subjects.put("ended", subject(0, 50.0), 9, ASKED)
        t.subjects.put("quiet", subject(60, 3.0), 9, ASKED)
        t.subjects.put("loud", subject(100, 1.0), 9, ASKED)
    assert counted(state)["risk"] == bins(50.0, 3.0, 1.0)
    with state.transaction() as t:
        t.subjects.put("loud", subject(101, 2.0), 9, ASKED)
    assert counted(state)["risk"] == bins(3.0, 2.0)
    with state.transaction() as t:
        t.subjects.put("ended", subject(102, 51.0), 9, ASKED)  # it writes again
    assert counted(state)["risk"] == bins(51.0, 3.0, 2.0)


def test_an_event_from_the_far_future_keeps_nobody_live_and_nobody_out(state: State) -> None:
    with state.transaction() as t:
        t.subjects.put("a", subject(0, 1.0), 99, ASKED)
        t.subjects.put("b", subject(10**12, 2.0), 99, ASKED)
        t.subjects.put("a", subject(5, 3.0), 99, ASKED)
        t.subjects.put("c", subject(6, 4.0), 99, ASKED)
    assert counted(state)["risk"] == bins(2.0, 3.0, 4.0)
    with state.transaction() as t:
        for i in range(20):
            t.subjects.put(f"d{i}", subject(1_000 * i, 5.0), 99, ASKED)
    assert counted(state)["risk"] == bins(2.0, 5.0)
    assert counted(state, ASKED._replace(live=99))["risk"] == bins(2.0, 5.0)  # also where it is counted anew


def test_two_streams_read_one_after_the_other_leave_only_the_live(state: State) -> None:
    with state.transaction() as t:
        for stream in "ab":
            for time in range(0, 1_000, 10):
                t.subjects.put(f"{stream}{time}", subject(time, 1.0), 999, ASKED)
    assert sum(counted(state)["risk"].values()) == 2 * 11


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 500), st.floats(-5, 5)), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_whatever_the_times_whoever_counts_is_held_and_not_too_long_silent(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[str, int, float]]
) -> None:
    state = State(tmp_path_factory.mktemp("baselines") / "lmdb", 2**24)
    for name, time, risk in writes:
        with state.transaction() as t:
            t.subjects.put(name, subject(time, risk), MOST, ASKED)
    with state.transaction() as t:
        live = [int.from_bytes(key[:8], "big") for key, _ in t.entries.walk(LIVE)]
        held = [t.subjects.get(name) for name in "abcdef"]
        times = sorted(one.time for one in held if one is not None)
    assert all(time in times for time in live)
    assert all(time >= writes[-1][1] - ASKED.live for time in live)
    assert sum(counted(state)["risk"].values()) == len(live) >= 1
    state.close()


@given(
    writes=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 120), st.floats(-5, 5)), min_size=1, max_size=20
    ),
    cuts=st.sets(st.integers(0, 20)),
)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_up_is_what_is_counted_anew(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[str, int, float]], cuts: set[int]
) -> None:
    state = State(tmp_path_factory.mktemp("baselines") / "lmdb", 2**24)
    now, t = 0, state.begin()
    for i, (name, later, risk) in enumerate(writes):
        now += later
        t.subjects.put(name, subject(now, risk), MOST, ASKED)
        if i in cuts:
            t.commit()
            t = state.begin()
    t.commit()
    kept = counted(state)
    with state.transaction() as t:
        t.notes.delete("spreads")
        for order, _ in list(t.entries.walk(LIVE)):
            t.entries.delete(LIVE, order)
    assert counted(state) == kept
    latest = {name: (at, risk) for name, at, risk in _held(writes) if at >= now - ASKED.live}
    assert kept["risk"] == bins(*(risk for _, risk in latest.values()))
    assert kept["other"] == bins(*(-risk for _, risk in latest.values()))
    state.close()


def _held(writes: list[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    """The latest post of the subjects that are held: the MOST that wrote last."""
    now, held = 0, {}
    for name, later, risk in writes:
        now += later
        held.pop(name, None)
        held[name] = (now, risk)
        if len(held) > MOST:
            del held[next(iter(held))]
    return [(name, at, risk) for name, (at, risk) in held.items()]


@pytest.mark.parametrize("asked", [PeerGroup(("risk",), 100), PeerGroup(("risk", "other"), 10)])
def test_other_classes_or_hours_are_counted_anew(state: State, asked: PeerGroup) -> None:
    with state.transaction() as t:
        t.subjects.put("a", subject(0, 1.0), 9, ASKED)
        t.subjects.put("b", subject(50, 2.0), 9, ASKED)
    found = counted(state, asked)
    assert set(found) == set(asked.classes)
    assert found["risk"] == (bins(1.0, 2.0) if asked.live == 100 else bins(2.0))
    assert counted(state)["other"] == bins(-1.0, -2.0)


def test_what_nobody_asked_for_meanwhile_is_not_taken_for_current(state: State) -> None:
    with state.transaction() as t:
        t.subjects.put("a", subject(0, 1.0), 9, ASKED)
    with state.transaction() as t:
        t.subjects.put("a", subject(1, 5.0), 9)
    assert counted(state)["risk"] == bins(5.0)


def test_an_aborted_transaction_counts_nothing(state: State) -> None:
    t = state.begin()
    t.subjects.put("a", subject(0, 1.0), 9, ASKED)
    t.abort()
    assert counted(state)["risk"] == {}


def test_only_the_policy_asks_for_baselines() -> None:
    assert peer_group(EarlyRiskSettings(classes=("risk",), policy="fused")) == PeerGroup()
    assert peer_group(EarlyRiskSettings(classes=("risk",), policy="peer-baseline", live_hours=1)) == PeerGroup(
        ("risk",), 3_600_000
    )


def test_where_no_hours_are_given_who_is_held_is_live(state: State) -> None:
    every = peer_group(EarlyRiskSettings(classes=("risk",), policy="peer-baseline"))
    with state.transaction() as t:
        for i in range(5):
            t.subjects.put(f"s{i}", subject(i * 10**11, 1.0), 3, every)
    assert counted(state, every)["risk"] == bins(1.0, 1.0, 1.0)


def test_a_map_that_is_full_when_baselines_are_saved_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "lmdb", 2**24)

    def full(baselines: PeerBaselines) -> None:
        raise StateError("full")

    t = state.begin()
    t.subjects.put("a", subject(0, 1.0), 9, ASKED)
    with monkeypatch.context() as broken:
        broken.setattr(PeerBaselines, "save", full)
        with pytest.raises(StateError, match="full"):
            t.commit()
    assert counted(state)["risk"] == {}  # nothing was kept, and the next transaction is not kept waiting
    state.close()
