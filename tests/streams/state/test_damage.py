"""A state file that is cut short, or holds garbage, ends no process: it is noticed before it is used."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import lmdb
import pytest

from tocsin.streams.state.damage import CLOSED, DATA, why_damaged
from tocsin.streams.state.entries import DamagedError, LmdbEntries, StateError
from tocsin.streams.state.store import State

from ..support import Service, drain, label, running, settings, stream

MIB = 1024 * 1024


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state with enough entries to have many pages."""
    state = State(tmp_path, 16 * MIB)
    with state.transaction() as t:
        for i in range(3_000):
            t.entries.put("known", b"%016d" % i, json.dumps({"": ["yes"] * 8}).encode())
    state.close()
    return tmp_path


def cut(directory: Path, share: float) -> None:
    data = directory / DATA
    os.truncate(data, int(data.stat().st_size * share))


def spoil(directory: Path, start: float, stop: float) -> None:
    data = directory / DATA
    size = data.stat().st_size
    with data.open("r+b") as file:
        file.seek(int(start * size))
        file.write(os.urandom(int((stop - start) * size)))


def test_a_sound_state_is_opened(directory: Path) -> None:
    assert why_damaged(directory) is None
    (directory / CLOSED).unlink()  # as after a kill: all of it is read
    assert why_damaged(directory) is None
    State(directory, 16 * MIB).close()


def test_where_there_is_no_state_there_is_no_damage(tmp_path: Path) -> None:
    assert why_damaged(tmp_path) is None
    assert why_damaged(tmp_path / "nowhere") is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_a_file_that_is_cut_short_is_noticed(directory: Path, share: float) -> None:
    cut(directory, share)
    assert why_damaged(directory) is not None
    with pytest.raises(DamagedError, match=r"state\.directory.*cannot be opened"):
        State(directory, 16 * MIB)


@pytest.mark.parametrize("start", [0.0, 0.3, 0.7])
def test_garbage_in_the_file_is_noticed(directory: Path, start: float) -> None:
    spoil(directory, start, start + 0.3)
    assert why_damaged(directory) is not None


def test_a_file_written_since_it_was_closed_is_read_first(directory: Path) -> None:
    assert (directory / CLOSED).exists()
    state = State(directory, 16 * MIB)
    assert not (directory / CLOSED).exists()
    state.close()
    assert (directory / CLOSED).exists()


@pytest.mark.parametrize("note", [b"", b"\xff", b"[]", b"{", b"[" * 100_000])
def test_garbage_in_the_note_beside_the_file_has_the_file_read(directory: Path, note: bytes) -> None:
    (directory / CLOSED).write_bytes(note)
    assert why_damaged(directory) is None
    cut(directory, 0.5)
    assert why_damaged(directory) is not None


@pytest.mark.parametrize("how", ["cut", "spoilt", "no database"])
def test_a_worker_whose_state_is_damaged_goes_on_from_the_logs(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        for raw, _ in stream(200):
            service.send(raw)
        drain(worker)
    state = tmp_path / "test" / "lmdb"
    if how == "cut":
        cut(state, 0.5)
    elif how == "spoilt":
        spoil(state, 0.1, 0.9)
    else:
        (state / DATA).write_bytes(b"this is no database" * 1_000)
    with running(service) as worker:
        assert "it is begun anew, from the logs" in caplog.text
        assert worker.counts.rebuilt == 200
        service.tell(*[label(f"e{i}") for i in range(200)])
        drain(worker)
        assert len(service.feedback) == 200


def test_an_entry_that_is_no_entry_says_so(directory: Path) -> None:
    state = State(directory, 16 * MIB)
    with state.transaction() as t:
        t.entries.put("known", b"k" * 16, b"{garbage")
        with pytest.raises(DamagedError, match="'known' is damaged"):
            t.known.get(b"k" * 16)
    state.close()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (lmdb.MapFullError("MDB_MAP_FULL"), StateError, r"state\.max_bytes.*raise it"),
        (lmdb.DiskError("No space left on device"), StateError, r"state\.directory: the disk.*is full.*make room"),
        (lmdb.CorruptedError("MDB_CORRUPTED"), DamagedError, r"state\.directory: the state.*is damaged"),
        (lmdb.PageNotFoundError("MDB_PAGE_NOTFOUND"), DamagedError, "is damaged"),
    ],
)
def test_a_full_map_a_full_disk_and_damage_are_told_apart(
    tmp_path: Path, error: lmdb.Error, kind: type[StateError], words: str
) -> None:
    state = State(tmp_path, MIB)
    with state.transaction() as t:
        assert isinstance(t.entries, LmdbEntries)
        told = t.entries.failed(error)
    state.close()
    assert type(told) is kind
    assert re.search(words, str(told))
