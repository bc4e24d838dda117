"""The chain of decisions in a worker: each decision holds the digest of the one before it on its partition of events.

The head of a chain, the digest of its last decision, is kept in the state with the transaction of the batch, and goes
back with it where the batch is given up. Where the state lags behind the log or is lost, the head is read from the log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from tocsin.streams.state.store import Transaction
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.proof.chain import link_of, with_link

FIRST_LOOK = 1_000
"""Decisions of each partition of their topic that are looked through first for the head of a chain."""
CLOCKS_APART_MS = 10_000
"""So far the clocks of two workers may be apart: what is older than that lies before in the log."""


class Chain:
    """Puts links on the decisions of one worker."""

    def __init__(self, topic: str) -> None:
        """`topic` is that of the decisions."""
        self._topic = topic
        self._transaction: Transaction | None = None
        self._heads: dict[int, str] = {}

    def link(self, output: Output, transaction: Transaction) -> Output:
        """The output with its link, where it is a decision on a record from outside."""
        if output.topic != self._topic or output.origin is None:
            return output
        heads, partition = self._heads_within(transaction), output.origin.partition
        before = heads.get(partition)
        if before is None:
            before = transaction.notes.chain(partition) or ""
        value, heads[partition] = with_link(output.value, partition, output.origin.offset, before)
        return output._replace(value=value)

    def keep(self, transaction: Transaction) -> None:
        """Write the heads into the transaction of the batch that is about to be committed."""
        for partition, head in self._heads_within(transaction).items():
            transaction.notes.set_chain(partition, head)

    def _heads_within(self, transaction: Transaction) -> dict[int, str]:
        """Those of this transaction: what another one wrote, and whether it was committed, stands in the state."""
        if transaction is not self._transaction:
            self._transaction, self._heads = transaction, {}
        return self._heads


class _Found(NamedTuple):
    """The last link of a partition that was found so far."""

    offset: int
    digest: str
    timestamp: int


def heads_in(reader: Transport, topic: str, partitions: Iterable[int]) -> dict[int, str]:
    """The heads of the chains of some partitions of the events, as the topic of the decisions has them.

    The last decisions are looked through first, then more and more of them, until nothing that was not read can be
    later than what was found: a partition may have been silent for long.
    """
    heads: dict[int, _Found] = {}
    wanted, left = set(partitions), reader.end_offsets(topic)
    firsts, look = reader.first_offsets(topic), FIRST_LOOK
    while wanted and left:
        earliest = 0
        for place, stop in list(left.items()):
            start = max(firsts.get(place, 0), stop - look)
            began = _look_through(reader.read(place, start, stop) if start < stop else (), wanted, heads)
            earliest = max(earliest, began or 0)
            left[place] = start
            if start <= firsts.get(place, 0):
                del left[place]  # and nothing before it can be later than anything
        known = {p for p in wanted if p in heads and heads[p].timestamp - CLOCKS_APART_MS >= earliest}
        wanted -= known
        look *= 4
    return {partition: found.digest for partition, found in heads.items()}


def _look_through(records: Iterable[Record], wanted: Collection[int], heads: dict[int, _Found]) -> int | None:
    """Enter the last links among decisions; returns the timestamp of the first of these."""
    began = None
    for record in records:
        began = record.timestamp if began is None else began
        link = link_of(record.value or b"")
        if link is not None and link.partition in wanted:
            before = heads.get(link.partition)
            if before is None or link.offset >= before.offset:
                heads[link.partition] = _Found(link.offset, link.sha256, record.timestamp)
    return began
