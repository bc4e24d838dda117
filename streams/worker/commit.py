"""The commit of one micro-batch: an ordered protocol, in one place.

At least once: an event whose batch was not committed is decided again after a crash, and none is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.streams.state.store import Transaction
from tocsin.streams.transport.base import Committed, Offsets, Partition, Transport


@dataclass(frozen=True, slots=True)
class Commit:
    """Makes a micro-batch permanent. The order is the guarantee:

    1. outputs are produced (decide, join) and flushed: the broker has acknowledged every one;
    2. the input offsets are committed to the consumer group, with how far this worker has settled labels;
    3. the state is committed, with the same offsets inside.

    A crash before 1: nothing happened. Between 1 and 2: the batch is decided again (doubles, counted, no loss).
    Between 2 and 3: the state lags the committed offsets and is rebuilt over the gap. The state never leads.
    """

    transport: Transport
    transaction: Transaction

    def run(self, shared: Offsets, whole: Offsets, settled: Mapping[Partition, Committed]) -> None:
        """Commit the next offsets of shared partitions, the positions in whole topics, and what is settled of labels.

        Raises TransportError or StateError; what comes later in the order has then not happened.
        """
        self.transport.flush()
        if shared or settled:
            offsets = {partition: committed.offset for partition, committed in settled.items()}
            notes = {partition: committed.note for partition, committed in settled.items()}
            self.transport.commit({**shared, **offsets}, notes)
        self.transaction.positions.set({**shared, **whole})
        self.transaction.commit()
