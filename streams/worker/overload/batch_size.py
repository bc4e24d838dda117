"""How much a worker takes on in one batch: as much as it works off within a bounded time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Record

FIRST_UNITS = 256.0
"""The work of the first batch after a start, of which it is not known yet how long it takes."""
UNIT_BYTES = 1_024
"""Bytes that count as much work as one record of none."""
_OF_TRANSACTION, _OF_POLL_INTERVAL = 0.25, 0.1
"""The shares of the time of a transaction and of the time between two polls that a batch may take."""


class BatchSize(Protocol):
    """Decides how many records are polled at once, and how many of them stand in one transaction."""

    @property
    def most(self) -> int:
        """How many records to poll at the most."""
        ...

    def batches(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """The records, which were polled at once, as batches in their order."""
        ...

    def took(self, records: Sequence[Record], seconds: float) -> None:
        """Note how long the last batch took, whether it was finished or has failed."""
        ...


class FixedSize:
    """Batches are as large as the lag, up to a number. Nothing depends on time."""

    def __init__(self, most: int) -> None:
        self.most = most

    def batches(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """See `BatchSize`."""
        if records:
            yield records

    def took(self, records: Sequence[Record], seconds: float) -> None:
        """See `BatchSize`."""


class BoundedTime:
    """Batches take no longer than a number of seconds, whatever the model costs.

    Work is counted in units: one a record, and one for each `UNIT_BYTES` of it. A batch that takes too long makes the
    next one smaller in proportion. One that fills its allowance in less than half the time doubles the allowance.
    """

    def __init__(self, most: int, seconds: float) -> None:
        """`most` is how many records are polled at once at the most, `seconds` how long a batch may take."""
        self._most = most
        self.seconds = seconds
        self.units = FIRST_UNITS
        """The work that the next batch may hold."""
        self._of_record = 1.0
        """The work of a record in the last batch, on average."""

    @classmethod
    def of(cls, settings: Settings) -> BoundedTime:
        """The bounds of a service: also well within the time of a transaction and the time between two polls."""
        kafka, batching = settings.kafka, settings.batching
        of_transaction = _OF_TRANSACTION * kafka.transaction_timeout_ms / 1000
        of_interval = _OF_POLL_INTERVAL * kafka.poll_interval_ms / 1000
        return cls(batching.max_events, min(batching.max_seconds, of_transaction, of_interval))

    @property
    def most(self) -> int:
        """See `BatchSize`."""
        return max(1, min(self._most, int(self.units / self._of_record)))

    def batches(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """See `BatchSize`. Each batch is cut by what the ones before it have taken."""
        start = 0
        while start < len(records):
            stop, work = start + 1, _work(records[start])
            while stop < len(records) and (work := work + _work(records[stop])) <= self.units:
                stop += 1
            yield records[start:stop]
            start = stop

    def took(self, records: Sequence[Record], seconds: float) -> None:
        """See `BatchSize`."""
        work = sum(map(_work, records))
        self._of_record = max(1.0, work / max(1, len(records)))
        if seconds > self.seconds:
            self.units = max(1.0, min(self.units, work) * self.seconds / seconds)
        elif 2 * work >= self.units and 2 * seconds < self.seconds:
            self.units = max(2 * work, self.units)


def _work(record: Record) -> float:
    return 1.0 + len(record.value or b"") / UNIT_BYTES
