"""The state of a worker, in one LMDB environment: nothing that the logs could not give back.

One write transaction a micro-batch holds pending events, waiting labels, known labels, subjects' states and the input
offsets, so that they agree at every instant. The file is not synced at each commit: a crash of the process loses
nothing, a crash of the machine may lose the last batches or the file, and then `tocsin.streams.worker.rebuild` reads
the logs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import lmdb

from tocsin.models.profiles.event_profiles import EventProfiles
from tocsin.streams.state import known_labels, waiting
from tocsin.streams.state.damage import DATA, note_closed, note_opened, why_damaged
from tocsin.streams.state.entries import DamagedError, LmdbEntries, Sequence, StateError, fingerprint
from tocsin.streams.state.known_labels import KnownLabels
from tocsin.streams.state.notes import NOTES, Duty, Notes
from tocsin.streams.state.peer_baselines import LIVE
from tocsin.streams.state.pending import events as pending
from tocsin.streams.state.pending import older
from tocsin.streams.state.pending.events import PendingEvents
from tocsin.streams.state.pending.tallies import Tallies
from tocsin.streams.state.positions import POSITIONS, Positions
from tocsin.streams.state.profiles import PROFILES, KeptProfiles
from tocsin.streams.state.sealing.kept_keys import KEYS, KeptKeys, KeyMemory
from tocsin.streams.state.shadow.verdicts import BY_AGE as VERDICTS_BY_AGE
from tocsin.streams.state.shadow.verdicts import VERDICTS, PairedVerdicts
from tocsin.streams.state.subject_entry import SUBJECTS
from tocsin.streams.state.subjects import BY_SILENCE, Subjects
from tocsin.streams.state.waiting import WaitingLabels
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals

FORMAT, READABLE = b"9", (b"3", b"4", b"5", b"6", b"7", b"8", b"9")
"""The format that is written, and those that are read.

In format 3 a pending event's `context` was named `saw`. Until format 4 a waiting label had no place. Until format 5
nothing said which pending events have a label, and until format 6 how many there are of each partition. Until
format 7 pending events were JSON. Until format 8 known labels did not have the offsets of their feedback records.
"""
DATABASES = (
    NOTES, POSITIONS, pending.PENDING, pending.BY_ID, pending.BY_SUBJECT, pending.LABELLED, pending.LAYOUTS,
    older.PENDING, older.BY_AGE, older.BY_SUBJECT, waiting.WAITING, waiting.BY_AGE, waiting.BY_PLACE,
    known_labels.KNOWN, known_labels.BY_AGE, SUBJECTS, BY_SILENCE, LIVE, PROFILES, VERDICTS, VERDICTS_BY_AGE,
)  # fmt: skip
PENDING_SHARE, WAITING_SHARE = 0.5, 0.15
"""Of the map, at most so much for pending events and for waiting labels; beyond it the oldest go."""


class State:
    """The environment of one worker."""

    def __init__(self, directory: Path, max_bytes: int, keys: KeyMemory | None = None) -> None:
        """Open or make it; no other worker may have it open. With `keys` what quotes events is sealed.

        Raises StateError; DamagedError where it is damaged.
        """
        self._directory = directory
        self._max_bytes = max_bytes
        self.keys = keys
        self._layouts: dict[bytes, Layout] = {}
        self._profiles: dict[int, EventProfiles] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(directory)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            if (why := why_damaged(directory)) is not None:
                raise DamagedError(self._unusable_because(why))
            note_opened(directory)
            self._open()
        except BaseException:  # release the directory: the next attempt may be in this very process
            self._lock.close()
            raise

    def _open(self) -> None:
        self._open_file()
        try:
            with self.transaction() as t:
                found = t.notes.get("format")
                if found not in (None, *READABLE):
                    raise StateError(
                        f"state.directory: {self._directory} was written by another version; remove it to rebuild"
                    )
                if found in (b"3", b"4"):
                    t.renew()
                if found not in (None, FORMAT):
                    t.notes.read_feedback_again = True
                if found not in (None, b"8", FORMAT):
                    older.pack_pending(t.entries, t.pending)
                    t.pending.tally()
                if found in (b"3", b"4", b"5"):
                    t.note_labels()
                t.notes.set("format", FORMAT)
        except lmdb.Error as error:
            self._env.close()
            raise self._unusable(error) from error
        except BaseException:
            self._env.close()
            raise

    def _open_file(self) -> None:
        names = DATABASES if self.keys is None else (*DATABASES, KEYS)
        try:
            self._env = _environment(self._directory, self._max_bytes)
        except (OSError, lmdb.Error) as error:
            raise self._unusable(error) from error
        try:
            self._databases = {name: self._env.open_db(name.encode()) for name in names}
        except lmdb.Error as error:
            self._env.close()
            raise self._unusable(error) from error

    def rewrite(self) -> None:
        """Write the file anew, so that it holds nothing of what was erased. No transaction may be open.

        Every entry is copied by itself: LMDB leaves the bytes of old entries in freed pages, and within pages that are
        in use, of which its own compact copy takes whole ones. Raises StateError.
        """
        place = self._directory / "rewritten"
        try:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            _copy(self._env, place, self._max_bytes)
            self._env.close()
            os.replace(place / DATA, self._directory / DATA)  # noqa: PTH105 - both are paths
            shutil.rmtree(place, ignore_errors=True)
        except (OSError, lmdb.Error) as error:
            raise self._unusable(error) from error
        self._open_file()
        with self.transaction() as t:
            t.notes.rewrite = False

    def _unusable(self, error: Exception) -> StateError:
        return StateError(self._unusable_because(str(error)))

    def _unusable_because(self, why: str) -> str:
        return (
            f"state.directory: {self._directory} cannot be opened: {why}. If it is damaged, remove it: it is rebuilt "
            "from the logs"
        )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One write transaction: all of it is kept, or, after an exception, none. Raises StateError when full."""
        t = self.begin()
        try:
            yield t
        except BaseException:
            t.abort()
            raise
        t.commit()

    def begin(self) -> Transaction:
        """A write transaction to be ended by `commit` or `abort`."""
        opened = self._env.begin(write=True)
        kept = Kept(self._layouts, self._profiles, self.keys)
        return Transaction(opened, self._databases, self._directory, kept)

    def leave(self, partitions: Iterable[int]) -> None:
        """Keep nothing in memory of partitions of the events that are another worker's from now on."""
        for partition in partitions:
            self._profiles.pop(partition, None)

    def close(self) -> None:
        """Sync, close, and let another worker have the directory."""
        self._env.sync(True)
        self._env.close()
        note_closed(self._directory)
        self._lock.close()


