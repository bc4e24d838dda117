"""Ownership: what the group has given to one worker, and what is done when it comes or goes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from tocsin.config.settings import Settings
from tocsin.streams.state.store import State
from tocsin.streams.transport.base import Committed, Offsets, Partition, Transport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.records import PartitionRestored
from tocsin.streams.worker.gaps import Gaps
from tocsin.streams.worker.joining.duties import Duties, duty_of
from tocsin.streams.worker.outputs.chain import heads_in
from tocsin.streams.worker.rebuild import Rebuild
from tocsin.streams.worker.reporting.counts import Counts

log = logging.getLogger(__name__)


class Ownership:
    """The partitions of the events and of the labels that are assigned to a worker now.

    It decides the events of its partitions, and settles the labels of its partitions. See
    `tocsin.streams.transport.base.Rebalance` for what the transport calls.
    """

    def __init__(
        self, settings: Settings, decoder: Decoder, clock: Callable[[], int], counts: Counts, gaps: Gaps
    ) -> None:
        """`clock` gives epoch milliseconds."""
        self._settings = settings
        self._decoder = decoder
        self._clock = clock
        self._counts = counts
        self._gaps = gaps
        self._events: set[Partition] = set()
        self._behind: set[int] = set()
        """Partitions of the events of which the state does not know the last decision."""
        self.restored: dict[int, PartitionRestored] = {}
        """How each of the partitions of the events was taken over, by its number."""
        self.duties = Duties()
        self.changed = False
        """Whether partitions came since the owner of this object last set it to False."""

    def decided_by(self, settings: Settings) -> None:
        """Events are decided by these settings from now on: budgets and subjects are read back as they say."""
        self._settings = settings

    def open(self, state: State, reader: Transport) -> None:
        """Keep what is taken over in this state, and read the logs by this reader."""
        self._state = state
        self._reader = reader

    def decides(self, partition: int) -> bool:
        """Whether a partition of the events, by its number, is assigned to this worker."""
        return Partition(self._settings.topics.events, partition) in self._events

    @property
    def partitions(self) -> list[int]:
        """The numbers of the partitions of the events that are assigned to this worker."""
        return [partition.index for partition in self._events]

    def assigned(self, committed: Mapping[Partition, Committed | None]) -> Offsets:
        """See `tocsin.streams.transport.base.Rebalance`."""
        starts: dict[Partition, int] = {}
        self.changed = True
        labels = self._settings.topics.labels
        ends = self._reader.end_offsets(labels) if any(p.topic == labels for p in committed) else {}
        rebuild = Rebuild(self._settings, self._decoder, self._state, self._reader)
        for partition, found in committed.items():
            if partition.topic == labels:
                with self._state.transaction() as t:
                    duty = duty_of(found, t.notes.duty(partition), ends.get(partition, 0))
                self.duties.take_over(partition, found, duty)
                continue
            self._events.add(partition)
            start = self._take_over(partition, found, rebuild)
            self._gaps.start(partition, start)
            if start is not None:
                starts[partition] = start
        self._find_heads()
        return starts

    def _find_heads(self) -> None:
        """Read the heads of the chains of decisions from the log where the state lags behind or has none."""
        if not self._behind:
            return
        heads = heads_in(self._reader, self._settings.topics.decisions, self._behind)
        with self._state.transaction() as t:
            for partition, head in heads.items():
                t.notes.set_chain(partition, head)
        self._behind.clear()

    def _take_over(self, partition: Partition, committed: Committed | None, rebuild: Rebuild) -> int | None:
        """`_start`, after which the log and the telemetry say how long it took."""
        began, before = time.perf_counter(), self._counts.rebuilt
        start = self._start(partition, committed, rebuild)
        restored = PartitionRestored(time.perf_counter() - began, self._counts.rebuilt - before)
        self.restored[partition.index] = restored
        log.info(
            "restored %s in %.2f s: %d pending events were read back",
            partition.name,
            restored.seconds,
            restored.pending,
        )
        return start

    def profiles_anew(self) -> None:
        """Make the profiles of all partitions from the log, which is read without who is forgotten."""
        rebuild = Rebuild(self._settings, self._decoder, self._state, self._reader)
        for partition in sorted(self._events):
            with self._state.transaction() as t:
                position = t.positions.get(partition)
            if position is not None:
                rebuild.profiles(partition, position)

    def _start(self, partition: Partition, committed: Committed | None, rebuild: Rebuild) -> int | None:
        """Where to go on with a partition of the events; None for its beginning. The state follows."""
        with self._state.transaction() as t:
            lags = committed is not None and (t.positions.get(partition) or 0) < committed.offset
            if lags or t.notes.chain(partition.index) is None:
                self._behind.add(partition.index)
        if committed is None:  # the group's offset may have expired, and the state still knows
            with self._state.transaction() as t:
                position = t.positions.get(partition)
            if position is not None:
                rebuild.profiles(partition, position)
            return position
        rebuilt = rebuild(partition, committed.offset, self._clock())
        self._counts.rebuilt += rebuilt.events
        self._counts.without_decision += rebuilt.without_decision
        if rebuilt.unfit:
            self._counts.unfit_events += rebuilt.unfit
            log.warning(
                "%s: %d records that were read again are no events by the schema; they were dead letters, or fitted an "
                "earlier config, and labels find them no more",
                partition.name,
                rebuilt.unfit,
            )
        if rebuilt.without_decision:
            log.warning(
                "%s: the decisions of %d pending events are in %s no more; feedback on these events will not say what "
                "was decided",
                partition.name,
                rebuilt.without_decision,
                self._settings.topics.decisions,
            )
        return committed.offset

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """See `tocsin.streams.transport.base.Rebalance`."""
        self._events.difference_update(partitions)
        self._state.leave(p.index for p in partitions if p.topic == self._settings.topics.events)
        self.restored = {p.index: self.restored[p.index] for p in self._events if p.index in self.restored}
        self.duties.give_up(partitions)

    def lose_all(self) -> None:
        """Nothing is assigned to this worker any more."""
        self._events.clear()
        self.restored = {}
        self.duties.clear()
