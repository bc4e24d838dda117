"""What a worker keeps, in one LMDB environment: nothing that the logs could not give back.

One write transaction a micro-batch holds pending events, waiting labels, known labels, subjects' states and the input
offsets, so that they agree at every instant. The file is not synced at each commit: a crash of the process loses
nothing, a crash of the machine may lose the last batches or the file, and then `tocsin.streams.worker.rebuild` reads
the logs.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import lmdb
import orjson

from tocsin.models.early_risk.peers import Counts
from tocsin.streams.transport.base import Offsets, Partition
from tocsin.streams.worker.peer_baselines import LIVE, PeerBaselines, SpreadOf

FORMAT = b"3"
DATABASES = (
    "meta", "positions", "pending", "pending_order", "posts", "waiting", "waiting_order", "known", "known_order",
    "subjects", "subjects_order", LIVE,
)  # fmt: skip
NO_SPREAD = SpreadOf()


_PENDING_HEADER = 32
"""Bytes before a pending event's entry: its order (16) and its subject's fingerprint (16)."""


_PRIORS = "priors:"
"""Notes: how frequent classes have been of late in each partition of the events."""
_BUDGET = "budget:"
"""Notes: what each partition spent of the budget of reviews."""
MAX_CORRECTIONS = 8
"""Labels of one source for one event that are remembered."""
PENDING_SHARE, WAITING_SHARE = 0.5, 0.15
"""Of the map, at most so much for pending events and for waiting labels; beyond it the oldest go."""


class StateError(Exception):
    """The state directory cannot be used, or its map is full; the text names the setting."""


def fingerprint(*parts: str) -> bytes:
    """A key of 16 bytes for ids of any length (LMDB's keys end at 511 bytes)."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        digest.update(struct.pack(">I", len(data)))
        digest.update(data)
    return digest.digest()


class State:
    """The environment of one worker."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(directory)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._open(max_bytes)
        except BaseException:  # let go of the directory: the next attempt may be in this very process
            self._lock.close()
            raise

    def _open(self, max_bytes: int) -> None:
        try:
            self._env = lmdb.open(
                str(self._directory),
                map_size=max_bytes,
                max_dbs=len(DATABASES),
                sync=False,
                metasync=False,
                subdir=True,
            )
        except (OSError, lmdb.Error) as error:
            raise self._unusable(error) from error
        try:
            self._databases = {name: self._env.open_db(name.encode()) for name in DATABASES}
            with self.transaction() as t:
                if t.meta("format") not in (None, FORMAT):
                    raise StateError(
                        f"state.directory: {self._directory} was written by another version; remove it to rebuild"
                    )
                t.set_meta("format", FORMAT)
        except lmdb.Error as error:
            self._env.close()
            raise self._unusable(error) from error
        except BaseException:
            self._env.close()
            raise

    def _unusable(self, error: Exception) -> StateError:
        return StateError(
            f"state.directory: {self._directory} cannot be opened: {error}. If it is damaged, remove it: it is rebuilt "
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
        return Transaction(self._env.begin(write=True), self._databases, self._directory)

    def close(self) -> None:
        """Sync, close, and let another worker have the directory."""
        self._env.sync(True)
        self._env.close()
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


def discard(directory: Path) -> None:
    """Remove a state that is of no use; the logs give back what it should hold. A missing one is no error."""
    shutil.rmtree(directory, ignore_errors=True)


class Transaction:
    """Reads and writes of one micro-batch."""

    def __init__(self, txn: lmdb.Transaction, databases: dict[str, Any], directory: Path) -> None:
        self._txn = txn
        self._databases = databases
        self._directory = directory
        self._spreads: PeerBaselines | None = None

    def commit(self) -> None:
        """Keep it. Raises StateError, and keeps nothing then."""
        try:
            self._save_spreads()
        except StateError:  # or the map would stay locked
            self.abort()
            raise
        try:
            self._txn.commit()
        except lmdb.Error as error:
            raise self._full(error) from error

    def abort(self) -> None:
        """Forget it; harmless after `commit`."""
        self._txn.abort()

    def _full(self, error: lmdb.Error) -> StateError:
        return StateError(f"state.max_bytes: the map in {self._directory} cannot take more ({error}): raise it")

    # Plain access

    def get(self, database: str, key: bytes) -> bytes | None:
        """An entry of a database, or None."""
        found = self._txn.get(key, db=self._databases[database])
        return None if found is None else bytes(found)

    def put(self, database: str, key: bytes, value: bytes) -> None:
        """Write an entry. Raises StateError where the map is full, as `delete` does."""
        try:
            self._txn.put(key, value, db=self._databases[database])
        except lmdb.Error as error:
            raise self._full(error) from error

    def delete(self, database: str, key: bytes) -> None:
        """Remove an entry; a missing one is no error."""
        try:  # a page is copied before it is changed, so that deleting may find no room either
            self._txn.delete(key, db=self._databases[database])
        except lmdb.Error as error:
            raise self._full(error) from error

    def walk(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """Entries by ascending key; the one that was given last may be deleted."""
        cursor = self._txn.cursor(self._databases[database])
        there = cursor.first()
        while there:
            key = bytes(cursor.key())
            yield key, bytes(cursor.value())
            there = cursor.next() if cursor.set_key(key) else cursor.set_range(key)

    def count(self, database: str) -> int:
        """Entries of a database."""
        return int(self._txn.stat(self._databases[database])["entries"])

    def meta(self, name: str) -> bytes | None:
        """A note by name."""
        return self.get("meta", name.encode())

    def set_meta(self, name: str, value: bytes) -> None:
        """Write a note."""
        self.put("meta", name.encode(), value)

    def _sequence(self) -> bytes:
        """A number that only grows, as 8 bytes: it tells the order of entries of the same millisecond."""
        number = int.from_bytes(self.meta("sequence") or b"", "big") + 1
        data = number.to_bytes(8, "big")
        self.set_meta("sequence", data)
        return data

    # Budgets

    def budget(self, partition: int) -> bytes | None:
        """What a partition of the events spent of the budget of reviews, as `tocsin.streams.worker.review_budget` keeps
        it."""
        return self.meta(f"{_BUDGET}{partition}")

    def set_budget(self, partition: int, kept: bytes) -> None:
        """Keep it."""
        self.set_meta(f"{_BUDGET}{partition}", kept)

    # Priors

    def priors(self, partition: int, model: str) -> bytes | None:
        """How frequent classes have been of late in a partition: see `tocsin.models.decision.prior_shift.RecentPriors`.

        None where nothing is kept for the model of this digest: to another its classes' places may mean others.
        """
        of, _, kept = (self.meta(f"{_PRIORS}{partition}") or b"").partition(b" ")
        return kept if of == model.encode() else None

    def set_priors(self, partition: int, model: str, kept: bytes) -> None:
        """Keep it."""
        self.set_meta(f"{_PRIORS}{partition}", model.encode() + b" " + kept)

    def forget_priors(self, partition: int) -> None:
        """Begin as usual: what is kept is of events long ago."""
        self.delete("meta", f"{_PRIORS}{partition}".encode())

    # Positions

    def position(self, partition: Partition) -> int | None:
        """The next offset of an input partition to be read."""
        found = self.get("positions", _partition_key(partition))
        return None if found is None else int(found)

    def set_positions(self, offsets: Offsets) -> None:
        """Remember the next offsets."""
        for partition, offset in offsets.items():
            self.put("positions", _partition_key(partition), str(offset).encode())

    # Pending events

    def pending(self, event_id: str) -> dict[str, Any] | None:
        """What was kept of an event that waits for its label."""
        return _pending_entry(self.get("pending", fingerprint(event_id)))

    def remember(self, event: dict[str, Any], entry: dict[str, Any], now: int) -> bool:
        """Keep an event until its label comes; False, and nothing changes, for one that is kept already."""
        key = fingerprint(event["id"])
        if self.get("pending", key) is not None:
            return False
        order = now.to_bytes(8, "big") + self._sequence()
        subject = fingerprint(event["subject"])
        self.put("pending", key, order + subject + orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY))
        self.put("pending_order", order, key)
        self.put("posts", subject + order, key)
        return True

    def subject_events(self, subject: str, most: int) -> list[dict[str, Any]]:
        """What is kept of a subject's last events, at most `most`, oldest first."""
        prefix = fingerprint(subject)
        found: list[dict[str, Any]] = []
        cursor = self._txn.cursor(self._databases["posts"])
        there = cursor.prev() if cursor.set_range(prefix + b"\xff" * 16) else cursor.last()
        while there and bytes(cursor.key()).startswith(prefix) and len(found) < most:
            entry = _pending_entry(self.get("pending", bytes(cursor.value())))
            if entry is not None:
                found.append(entry)
            there = cursor.prev()
        return found[::-1]

    def expire_pending(self, before: int, most: int, most_bytes: int) -> int:
        """Forget events kept before an instant (epoch ms), and the oldest beyond a number or size; returns how many."""
        forgotten = 0
        for order, key in self._oldest("pending_order"):
            if int.from_bytes(order[:8], "big") >= before and self._within("pending", most, most_bytes):
                break
            kept = self.get("pending", key)
            if kept is not None:
                self.delete("posts", kept[len(order) : _PENDING_HEADER] + order)
                self.delete("pending", key)
            self.delete("pending_order", order)
            forgotten += 1
        return forgotten

    def _within(self, database: str, most: int, most_bytes: int) -> bool:
        stat = self._txn.stat(self._databases[database])
        pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
        return bool(stat["entries"] <= most and pages * stat["psize"] <= most_bytes)

    def _oldest(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        cursor = self._txn.cursor(self._databases[database])
        while cursor.first():
            yield bytes(cursor.key()), bytes(cursor.value())

    # Waiting labels

    def wait(self, key: bytes, entry: dict[str, Any], now: int) -> None:
        """Keep a label until what it speaks of turns up; `key` is what it will be asked for by."""
        order = now.to_bytes(8, "big") + self._sequence()
        self.put("waiting", key + order, orjson.dumps(entry))
        self.put("waiting_order", order, key)

    def take_waiting(self, key: bytes) -> list[dict[str, Any]]:
        """The labels that wait under a key, oldest first; they wait no more."""
        if self.count("waiting") == 0:
            return []
        found: list[tuple[bytes, bytes]] = []
        cursor = self._txn.cursor(self._databases["waiting"])
        if cursor.set_range(key):
            for full, value in cursor:
                if not bytes(full).startswith(key):
                    break
                found.append((bytes(full), bytes(value)))
        for full, _ in found:
            self.delete("waiting", full)
            self.delete("waiting_order", full[len(key) :])
        return [orjson.loads(value) for _, value in found]

    def waiting(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Every key that labels wait under, with the first of its labels."""
        found: dict[bytes, bytes] = {}
        for full, value in self._txn.cursor(self._databases["waiting"]):
            found.setdefault(bytes(full)[:16], bytes(value))
        return [(key, orjson.loads(value)) for key, value in found.items()]

    def drop_waiting(self, key: bytes, source: str, label: str) -> None:
        """Have a label wait no more: whoever held its event has joined it."""
        if self.count("waiting") == 0:
            return
        cursor = self._txn.cursor(self._databases["waiting"])
        found = []
        if cursor.set_range(key):
            for full, value in cursor:
                if not bytes(full).startswith(key):
                    break
                waiting = orjson.loads(value)["label"]
                if waiting["label"] == label and (waiting["source"] or "") == source:
                    found.append(bytes(full))
        for full in found:
            self.delete("waiting", full)
            self.delete("waiting_order", full[len(key) :])

    def expire_waiting(self, before: int, most: int, most_bytes: int) -> list[dict[str, Any]]:
        """Labels that waited since before an instant (epoch ms), and the oldest beyond a number or size."""
        expired: list[dict[str, Any]] = []
        for order, key in self._oldest("waiting_order"):
            if int.from_bytes(order[:8], "big") >= before and self._within("waiting", most, most_bytes):
                break
            value = self.get("waiting", key + order)
            if value is not None:
                expired.append(orjson.loads(value))
                self.delete("waiting", key + order)
            self.delete("waiting_order", order)
        return expired

    # Labels that are known: they are in the feedback log

    def known_labels(self, key: bytes) -> dict[str, str]:
        """The last label in the feedback log for an event or a subject, by source (empty for none)."""
        return {source: labels[-1] for source, labels in self._known(key).items()}

    def was_known(self, key: bytes, source: str, label: str) -> bool:
        """Whether a source said so, be it that it said otherwise since."""
        return label in self._known(key).get(source, [])

    def _known(self, key: bytes) -> dict[str, list[str]]:
        return _loads(self.get("known", key)) or {}

    def set_known_label(self, key: bytes, source: str, label: str, most: int) -> None:
        """Note a label of the feedback log; beyond `most` the oldest is forgotten."""
        known = self._known(key)
        new = not known
        said = known.setdefault(source, [])
        if said[-1:] == [label]:
            return
        known[source] = [*said, label][-MAX_CORRECTIONS:]
        self.put("known", key, orjson.dumps(known))
        if new:
            self.put("known_order", self._sequence(), key)
            for order, old in self._oldest("known_order"):
                if self.count("known") <= most:
                    break
                self.delete("known", old)
                self.delete("known_order", order)

    # Subjects

    def subject(self, subject: str) -> dict[str, Any] | None:
        """A subject's accumulated state."""
        found = self.get("subjects", fingerprint(subject))
        return None if found is None else _loads(found[8:])

    def set_subject(self, subject: str, state: dict[str, Any], most: int, spread: SpreadOf = NO_SPREAD) -> None:
        """Keep a subject's state; beyond `most` the one longest silent is forgotten.

        The spreads that are asked for are kept up.
        """
        key = fingerprint(subject)
        old = self.get("subjects", key)
        spreads = self._spreads_of(spread)
        if old is not None:
            self.delete("subjects_order", old[:8])
            spreads.leave(old)
        order = self._sequence()
        self.put("subjects", key, order + orjson.dumps(state))
        self.put("subjects_order", order, key)
        spreads.enter(order, state)
        for oldest, silent in self._oldest("subjects_order"):
            if self.count("subjects") <= most:
                break
            if (gone := self.get("subjects", silent)) is not None:
                spreads.leave(gone)
            self.delete("subjects", silent)
            self.delete("subjects_order", oldest)

    def spread(self, spread: SpreadOf) -> Mapping[str, Counts]:
        """By class, how many live subjects have which excess of its evidence per post: see
        `tocsin.models.early_risk.peers`."""
        return self._spreads_of(spread).of_each()

    def _spreads_of(self, spread: SpreadOf) -> PeerBaselines:
        if self._spreads is None or self._spreads.of != spread:
            self._save_spreads()
            self._spreads = PeerBaselines(self, spread)
        return self._spreads

    def _save_spreads(self) -> None:
        if self._spreads is not None:
            self._spreads.save()


def _partition_key(partition: Partition) -> bytes:
    return f"{partition.topic}\0{partition.index}".encode()


def _loads(data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    loaded: dict[str, Any] = orjson.loads(data)
    return loaded


def _pending_entry(data: bytes | None) -> dict[str, Any] | None:
    """A pending event's entry, which stands after its order and its subject's fingerprint."""
    return None if data is None else _loads(data[_PENDING_HEADER:])