def _lock(directory: Path) -> IO[bytes]:
    """Keep other workers out: two of them in one directory would take each other's positions for their own."""
    file = (directory / "worker.lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StateError(
            f"state.directory: {directory} is in use by another worker; give each its own (TOCSIN_STATE__DIRECTORY)"
        ) from None
    return file


def _environment(directory: Path, max_bytes: int) -> lmdb.Environment:
    """Open the file in a directory. Raises OSError, lmdb.Error."""
    most = len(DATABASES) + 1
    return lmdb.open(str(directory), map_size=max_bytes, max_dbs=most, sync=False, metasync=False, subdir=True)


def _copy(source: lmdb.Environment, directory: Path, max_bytes: int) -> None:
    """Copy every entry into a new file, in the order of the keys. Raises OSError, lmdb.Error."""
    target = _environment(directory, max_bytes)
    try:
        with source.begin() as reads, target.begin(write=True) as writes:
            with reads.cursor() as cursor:
                names = [bytes(name) for name in cursor.iternext(values=False)]
            for name in names:
                old, new = source.open_db(name, txn=reads, create=False), target.open_db(name, txn=writes)
                with reads.cursor(old) as cursor, writes.cursor(new) as entries:
                    entries.putmulti(cursor.iternext(), append=True)
        target.sync(True)
    finally:
        target.close()


def discard(directory: Path) -> None:
    """Remove a state that is of no use; the logs give back what it should hold. A missing one is no error."""
    shutil.rmtree(directory, ignore_errors=True)


class Kept(NamedTuple):
    """What stays in memory from one transaction to the next."""

    layouts: dict[bytes, Layout]
    """Those that were read before, see `PendingEvents`."""
    profiles: dict[int, EventProfiles]
    """See `KeptProfiles`."""
    keys: KeyMemory | None
    """See `KeptKeys`; None where nothing is sealed."""


class Transaction:
    """Reads and writes of one micro-batch."""

    def __init__(
        self, transaction: lmdb.Transaction, databases: Mapping[str, Any], directory: Path, memory: Kept
    ) -> None:
        self._transaction = transaction
        self.entries = LmdbEntries(transaction, databases, directory)
        self._sequence = Sequence(self.entries)
        self.notes = Notes(self.entries)
        self.positions = Positions(self.entries)
        self._tallies = Tallies(self.entries)
        self.keys = None if memory.keys is None else KeptKeys(self.entries, memory.keys)
        self.seals: Seals = UNSEALED if self.keys is None else self.keys.memory.seals
        self.pending = PendingEvents(self.entries, self._sequence, self._tallies, memory.layouts, self.seals)
        self.waiting = WaitingLabels(self.entries, self._sequence, self.seals)
        self.known = KnownLabels(self.entries, self._sequence)
        self.subjects = Subjects(self.entries, self._sequence)
        self.profiles = KeptProfiles(self.entries, self.notes, memory.profiles)
        self.verdicts = PairedVerdicts(self.entries, self._sequence)
        self._ended = False

    def renew(self) -> None:
        """Bring what format 4 kept to the present one. What this worker had read of labels, it had settled."""
        waiting.note_places(self.entries)
        for partition, offset in self.positions.all():
            self.notes.set_duty(partition, Duty(settled=offset, oldest=0))

    def note_labels(self) -> None:
        """Find out which of the pending events have a label; until format 5 that was not noted."""
        for kept in list(self.pending.all()):
            if self.known.get(fingerprint("event", kept.read.id)):
                self.pending.note_label(kept.read.id)

    def commit(self) -> None:
        """Keep it. Raises StateError, and keeps nothing then."""
        try:
            self.subjects.write()
            self.profiles.write()
            self._tallies.save()
            self._sequence.save()
        except StateError:  # or the map would stay locked
            self.abort()
            raise
        try:
            self._transaction.commit()
        except lmdb.Error as error:
            self._forget_memory()
            raise self.entries.failed(error) from error
        self._ended = True

    def abort(self) -> None:
        """Forget it; harmless after `commit`."""
        if not self._ended:
            self._forget_memory()
        self._transaction.abort()

    def _forget_memory(self) -> None:
        self.profiles.forget_memory()
        if self.keys is not None:
            self.keys.memory.clear()
