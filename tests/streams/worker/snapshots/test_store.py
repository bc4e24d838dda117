"""The store of snapshots: what is there is whole, in every kind of place."""

from __future__ import annotations

import io
import uuid
from importlib.util import find_spec
from pathlib import Path

import pytest

from tocsin.models.data.snapshot import ARRAYS, MANIFEST
from tocsin.streams.wire.kinds.snapshots import SharedSnapshot
from tocsin.streams.worker.snapshots.store import SnapshotStore, StoreError, folder_of, place_of

FOLDER = folder_of("feedback", "a+b/../c==", "0123456789abcdef")


@pytest.fixture(params=["directory", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    places = {"directory": str(tmp_path / "store"), "file": f"file://{tmp_path}/store", "memory": "memory://"}
    return places[request.param] + (uuid.uuid4().hex if request.param == "memory" else "")


def test_the_id_of_a_topic_makes_no_folders() -> None:
    """Apache Kafka's ids are written in base64, with slashes."""
    assert FOLDER == "feedback-a_b____c__/0123456789abcdef"


def digest(offset: int) -> str:
    return f"{offset:064x}"


def put(store: SnapshotStore, offset: int, content: bytes = b"arrays") -> None:
    store.put(FOLDER, offset, digest(offset), {ARRAYS: io.BytesIO(content), MANIFEST: io.BytesIO(b"{}")})


def test_what_was_put_is_listed_newest_first_and_comes_back(url: str, tmp_path: Path) -> None:
    store = SnapshotStore(url)
    assert store.kept(FOLDER) == []
    for offset in (20, 5, 100):
        put(store, offset, b"arrays of %d" % offset)
    kept = SnapshotStore(url).kept(FOLDER)
    assert [one.offset for one in kept] == [100, 20, 5]
    assert kept[0] == SharedSnapshot(100, digest(100), place_of(FOLDER, 100, digest(100)))
    store.fetch(kept[1], tmp_path / "fetched")
    assert (tmp_path / "fetched" / ARRAYS).read_bytes() == b"arrays of 20"
    assert (tmp_path / "fetched" / MANIFEST).read_bytes() == b"{}"


class Broken(io.BytesIO):
    """A file whose reading fails in the middle, as a disk or a killed worker would have it."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("the disk is gone")

    readinto = read  # type: ignore[assignment]


def test_a_snapshot_that_was_cut_short_is_never_taken_for_a_whole_one(url: str) -> None:
    store = SnapshotStore(url)
    put(store, 1)
    for files in (
        {ARRAYS: Broken(), MANIFEST: io.BytesIO(b"{}")},
        {ARRAYS: io.BytesIO(b"arrays"), MANIFEST: Broken()},
    ):
        with pytest.raises(StoreError, match="was not stored"):
            store.put(FOLDER, 2, digest(2), files)
        assert [one.offset for one in store.kept(FOLDER)] == [1]
    put(store, 3)
    assert store.delete(FOLDER, below=3) == 2
    assert [one.offset for one in store.kept(FOLDER)] == [3]
    put(store, 2)
    assert [one.offset for one in store.kept(FOLDER)] == [3, 2]


def test_what_is_missing_is_an_error_that_names_the_setting(url: str, tmp_path: Path) -> None:
    gone = SharedSnapshot(7, digest(7), place_of(FOLDER, 7, digest(7)))
    with pytest.raises(StoreError, match=r"state\.snapshots: .* cannot be fetched"):
        SnapshotStore(url).fetch(gone, tmp_path / "fetched")


NO_S3 = pytest.mark.skipif(find_spec("s3fs") is not None, reason="with s3fs a bucket is reached at its first use")


@pytest.mark.parametrize("url", ["nowhere://bucket", pytest.param("s3://bucket/prefix", marks=NO_S3)])
def test_a_place_that_no_library_reaches_is_refused_at_once(url: str) -> None:
    more = r".*install tocsin\[s3\]" if url.startswith("s3") else ""
    with pytest.raises(StoreError, match=r"state\.snapshots: no store can be opened there" + more):
        SnapshotStore(url)
