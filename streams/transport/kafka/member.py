"""The consumer that is a member of the group and reads the shared topics."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from typing import NoReturn

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from tocsin.streams.transport import faults
from tocsin.streams.transport.base import (
    BrokerAwayError,
    CommitAgainError,
    Committed,
    Offsets,
    Partition,
    PartitionLostError,
    Rebalance,
)
from tocsin.streams.transport.calls import Calls
from tocsin.streams.transport.kafka.connection import RETRY_SECONDS, Connection
from tocsin.streams.transport.kafka.group_offsets import committed_of
from tocsin.streams.transport.kafka.options import member_options
from tocsin.streams.transport.kafka.patient import close, commit
from tocsin.streams.transport.kafka.reading import read_first_offsets
from tocsin.streams.transport.kafka.transactions import Proof, Transactions

_PAUSE_SECONDS = 0.05
_TURN_SECONDS = 0.5
"""Time between two looks at whether a commit that takes long is to be given up."""


class GroupMember:
    """One member of a consumer group. librdkafka calls back from inside `consumer.poll` and `consumer.consume`."""

    def __init__(
        self,
        connection: Connection,
        group: str,
        topics: Sequence[str],
        unread: Collection[str],
        rebalance: Rebalance | None,
    ) -> None:
        """Subscribe to the topics; the group is joined at the first poll.

        Partitions of the topics that are `unread` are assigned and committed, but their records are read elsewhere.
        """
        self._connection = connection
        self._group = group
        self._unread = unread
        self._rebalance = rebalance
        self.owned: set[Partition] = set()
        """The partitions that belong to this member."""
        self.read_to: dict[Partition, int] = {}
        """Those of them whose records are read here, and to where at least; see `progress_of`."""
        self._standing: dict[Partition, Committed] = {}
        """What the group has committed of them, as far as this member knows."""
        self.moved = False
        """Whether partitions came or went since the owner of this object last set it to False."""
        self._revoking = False
        """Whether the client is calling `_on_revoke` now."""
        self._refused_since: float | None = None
        """Since when the broker has refused what this member proves."""
        self._eager = connection.settings.assignor == "range"
        """Whether a rebalance takes all partitions away before it gives any, instead of moving those that move."""
        self.consumer = connection.consumer(member_options(connection.settings, group))
        self.proof = Proof(self.consumer)
        self._calls = Calls("commits")
        self.consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str]) -> None:
        """Commit offsets synchronously. Raises TransportError, PartitionLostError where a partition is another's."""
        require_owned(offsets, self.owned, self._group)
        wanted = [TopicPartition(p.topic, p.index, offset, notes.get(p, "")) for p, offset in offsets.items()]
        began, patience = time.monotonic(), self._connection.settings.session_timeout_ms / 1000
        while wanted:
            try:
                self._connection.retry("the offsets were not committed", partial(self._commit, wanted))
                return
            except PartitionLostError as lost:
                # A rebalance that goes on in the background takes nothing from this member between two polls.
                if not _is_rebalancing(lost) or not self.proof.is_of_member() or time.monotonic() > began + patience:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def commit_with(self, transactions: Transactions, offsets: Offsets, notes: Mapping[Partition, str]) -> None:
        """Commit offsets in the open transaction. Raises TransportError; see `Transactions.commit`.

        Where there are none, one that is committed already is committed again, because only with an offset the broker
        asks whether this member has its partitions still.
        """
        require_owned(offsets, self.owned, self._group)
        wanted = {p: Committed(offset, notes.get(p, "")) for p, offset in offsets.items()}
        if not wanted and self.owned:
            wanted = self._any_standing()
        sent = [TopicPartition(p.topic, p.index, found.offset, found.note) for p, found in wanted.items()]
        try:
            transactions.commit(sent, self.proof.metadata)
        except PartitionLostError as lost:
            self._prove_again(transactions, lost)
        self._refused_since = None
        self._standing |= wanted

    def _prove_again(self, transactions: Transactions, lost: PartitionLostError) -> NoReturn:
        """Raise what to do after the broker refused the proof of this member."""
        now, patience = time.monotonic(), self._connection.settings.session_timeout_ms / 1000
        self._refused_since = self._refused_since or now
        if not _is_rebalancing(lost) or now > self._refused_since + patience:
            raise lost
        # A rebalance that goes on in the background takes nothing from this member between two polls.
        transactions.abort()
        time.sleep(_PAUSE_SECONDS)
        if not self.proof.newer(patience):
            raise lost
        raise CommitAgainError(str(lost)) from lost

    def _any_standing(self) -> dict[Partition, Committed]:
        """What stands committed of one of this member's partitions. Raises TransportError."""
        if not self._standing:
            first = read_first_offsets(self._connection, self._group, [min(self.owned)])
            self._standing = {p: Committed(max(offset, self.read_to.get(p, 0))) for p, offset in first.items()}
        return dict([next(iter(self._standing.items()))])

    def close(self) -> None:
        """Leave the group."""
        self._calls.end()
        close(self.consumer)

    def _commit(self, offsets: list[TopicPartition]) -> None:
        """Commit once. Raises KafkaException, BrokerAwayError."""
        if self._revoking:
            # The thread would wait for the call of the client that this one is part of.
            commit(self.consumer, offsets)
            return
        began, call = time.monotonic(), self._calls(partial(commit, self.consumer, offsets))
        while not wait([call], _TURN_SECONDS).done:
            self._connection.check()
            if not self._connection.terms.wait_on("the offsets are not committed", began, RETRY_SECONDS):
                raise BrokerAwayError(f"the offsets were not committed in {RETRY_SECONDS:.0f} s")
        call.result()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._connection.closed:
            _give(consumer, [], self._eager)
            return
        names = [Partition(p.topic, p.partition) for p in partitions]
        committed = self._committed(consumer, partitions)
        self.owned |= set(names)
        self._standing |= {p: found for p, found in committed.items() if found is not None}
        self.proof.take()
        if not names:  # others moved, and nothing came here
            _give(consumer, [], self._eager)
            return
        self.moved = True
        wanted = self._rebalance.assigned(committed) if self._rebalance is not None else {}
        usual = {p: OFFSET_BEGINNING if found is None else found.offset for p, found in committed.items()}
        starts = {p: wanted.get(p, usual[p]) for p in names}
        _give(consumer, [TopicPartition(p.topic, p.index, start) for p, start in starts.items()], self._eager)
        self.read_to |= {p: start for p, start in starts.items() if p.topic not in self._unread}
        consumer.pause([TopicPartition(p.topic, p.index) for p in names if p.topic in self._unread])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [Partition(p.topic, p.partition) for p in partitions]
        self._revoking = True
        try:
            if names and self._rebalance is not None and not self._connection.closed:
                self._rebalance.revoked(names)
        finally:
            self._revoking = False
            for name in names:
                self.owned.discard(name)
                self.read_to.pop(name, None)
                self._standing.pop(name, None)
            self.moved = True
            if self._eager:
                consumer.unassign()
            else:
                consumer.incremental_unassign(partitions)

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> dict[Partition, Committed | None]:
        """What the group has committed of each partition, None where it has nothing."""
        if not partitions:
            return {}
        names = [Partition(p.topic, p.partition) for p in partitions]
        found = committed_of(self._connection, consumer, names)
        return {partition: found.get(partition) for partition in names}


def _give(consumer: Consumer, partitions: list[TopicPartition], eager: bool) -> None:
    """Let a consumer read partitions, beside those that it has or, where it is `eager`, instead of them."""
    if eager:
        consumer.assign(partitions)
    else:
        consumer.incremental_assign(partitions)


def _is_rebalancing(lost: PartitionLostError) -> bool:
    cause = lost.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in faults.REBALANCING


def require_owned(offsets: Offsets, owned: set[Partition], group: str) -> None:
    """Raise PartitionLostError where an offset is of a partition that is not among the `owned` ones."""
    for partition in offsets:
        if partition not in owned:
            raise PartitionLostError(f"{partition.name} does not belong to this member of group {group!r}")
