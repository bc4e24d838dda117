"""The recent traffic of each partition of the events, kept in the state with the transaction of each batch.

It is written in blocks, of which a batch changes the last ones: all of it would be hundreds of kilobytes a batch. A
worker that takes a partition over begins anew, unless its own state is as far as the partition is: for about as many
events as the labelled ones that traffic is compared with, it then says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tocsin.models.classifier import Classifier
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.traffic.recent import RecentTraffic
from tocsin.streams.state.notes import Notes
from tocsin.streams.wire.packed.events import traffic_ratio

BLOCK = 128
"""Events in one block."""
HEADER = "<i8"


class TrafficKeeper:
    """Reads and writes the recent traffic of partitions; nothing where traffic is not compared."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._digest = classifier.digest
        self._kept: dict[int, tuple[bytes, RecentTraffic]] = {}
        """By partition, what was written last, and under which header."""
        self.compares = self._begun(1) is not None
        """Whether traffic is compared."""

    def read(self, among: Sequence[int], partitions: int, notes: Notes) -> dict[int, RecentTraffic]:
        """What came of late in some of so many partitions of the events, whose labels are all learnt."""
        if not self.compares:
            return {}
        traffic = {partition: self._of(partition, notes) for partition in among}
        for one in traffic.values():
            one.partitions = partitions
        return traffic

    def write(self, notes: Notes, scores: Scores) -> None:
        """Keep the traffic after a batch."""
        for partition, traffic in scores.traffic.items():
            before = self._kept.get(partition)
            written = before[1] if before is not None and before[0] == notes.traffic(partition) else None
            first = written.count if written is not None and traffic.goes_on_from(written) else 0
            for block in range(first // BLOCK, -(-traffic.count // BLOCK)):
                rows = traffic.rows(block * BLOCK, min((block + 1) * BLOCK, traffic.count))
                notes.set_traffic(partition, str(block), rows.tobytes())
            header = self._digest.encode() + b" " + np.array(traffic.header(), HEADER).tobytes()
            notes.set_traffic(partition, "", header)
            self._kept[partition] = (header, traffic)

    def compare_anew(self, partitions: int, notes: Notes) -> None:
        """Have traffic of these first partitions compared anew with what the model holds of labelled events.

        The model went back, so that the number of their version may be that of others.
        """
        for partition in range(partitions):
            digest, _, numbers = (notes.traffic(partition) or b"").partition(b" ")
            if digest == self._digest.encode() and len(numbers) == 5 * 8:
                header = np.frombuffer(numbers, HEADER).copy()
                header[-1] = -1
                notes.set_traffic(partition, "", digest + b" " + header.tobytes())

    def _of(self, partition: int, notes: Notes) -> RecentTraffic:
        header, kept = notes.traffic(partition), self._kept.get(partition)
        # A batch that was given up left the state as it was before it, with another header.
        return kept[1] if kept is not None and kept[0] == header else self._read(partition, header, notes)

    def _read(self, partition: int, header: bytes | None, notes: Notes) -> RecentTraffic:
        """From the state; as before the first event where that is of another model, or damaged."""
        digest, _, numbers = (header or b"").partition(b" ")
        if digest != self._digest.encode() or len(numbers) != 5 * 8:
            return self._fresh()
        count, seen, stride, built, version = np.frombuffer(numbers, HEADER).tolist()
        blocks = [notes.traffic(partition, str(block)) or b"" for block in range(-(-count // BLOCK))]
        traffic = self._fresh()
        try:
            rows = np.frombuffer(b"".join(blocks), np.float64).reshape(count, -1)
            traffic.restore((count, seen, stride, built, version), rows)
        except ValueError:
            return self._fresh()
        return traffic

    def _begun(self, partitions: int) -> RecentTraffic | None:
        return self._classifier.mixture.judge.novelty.recent_traffic(partitions)

    def _fresh(self) -> RecentTraffic:
        made = self._begun(1)
        assert made is not None  # else nobody asks
        return made


def traffic_ratios(scores: Scores) -> list[float | None]:
    """The traffic ratio of each event; None where it is not known."""
    if scores.nonconformity is None or scores.nonconformity.shape[1] <= 2:
        return [None] * len(scores.batch)
    return [traffic_ratio(row) for row in scores.nonconformity.tolist()]
