"""Refold: the profiles of a partition brought up to an offset, by folding its events once more.

Where the state has them as of its position, what follows is added. Where it has none, or those of another config, they
are made anew from the last `bounds.profile_events` events of the log: to the bit where the log still has all of them.
An event that came twice was decided once. So it is added once, as far as the ids of the last `bounds.pending_events`
tell.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tocsin.config.settings import Settings
from tocsin.streams.state.store import State, Transaction
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.event_columns import EventColumns, batch_of
from tocsin.streams.worker.deciding.profiling import Profiling, Said
from tocsin.streams.worker.erasing.passed_over import read_again

CHUNK = 5_000


class Refold:
    """Folds events of one partition into its profiles."""

    def __init__(self, settings: Settings, decoder: Decoder, state: State, partition: Partition, stop: int) -> None:
        """Begin with what the state has; the caller gives all events from `start` up to the offset `stop`."""
        self._decoder = decoder
        self._state = state
        self.partition = partition
        self._profiling = Profiling(settings)
        self._seen: dict[str, None] = {}
        self._most = settings.bounds.pending_events
        self.start = stop
        """The first offset that is to be folded."""
        self._known = True
        if self._profiling:
            with state.transaction() as t:
                self._known = t.profiles.known(partition.index, self._profiling)
                position = t.positions.get(partition)
                if not self._known:
                    t.profiles.begin(partition.index, self._profiling)
            self._known = self._known and position is not None
            self.start = (position or 0) if self._known else max(0, stop - settings.bounds.profile_events)

    def read(self, reader: Transport, stop: int) -> None:
        """Fold all events up to an offset, which are not remembered otherwise."""
        records = reader.read(self.partition, self.start, stop) if self.start < stop else iter(())
        while chunk := list(itertools.islice(records, CHUNK)):
            columns, _ = self._decoder.events(chunk)
            with self._state.transaction() as t:
                self.fold(read_again(columns, t), t)
                self.advance(chunk[-1].offset + 1, t)

    def advance(self, offset: int, transaction: Transaction) -> None:
        """Note that profiles are as of this offset: with its own transaction, or a crash would have it added twice.

        Those that are made anew are of use only once they are complete.
        """
        if self._profiling and self._known and offset > (transaction.positions.get(self.partition) or 0):
            transaction.positions.set({self.partition: offset})

    def complete(self, transaction: Transaction) -> None:
        """All events were given: the profiles are as of the offset where they stop."""
        if self._profiling:
            transaction.profiles.complete(self.partition.index, self._profiling)

    def fold(self, events: EventColumns, transaction: Transaction) -> dict[int, Said]:
        """Fold those of these events that were not folded before; returns what was said of each, by its row.

        None of them may have been remembered as pending for this call already.
        """
        if not self._profiling:
            return {}
        pending = transaction.pending.get_all(events.ids) if self._known else {}
        rows = [i for i in range(events.size) if self._is_new(events.ids[i], events.records[i], pending)]
        if not rows:
            return {}
        new = events.of(rows)
        profiles = transaction.profiles.of(self.partition.index, self._profiling)
        said = self._profiling.add(new, batch_of(new, self._decoder.kinds), profiles)
        return dict(zip(rows, self._profiling.by_name(said), strict=True))

    def _is_new(self, identity: str, record: Record, pending: Iterable[str]) -> bool:
        if record.offset < self.start or identity in self._seen or identity in pending:
            return False
        self._seen[identity] = None
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
        return True
