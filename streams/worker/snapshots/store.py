"""The store of snapshots that all workers share: a directory or a bucket, reached through fsspec.

A snapshot is a folder with the two files of `tocsin.models.data.snapshot`. Its manifest is written under another name
first and gets its own name last, so that a folder that has a manifest is whole.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tocsin.models.data.snapshot import ARRAYS, MANIFEST
from tocsin.streams.wire.kinds.snapshots import SharedSnapshot

_NAME = re.compile(r"([0-9]{20})-([0-9a-f]{64})")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_COPY_BYTES = 1 << 20


class StoreError(Exception):
    """The store of snapshots cannot be reached or used."""


class SnapshotStore:
    """Folders of snapshots below one place."""

    def __init__(self, url: str) -> None:
        """`url` is `state.snapshots`. Raises StoreError where no library can reach such a place."""
        from fsspec.core import url_to_fs  # here, because most services have no store

        try:
            self._files, root = url_to_fs(url)
        except Exception as error:  # whatever a library that is not ours says of its options
            more = "; install tocsin[s3]" if url.startswith("s3://") and isinstance(error, ImportError) else ""
            raise StoreError(f"state.snapshots: no store can be opened there: {error}{more}") from error
        self._root = str(root).rstrip("/")

    def kept(self, folder: str) -> list[SharedSnapshot]:
        """The snapshots of one model that are whole, the newest first. Raises StoreError."""
        with _as_store_error(f"the snapshots in {folder} cannot be listed"):
            self._files.invalidate_cache()  # another worker may have written since
            found = {str(path).rstrip("/") for path in self._find(folder)}
        names = {path.rsplit("/", 2)[-2] for path in found if path.endswith(f"/{MANIFEST}")}
        whole = [(name, match) for name in names if (match := _NAME.fullmatch(name))]
        return [
            SharedSnapshot(int(match[1]), match[2], f"{folder}/{name}") for name, match in sorted(whole, reverse=True)
        ]

    def put(self, folder: str, offset: int, sha256: str, files: Mapping[str, BinaryIO]) -> None:
        """Store a snapshot, of which `files` has both files. Raises StoreError."""
        place = self._path(place_of(folder, offset, sha256))
        with _as_store_error("the snapshot was not stored"):
            self._files.makedirs(place, exist_ok=True)
            self._write(f"{place}/{ARRAYS}", files[ARRAYS])
            self._write(f"{place}/.{MANIFEST}", files[MANIFEST])
            self._files.mv(f"{place}/.{MANIFEST}", f"{place}/{MANIFEST}")

    def fetch(self, snapshot: SharedSnapshot, directory: Path) -> None:
        """Copy the two files of a snapshot into a directory, which is made anew. Raises StoreError."""
        shutil.rmtree(directory, ignore_errors=True)
        with _as_store_error(f"the snapshot {snapshot.place} cannot be fetched"):
            directory.mkdir(parents=True)
            for name in (ARRAYS, MANIFEST):
                path = f"{self._path(snapshot.place)}/{name}"
                with self._files.open(path, "rb") as source, (directory / name).open("wb") as target:
                    shutil.copyfileobj(source, target, _COPY_BYTES)

    def delete(self, folder: str, below: int) -> int:
        """Delete what there is of snapshots below an offset, whole or not; returns how many. Raises StoreError."""
        with _as_store_error(f"old snapshots in {folder} were not deleted"):
            self._files.invalidate_cache()
            names = {str(path).rstrip("/").rsplit("/", 2)[-2] for path in self._find(folder)}
            old = [name for name in names if (match := _NAME.fullmatch(name)) and int(match[1]) < below]
            for name in old:
                self._remove(self._path(f"{folder}/{name}"))
        return len(old)

    def delete_above(self, topic: str, offset: int, upto: int | None = None) -> int:
        """Delete the snapshots of all models in the folder of a topic that are above an offset, and not above `upto`.

        Returns how many. Raises StoreError.
        """
        with _as_store_error(f"snapshots in {topic} were not deleted"):
            self._files.invalidate_cache()
            folders = {str(path).rstrip("/").rsplit("/", 1)[0] for path in self._find(topic)}
            gone = [
                folder
                for folder in folders
                if (match := _NAME.fullmatch(folder.rsplit("/", 1)[-1]))
                and offset < int(match[1]) <= (sys.maxsize if upto is None else upto)
            ]
            for place in gone:
                self._remove(place)
        return len(gone)

    def _remove(self, place: str) -> None:
        """Remove one snapshot: its manifest first, so that nobody takes the rest for a whole one.

        Somebody else may be removing it, too.
        """
        with suppress(FileNotFoundError):
            if self._files.exists(f"{place}/{MANIFEST}"):
                self._files.rm(f"{place}/{MANIFEST}")
            self._files.rm(place, recursive=True)

    def _find(self, folder: str) -> list[str]:
        """The paths of all files in the snapshots of one model."""
        try:
            return list(self._files.find(self._path(folder)))
        except FileNotFoundError:
            return []

    def _path(self, place: str) -> str:
        return f"{self._root}/{place}"

    def _write(self, path: str, source: BinaryIO) -> None:
        with self._files.open(path, "wb") as target:
            shutil.copyfileobj(source, target, _COPY_BYTES)


@contextmanager
def _as_store_error(doing: str) -> Iterator[None]:
    """Whatever a cloud's library raises becomes a StoreError."""
    try:
        yield
    except Exception as error:
        raise StoreError(f"state.snapshots: {doing}: {str(error) or type(error).__name__}") from error


def folder_of(topic: str, topic_id: str | None, config: str) -> str:
    """The folder of a model's snapshots below the place of the store.

    A feedback topic that is made anew has another id, and its offsets begin again. The client writes ids with signs
    that mean something in a path.
    """
    return f"{topic_folder(topic, topic_id)}/{config}"


def topic_folder(topic: str, topic_id: str | None) -> str:
    """The folder in which those of all models of one feedback topic lie."""
    safe = "" if topic_id is None else f"-{_UNSAFE.sub('_', topic_id)}"
    return f"{topic}{safe}"


def place_of(folder: str, offset: int, sha256: str) -> str:
    """The folder of one snapshot; its name sorts by offset."""
    return f"{folder}/{offset:020d}-{sha256}"
