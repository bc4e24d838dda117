"""Which earlier snapshots a worker keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.models.data.snapshot import ARRAYS, MANIFEST, SnapshotError, read, write
from tocsin.streams.worker.snapshots.earlier import EarlierSnapshots, ahead_of


def kept(head: int, most: int, every: int = 10) -> list[int]:
    earlier = EarlierSnapshots(Path(), every, most)
    return [number for number in range(head + 2) if earlier.keeps(number * every, head * every + 3)]


@given(st.integers(0, 300), st.integers(0, 12))
def test_they_are_few_and_what_is_kept_later_was_kept_before(head: int, most: int) -> None:
    now = kept(head, most)
    assert len(now) <= most
    assert set(kept(head + 1, most)) <= {*now, head + 1}
    assert not EarlierSnapshots(Path(), 10, most).keeps(head * 10 + 3, head * 10 + 3)


@given(st.integers(1, 300), st.data())
def test_going_back_costs_some_three_times_what_stands_behind(head: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, head))
    nearest = max((one for one in kept(head, 12) if one <= number), default=0)
    assert head - nearest <= max(3 * (head - number), 1)


def test_a_kept_snapshot_stays_as_it_is_when_the_latest_one_is_written_anew(tmp_path: Path) -> None:
    latest, earlier = tmp_path / "snapshot", EarlierSnapshots(tmp_path / "earlier", 10, 3)
    for offset in (10, 20, 30, 40):
        write(latest, {"at": offset}, {"x": np.array([offset])})
        earlier.keep(offset, latest)
    assert [one.offset for one in earlier.all()] == [40, 30, 20]
    for one in earlier.all():
        assert read(one.directory)[1]["x"].tolist() == [one.offset]
    assert {path.name for path in earlier.all()[0].directory.iterdir()} == {ARRAYS, MANIFEST}


def test_where_there_is_no_room_there_is_one_snapshot_less_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "earlier").write_bytes(b"a file in the way")
    earlier = EarlierSnapshots(tmp_path / "earlier", 10, 3)
    write(tmp_path / "snapshot", {}, {})
    earlier.keep(10, tmp_path / "snapshot")
    earlier.write(20, {}, {})
    assert earlier.all() == []


def test_a_manifest_tells_what_its_model_has_obeyed_ahead(tmp_path: Path) -> None:
    write(tmp_path / "a", {"obeyed_ahead": [9, 4]}, {})
    write(tmp_path / "b", {"obeyed_ahead": "garbage"}, {})
    assert [ahead_of(tmp_path / name) for name in "abc"] == [[4, 9], [], []]
    with pytest.raises(SnapshotError):
        read(tmp_path / "c")
