"""The commit of micro-batches: an ordered protocol, in one place.

# Exactly-once

On a transactional transport everything that a batch produces and all offsets that it commits stand in one transaction
of the broker. Readers of committed records, which all of Tocsin's own are, see both or neither.

| step | what happens | a crash just after it |
|---|---|---|
| 0 | the batch is polled and worked off; its outputs are held back | the batch is polled again |
| 1 | outputs are produced, which begins the transaction | the transaction is aborted: nobody saw the outputs |
| 2 | they are flushed: every one stands in its topic, unseen | the same |
| 3 | the offsets are sent to the transaction | the same; until then nobody is told these offsets |
| 4 | the transaction is committed | the batch is done, and the state lags by it |
| 5 | the state is committed, with the same offsets inside | nothing is left to do |

**Two batches at once.** A second thread takes a batch through the steps 1 to 4, while the first one polls the next and
works it off. Step 1 of a batch comes after step 4 of the one before, so the transactions keep the order of the batches.
Where one fails, the batch that was worked off meanwhile is given up with it: its outputs were produced by nobody.

**The state** is changed by every batch within one transaction of its own, which stays open. Step 5 takes place where no
batch is on its way: when there is nothing to poll, before partitions come or go, and `KEEP_SECONDS` after the last time
at the latest. So the state may lag by several batches. A batch that is given up takes all of them out of the state with
it; those that were committed are read back like after a crash.

Who aborts: the next producer of the same transactional id, which this worker's place keeps; else the broker, once
`kafka.transaction_timeout_ms` is over.

**The offsets** are those of the events, and those of the labels that this worker has settled, with their notes. A batch
that has none (a label that another worker settles was joined, say) commits one again that stands already, because the
broker asks only with an offset for the generation of the group.

**A zombie** is a worker that was paused or cut off while its partitions went to another one. The broker refuses its
offsets at step 3, since they come with the last generation in which it was a member. Its transaction fails as a whole,
and it goes back to what the group has committed. One that had passed step 3 before its partitions went may still
commit; so whoever has them next waits until that is settled: the broker does not tell offsets that stand in an open
transaction, and `Transport.read` waits below the end of a log for transactions to end. Step 2 comes before step 3, so
that every record which such a transaction can still make visible stands below the end that the next owner is told.

**A generation that grew** while a batch was on its way is no zombie's: where partitions move one by one, the client
takes part in a rebalance in the background and keeps its own. The broker refuses the old generation at step 3. Then the
transaction is aborted, and the batch goes through the steps from 1 on once more, with the present generation.

**A lost answer** at step 3 or 4 is no answer. The same call is repeated, and the broker knows what it has done already.
Where no answer comes at all, nobody knows whether the batch is done: the transport is opened anew with the same
transactional id, which settles it either way, and what the group has committed tells.

**A state that lags** after step 4 lacks the batch. Its events and their decisions are read back from the logs
(`tocsin.streams.worker.rebuild`). Its labels are read again, and those that were joined are known by then: before
anything is joined, the feedback log is folded to the end that it has after the assignment, past every open transaction.
Labels that an offset with a note calls settled are not settled again.

# At least once

Without transactions the steps 1 and 3 take place by themselves at once. After a crash between 1 and 4 the batch in hand
is decided again: such events are counted (`decided_twice`), and none is left out.

In both the state may lag the committed offsets, and never leads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass

from tocsin.streams.state.store import State, Transaction
from tocsin.streams.transport.base import CommitAgainError, Committed, Offsets, Partition, Rebalance, Transport
from tocsin.streams.transport.calls import Calls
from tocsin.streams.wire.encode import Output

KEEP_SECONDS = 1.0
"""So long after the state was committed it is committed again, although there is more to poll."""
_LOOK_SECONDS = 0.05
"""How often a thread that waits for a commit lets the transport have its turn."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Makes one micro-batch permanent but for the state; the order is the guarantee."""

    transport: Transport
    outputs: Sequence[Output]
    """What is to be produced."""
    first: Sequence[Output] = ()
    """What must stand in its topic before any of it: keys, without which nobody could open what they seal."""

    def run(self, offsets: Offsets, settled: Mapping[Partition, Committed]) -> None:
        """Commit the next offsets of shared partitions, and what is settled of labels.

        Raises TransportError; what comes later in the order has then not happened. After a BatchFailedError nobody may
        go on from what is in memory or in the state's open transaction: it is aborted.
        """
        both = {**offsets, **{partition: committed.offset for partition, committed in settled.items()}}
        notes = {partition: committed.note for partition, committed in settled.items()}
        while True:
            for output in self.first:
                self.transport.produce(output.topic, output.key, output.value, output.headers)
            if self.first:
                self.transport.flush()
            for output in self.outputs:
                self.transport.produce(output.topic, output.key, output.value, output.headers)
            self.transport.flush()
            with suppress(CommitAgainError):
                self.transport.commit(both, notes)
                return


