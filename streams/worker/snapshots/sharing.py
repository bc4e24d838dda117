"""Sharing: one elected worker puts snapshots of the model into the store, points at them, and trims the feedback.

The elected worker is the one that has partition 0 of the events, which in transactions is never more than one that can
commit. The order is the guarantee that every pointer which stands in the topic has a snapshot, and that feedback is
deleted only where one replaces it:

1. the snapshot is stored, in a thread of its own;
2. a pointer to all that are kept is produced, in the worker's next transaction;
3. once that is committed, snapshots that are kept no more are deleted, then feedback that all kept ones have learnt.

A crash between two steps leaves a snapshot too many, which a later round deletes. A failure is a warning and a count.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from tocsin.config.settings import Settings
from tocsin.models.data.snapshot import ARRAYS, MANIFEST
from tocsin.streams.transport.base import Partition, TransportError
from tocsin.streams.wire.encode import Output, encode
from tocsin.streams.wire.kinds.snapshots import SharedSnapshot, SnapshotPointer
from tocsin.streams.wire.packed.control import Control
from tocsin.streams.worker.learning.leave_outs import first_named
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.reporting.telemetry import SnapshotTaken
from tocsin.streams.worker.snapshots.store import SnapshotStore, StoreError, folder_of, topic_folder

log = logging.getLogger(__name__)

TRY_AGAIN_MS = 60_000
"""How long after a failure the next try is made."""
_HOUR = 3_600_000
_MARGIN_HOURS = 24
"""So much longer than an event waits for its label is feedback kept: events may be read back for so long."""
_CLOSE_SECONDS = 5.0


class Trim(Protocol):
    """Deletes the records of a partition below an offset, but none that is as young as an instant."""

    def __call__(self, partition: Partition, before: int, since: int) -> int:
        """`before` is an offset, `since` is epoch milliseconds. Returns the first offset that is left.

        Raises TransportError.
        """
        ...


class SharedModel(NamedTuple):
    """The model whose snapshots are shared."""

    config: str
    """Its digest."""
    lineage: str
    topic_id: str | None
    """The id of the feedback topic."""
    snapshot: SnapshotTaken | None
    """The last local snapshot."""
    feedback_offset: int


class Sharing:
    """What one worker does for the snapshots that all workers share. Belongs to the worker's thread."""

    def __init__(self, settings: Settings, directory: Path, worker: str, counts: Counts, trim: Trim | None) -> None:
        """`directory` is that of the local snapshot. Raises StoreError where the store cannot be opened at all."""
        url = settings.state.snapshots
        self._store = None if url is None else SnapshotStore(url)
        self._settings = settings
        self._directory = directory
        self._worker = worker
        self._counts = counts
        self._trim = trim
        self._task: Future[list[SharedSnapshot]] | None = None
        """What is done in the background; its result is what to point at, if anything."""
        self._model: SharedModel | None = None
        """The model of the task, and of what is to be pointed at."""
        self._shared_at = 0
        """The feedback offset of the last snapshot that was stored."""
        self.oldest = 0
        """The feedback offset of the oldest snapshot that is kept, as far as this worker knows."""
        self._unsaid: list[SharedSnapshot] = []
        """What is kept in the store, the newest first, until the topic points at it."""
        self._gone: list[tuple[int, int]] = []
        """Between which offsets snapshots have learnt of a subject that is forgotten, so that none may stay."""
        self._not_before = 0
        """No try is made before this instant, epoch milliseconds."""

    def output(self, elected: bool, model: SharedModel, now: int) -> Output | None:
        """Go on with the work in the background; returns the pointer to produce in this transaction, if one is due.

        `now` is epoch milliseconds. Raises nothing: what fails is counted, and tried again later.
        """
        store = self._store
        if store is None:
            return None
        self._look_after_task(now)
        if not elected:
            self._unsaid, self._shared_at = [], 0  # whoever is elected anew looks what there is in the store
            return None
        if self._task is None and self._gone and now >= self._not_before:
            self._task = _in_background(partial(self._delete_gone, store, model, list(self._gone)))
        if self._task is None and not self._unsaid and now >= self._not_before and self._is_due(model):
            self._begin(store, model, now)
        return self._pointer(now) if self._unsaid else None

    def said(self, output: Output | None, now: int) -> None:
        """The transaction that held the pointer is committed: what it does not name may go."""
        if output is None or not self._unsaid or self._model is None or self._store is None:
            return
        kept, self._unsaid = self._unsaid, []
        self.oldest = kept[-1].offset
        self._task = _in_background(partial(self._tidy, self._store, self._model, kept[-1].offset, now))

    def forget(self, control: Control, at: int) -> None:
        """Have no snapshot stay that has learnt what the control record at an offset leaves out of forgotten subjects.

        The one who asked has deleted what there was. This is for what is on its way.
        """
        first = first_named(control, at)
        if self._store is not None and first < at:
            self._gone.append((first, at))

    def _delete_gone(
        self, store: SnapshotStore, model: SharedModel, gone: list[tuple[int, int]]
    ) -> list[SharedSnapshot]:
        """Delete them. Raises StoreError."""
        folder = topic_folder(self._settings.topics.feedback, model.topic_id)
        for one in gone:
            store.delete_above(folder, *one)
            self._gone.remove(one)
        return []

    def close(self) -> None:
        """Wait a moment for what is done in the background; what is not done by then is left to the next worker."""
        if self._task is not None:
            done = threading.Event()
            self._task.add_done_callback(lambda _: done.set())
            done.wait(_CLOSE_SECONDS)

    def _is_due(self, model: SharedModel) -> bool:
        """Whether there is a snapshot to share: one of an offset of which every worker has one."""
        taken, every = model.snapshot, self._settings.state.snapshot_every
        return taken is not None and taken.offset > self._shared_at and taken.offset % every == 0

    def _begin(self, store: SnapshotStore, model: SharedModel, now: int) -> None:
        assert model.snapshot is not None
        try:
            # What is open stays as it is, although the next snapshot takes its place while it is copied.
            files = _open_files(self._directory)
        except OSError as error:
            self._failed(error, now)
            return
        self._model = model
        self._task = _in_background(partial(self._share, store, model, model.snapshot, files))

    def _share(
        self, store: SnapshotStore, model: SharedModel, taken: SnapshotTaken, files: dict[str, BinaryIO]
    ) -> list[SharedSnapshot]:
        """Store a snapshot, unless it or newer ones are there; returns what is to be kept. Raises StoreError."""
        most, folder = self._settings.state.snapshots_kept, self._folder(model)
        with ExitStack() as stack:
            for file in files.values():
                stack.enter_context(file)
            there = store.kept(folder)
            newer = [kept for kept in there if kept.offset > taken.offset]
            if len(newer) < most and not any(k.offset == taken.offset and k.sha256 == taken.sha256 for k in there):
                store.put(folder, taken.offset, taken.sha256, files)
                there = store.kept(folder)
        return there[:most]

    def _tidy(self, store: SnapshotStore, model: SharedModel, oldest: int, now: int) -> list[SharedSnapshot]:
        """Delete snapshots below the oldest one that is kept, then feedback. Raises StoreError, TransportError."""
        settings = self._settings
        store.delete(self._folder(model), oldest)
        if settings.feedback.keep is not None and self._trim is not None:
            before = min(oldest, model.feedback_offset - settings.feedback.keep)
            since = now - int((settings.bounds.pending_ttl_hours + _MARGIN_HOURS) * _HOUR)
            if before > 0:
                first = self._trim(Partition(settings.topics.feedback, 0), before, since)
                log.info(
                    "%s begins at offset %d now: snapshots stand for what is below", settings.topics.feedback, first
                )
        return []

    def _look_after_task(self, now: int) -> None:
        """See what became of the work in the background."""
        if self._task is None or not self._task.done():
            return
        task, self._task = self._task, None
        try:
            kept = task.result()
        except (StoreError, TransportError, OSError) as error:
            self._failed(error, now)
            return
        if kept and self._model is not None and self._model.snapshot is not None:
            self._shared_at = self._model.snapshot.offset
            self._unsaid = kept

    def _failed(self, error: Exception, now: int) -> None:
        self._counts.snapshots_failed += 1
        self._not_before = now + TRY_AGAIN_MS
        log.warning("no snapshot was shared with the other workers: %s; it is tried again in a minute", error)

    def _pointer(self, now: int) -> Output:
        model, topics = self._model, self._settings.topics
        assert model is not None
        pointer = SnapshotPointer(
            model.config, model.lineage, topics.feedback, model.topic_id, self._worker, now, self._unsaid
        )
        # Two services that share the topic may have one model of two feedback topics.
        return Output(topics.snapshots, self._folder(model).encode(), encode(pointer))

    def _folder(self, model: SharedModel) -> str:
        return folder_of(self._settings.topics.feedback, model.topic_id, model.config)


def _open_files(directory: Path) -> dict[str, BinaryIO]:
    """Both files of one snapshot, however soon another one takes its place. Raises OSError."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    opened: dict[str, BinaryIO] = {}
    try:
        for name in (ARRAYS, MANIFEST):
            opened[name] = os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder), "rb")
    except OSError:
        for file in opened.values():
            file.close()
        raise
    finally:
        os.close(folder)
    return opened


def _in_background(work: Callable[[], list[SharedSnapshot]]) -> Future[list[SharedSnapshot]]:
    """Do something in a thread that ends with the process, whatever it waits for."""
    future: Future[list[SharedSnapshot]] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=do, name="snapshots", daemon=True).start()
    return future
