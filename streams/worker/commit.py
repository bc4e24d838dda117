"""The commit of one micro-batch: an ordered protocol, in one place.

# Exactly-once

On a transactional transport everything that a batch produces and all offsets that it commits stand in one transaction
of the broker. Readers of committed records, which all of Tocsin's own are, see both or neither.

| step | what happens | a crash just after it |
|---|---|---|
| 0 | the batch is polled; nothing has begun | the batch is polled again |
| 1 | outputs are produced, which begins the transaction | the transaction is aborted: nobody saw the outputs |
| 2 | they are flushed: every one stands in its topic, unseen | the same |
| 3 | the offsets are sent to the transaction | the same; until then nobody is told these offsets |
| 4 | the transaction is committed | the batch is done, and the state lags by it |
| 5 | the state is committed, with the same offsets inside | nothing is left to do |

Who aborts: the next producer of the same transactional id, which this worker's place keeps; else the broker, once
`kafka.transaction_timeout_ms` is over.

**The offsets** are those of the events, and those of the labels that this worker has settled, with their notes. A batch
that has none (a label that another worker settles was joined, say) commits one again that stands already, because the
broker asks only with an offset for the generation of the group.

**A zombie** is a worker that was paused or cut off while its partitions went to another one. The broker refuses its
offsets at step 3, since they come with the generation in which it got its partitions. Its transaction fails as a whole,
and it goes back to what the group has committed. One that had passed step 3 before its partitions went may still
commit; so whoever has them next waits until that is settled: the broker does not tell offsets that stand in an open
transaction, and `Transport.read` waits below the end of a log for transactions to end. Step 2 comes before step 3, so
that every record which such a transaction can still make visible stands below the end that the next owner is told.

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

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.streams.state.store import Transaction
from tocsin.streams.transport.base import Committed, Offsets, Partition, Transport


@dataclass(frozen=True, slots=True)
class Commit:
    """Makes a micro-batch permanent; the order is the guarantee. What was to be produced has been."""

    transport: Transport
    transaction: Transaction

    def run(self, shared: Offsets, whole: Offsets, settled: Mapping[Partition, Committed]) -> None:
        """Commit the next offsets of shared partitions, the positions in whole topics, and what is settled of labels.

        Raises TransportError or StateError; what comes later in the order has then not happened. After a
        BatchFailedError nobody may go on from what is in memory or in the transaction: it is aborted.
        """
        self.transport.flush()
        offsets = {partition: committed.offset for partition, committed in settled.items()}
        notes = {partition: committed.note for partition, committed in settled.items()}
        self.transport.commit({**shared, **offsets}, notes)
        self.transaction.positions.set({**shared, **whole})
        self.transaction.commit()