class Commits:
    """Commits the batches of one worker in their order, each while the next one is worked off if the transport can.

    A failed one is told by the next call of any method but `drop`, which raises what `Commit.run` raised.
    """

    def __init__(self, state: State, transport: Transport, first: Callable[[], Sequence[Output]] = lambda: ()) -> None:
        """`first` gives what a batch must produce before all else, when it is committed."""
        self._state = state
        self._first = first
        self._transaction: Transaction | None = None
        self._outputs: list[Output] = []
        """What the batch in hand is to produce."""
        self._on_its_way: Future[None] | None = None
        self._kept_at = time.monotonic()
        self._calls = Calls("batches")
        self.transport = transport
        """Replaced, after `drop`, by one that was opened anew."""

    @property
    def transaction(self) -> Transaction:
        """The transaction of the state that the batch in hand belongs to."""
        if self._transaction is None:
            self._transaction = self._state.begin()
        return self._transaction

    @property
    def unsettled(self) -> bool:
        """Whether there are batches whose changes the state has not kept."""
        return self._transaction is not None

    def produce(self, output: Output) -> None:
        """Produce a record with the batch in hand; it is held back until the batch is committed."""
        self._outputs.append(output)

    def commit(self, shared: Offsets, whole: Offsets, settled: Mapping[Partition, Committed]) -> None:
        """Commit the batch in hand: next offsets of shared partitions, positions in whole topics, what is settled.

        It is done when this returns, or, on a concurrent transport, after `settle`. Raises TransportError, StateError.
        """
        self._wait()
        self.transaction.positions.set({**shared, **whole})
        batch, self._outputs = Commit(self.transport, self._outputs, self._first()), []
        if self.transport.concurrent:
            self._on_its_way = self._calls(lambda: batch.run(shared, settled))
            if time.monotonic() < self._kept_at + KEEP_SECONDS:
                return
        else:
            batch.run(shared, settled)
        self.settle()

    def settle(self) -> None:
        """Return when every batch is committed, and the state, too. Raises TransportError, StateError."""
        self._wait()
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            transaction.commit()
        self._kept_at = time.monotonic()

    def drop(self) -> None:
        """Give up the batch in hand, and what the state has not kept. One that is on its way may still be committed."""
        if self._on_its_way is not None:
            wait([self._on_its_way])
            self._on_its_way = None
        self._outputs = []
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = None

    def close(self) -> None:
        """The same, for good."""
        self.drop()
        self._calls.end()

    def _wait(self) -> None:
        """Wait for the batch that is on its way. Raises what its commit raised."""
        if self._on_its_way is not None:
            while not wait([self._on_its_way], _LOOK_SECONDS).done:
                self.transport.attend()
            done, self._on_its_way = self._on_its_way, None
            done.result()


class Settled:
    """Settles every batch before partitions come or go: later the broker would refuse it."""

    def __init__(self, rebalance: Rebalance, settle: Callable[[], None]) -> None:
        self._rebalance = rebalance
        self._settle = settle

    def assigned(self, committed: Mapping[Partition, Committed | None]) -> Offsets:
        """See `Rebalance`."""
        self._settle()
        return self._rebalance.assigned(committed)

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """See `Rebalance`."""
        try:
            self._settle()
        finally:
            self._rebalance.revoked(partitions)
