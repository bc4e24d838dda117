"""Which snapshots a start may go on from, the best first: this worker's own, and those that all workers share."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tocsin.config.model import ModelSettings
from tocsin.config.settings import Settings
from tocsin.models.data.snapshot import SnapshotError, read_manifest
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.decode import read_own
from tocsin.streams.wire.kinds.snapshots import SharedSnapshot, SnapshotPointer
from tocsin.streams.worker.snapshots.earlier import EarlierSnapshots, ahead_of, link, obeyed_ahead
from tocsin.streams.worker.snapshots.store import SnapshotStore, folder_of, place_of

log = logging.getLogger(__name__)

_PLACE = re.compile(r"[A-Za-z0-9._-]{1,249}(-[A-Za-z0-9_-]{1,64})?/[0-9a-f]{16}/[0-9]{20}-[0-9a-f]{64}")


class Candidate(NamedTuple):
    """One snapshot that a start may go on from."""

    source: Literal["local", "shared"]
    offset: int
    """Its feedback offset, as far as is known before it is read."""
    name: str
    """What the log calls it."""
    fetch: Callable[[], Path]
    """Gives the directory that holds it. Raises StoreError, SnapshotError."""
    ahead: Sequence[int] = ()
    """The offsets of control records at or behind its own that its model has obeyed; a shared one has obeyed none."""


class Candidates:
    """The snapshots that there are for one worker."""

    def __init__(self, settings: Settings, directory: Path, topic_id: str | None, earlier: EarlierSnapshots) -> None:
        """`directory` is that of the local snapshot, `topic_id` is that of the feedback, if the broker tells it."""
        self._settings = settings
        self._earlier = earlier
        self._directory = directory
        self._topic_id = topic_id
        self._fetched = directory.with_name(f".{directory.name}.fetched")

    def of(self, reader: Transport, whole_log: bool) -> list[Candidate]:
        """All of them: those of this config by how much they have learnt, then those of others.

        A shared one of another config is of use only where the log is not whole, and there is no local one.
        """
        shared = self._shared(reader)
        local = self._local()
        ours = self._settings.model
        found = [one for pointer in shared if _fits(ours, pointer) for one in self._of_pointer(pointer)]
        if local is not None and local.offset >= 0:
            found.append(local)
        found += self._earlier_ones()
        # Of two at one offset the local one is at hand; sorting keeps the order of equals.
        found.sort(key=lambda one: (one.offset, one.source == "local"), reverse=True)
        if local is not None and local.offset < 0:
            found.append(local)
        if (local is None or local.offset < 0) and not whole_log:
            others = [one for p in shared if not _fits(ours, p) for one in self._of_pointer(p)]
            found += sorted(others, key=lambda one: one.offset, reverse=True)
        return found

    def take_over(self, directory: Path) -> None:
        """Make the directory of a candidate that was read the local snapshot. Raises OSError."""
        if directory != self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            directory.rename(self._directory)

    def end(self) -> None:
        """Remove what was fetched and not taken over."""
        shutil.rmtree(self._fetched, ignore_errors=True)

    def _earlier_ones(self) -> Iterator[Candidate]:
        """The worker's own earlier snapshots of this config."""
        for one in self._earlier.all():
            with contextlib.suppress(SnapshotError):
                manifest = read_manifest(one.directory)
                if self._is_ours(manifest):
                    fetch = partial(self._fetch_earlier, one.directory)
                    ahead = obeyed_ahead(manifest)
                    yield Candidate("local", one.offset, f"in {one.directory}", fetch, ahead)

    def _fetch_earlier(self, directory: Path) -> Path:
        """It is kept where it is, whatever becomes of what is fetched."""
        try:
            link(directory, self._fetched)
        except OSError as error:
            raise SnapshotError(f"no snapshot can be read from {directory}: {error}") from error
        return self._fetched

    def _is_ours(self, manifest: Mapping[str, Any]) -> bool:
        config, lineage = manifest.get("config"), manifest.get("lineage", "")
        return isinstance(lineage, str) and self._settings.model.digest(lineage) == config

    def _local(self) -> Candidate | None:
        """The worker's own snapshot; its offset is -1 where it is of another config, or cannot be told."""
        if not self._directory.exists():
            return None
        offset = -1
        with contextlib.suppress(SnapshotError):
            manifest = read_manifest(self._directory)
            known = manifest.get("feedback_offset")
            if isinstance(known, int) and self._is_ours(manifest):
                offset = known
        return Candidate("local", offset, f"in {self._directory}", lambda: self._directory, ahead_of(self._directory))

    def _shared(self, reader: Transport) -> list[SnapshotPointer]:
        """What the topic points at; nothing where no store is set. Raises TransportError."""
        settings = self._settings
        if settings.state.snapshots is None:
            return []
        pointers: dict[str, SnapshotPointer] = {}
        for record in _whole(reader, settings.topics.snapshots):
            pointer = read_own(record, SnapshotPointer)
            if pointer is None or pointer.topic != settings.topics.feedback:
                continue
            if None in (pointer.topic_id, self._topic_id) or pointer.topic_id == self._topic_id:
                pointers[pointer.config] = pointer
        return list(pointers.values())

    def _of_pointer(self, pointer: SnapshotPointer) -> Iterator[Candidate]:
        folder = folder_of(pointer.topic, pointer.topic_id, pointer.config)
        for kept in pointer.kept:
            # No record can name a file outside of the store: a place must be what the store itself calls it.
            if _PLACE.fullmatch(kept.place) and kept.place == place_of(folder, kept.offset, kept.sha256):
                yield Candidate("shared", kept.offset, kept.place, partial(self._fetch, kept))
            else:
                log.warning("%s names a place of a snapshot that no store has", self._settings.topics.snapshots)

    def _fetch(self, kept: SharedSnapshot) -> Path:
        assert self._settings.state.snapshots is not None
        SnapshotStore(self._settings.state.snapshots).fetch(kept, self._fetched)
        manifest = read_manifest(self._fetched)
        if (manifest.get("sha256"), manifest.get("feedback_offset")) != (kept.sha256, kept.offset):
            raise SnapshotError(
                f"{kept.place} is damaged: its manifest does not name the SHA-256 and the offset that it is kept under"
            )
        return self._fetched


def _fits(ours: ModelSettings, pointer: SnapshotPointer) -> bool:
    """Whether a model of these settings is that of the pointer."""
    return ours.digest(pointer.lineage) == pointer.config


def _whole(reader: Transport, topic: str) -> Iterator[Record]:
    for partition, end in reader.end_offsets(topic).items():
        yield from reader.read(partition, 0, end)
