"""A buffer reads as if its changes were written, and writing it makes them so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.streams.state.buffer import Buffer
from tocsin.streams.state.store import State

DATABASE = "meta"
KEYS = st.sampled_from([b"a", b"ab", b"b", b"c", b"cc", b"d"])
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.sampled_from([b"1", b"2"])), max_size=12)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    state = State(tmp_path_factory.mktemp("buffer"), 2**20)
    yield state
    state.close()


@given(stored=CHANGES, changes=CHANGES)
@settings(max_examples=200, deadline=None)
def test_a_buffer_reads_as_what_it_writes(
    state: State, stored: list[tuple[bytes, bytes | None]], changes: list[tuple[bytes, bytes | None]]
) -> None:
    t = state.begin()
    entries, model = t.entries, {}
    for key, _ in list(entries.walk(DATABASE)):
        entries.delete(DATABASE, key)
    for key, value in stored:
        if value is not None:
            entries.put(DATABASE, key, value)
            model[key] = value
    before = dict(model)
    buffer = Buffer(entries)
    for key, value in changes:
        if value is None:
            buffer.delete(DATABASE, key)
            model.pop(key, None)
        else:
            buffer.put(DATABASE, key, value)
            model[key] = value
        assert list(buffer.walk(DATABASE)) == sorted(model.items())
        assert buffer.count(DATABASE) == len(model)
        assert buffer.get(DATABASE, key) == model.get(key)
    assert dict(entries.walk(DATABASE)) == before
    buffer.write()
    assert dict(entries.walk(DATABASE)) == dict(buffer.walk(DATABASE)) == model
    t.abort()


@given(stored=CHANGES, put=CHANGES, dropped=st.sets(KEYS))
@settings(max_examples=100, deadline=None)
def test_what_was_given_last_may_be_deleted_on_the_way(
    state: State, stored: list[tuple[bytes, bytes | None]], put: list[tuple[bytes, bytes | None]], dropped: set[bytes]
) -> None:
    t = state.begin()
    for key, _ in list(t.entries.walk(DATABASE)):
        t.entries.delete(DATABASE, key)
    for key, value in stored:
        t.entries.put(DATABASE, key, value or b"0")
    buffer = Buffer(t.entries)
    for key, value in put:
        buffer.put(DATABASE, key, value or b"0")
    every = [key for key, _ in buffer.walk(DATABASE)]
    walked = []
    for key, _ in buffer.walk(DATABASE):
        walked.append(key)
        if key in dropped:
            buffer.delete(DATABASE, key)
    assert walked == every
    assert [key for key, _ in buffer.walk(DATABASE)] == [key for key in every if key not in dropped]
    t.abort()
