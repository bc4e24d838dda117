"""Stalls: partitions that do not advance although there are records to read."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from tocsin.streams.transport.base import Partition, Progress

log = logging.getLogger(__name__)

OF_WORKER = "see whether it has a leader, and whether an open transaction holds its records back"


class Stalls:
    """Notes since when each partition stands still.

    A partition stands still while its position stays the same and its end lies behind it, or is not known because
    nothing could be fetched from it.
    """

    def __init__(self, seconds: float, hint: str = OF_WORKER) -> None:
        """A partition that stands still for so many seconds is stalled; the `hint` says in the log where to look."""
        self._milliseconds = 1000 * seconds
        self._hint = hint
        self._since: dict[Partition, tuple[int, int]] = {}
        """The position of each partition that stands still, and since when, in milliseconds of the caller's clock."""
        self._told: set[Partition] = set()

    def see(
        self, progress: Mapping[Partition, Progress], now: int, excused: Collection[Partition] = ()
    ) -> dict[Partition, float]:
        """Look at the partitions that are read now, at `now` milliseconds of a clock that nobody sets back.

        Returns for how many seconds each stalled partition has stood still, without those that are `excused`. The log
        has a line where one stalls, and one where it advances again.
        """
        since = {}
        for partition, (position, end) in progress.items():
            if end is None or end > position:
                before, start = self._since.get(partition, (position, now))
                since[partition] = (position, start if before == position else now)
        self._since = since
        stalled = {
            partition: (now - at) / 1000
            for partition, (_, at) in since.items()
            if now - at >= self._milliseconds and partition not in excused
        }
        self._tell(progress, stalled)
        return stalled

    def _tell(self, progress: Mapping[Partition, Progress], stalled: Mapping[Partition, float]) -> None:
        for partition in self._told - stalled.keys():
            what = "advances again" if partition in progress else "is another's now"
            log.warning("%s, which stood still, %s", partition.name, what)
        for partition in stalled.keys() - self._told:
            position, end = progress[partition]
            log.warning(
                "%s has stood still at offset %d for %.0f s, %s; %s",
                partition.name,
                position,
                stalled[partition],
                "and nothing could be fetched from it" if end is None else f"although it ends at offset {end}",
                self._hint,
            )
        self._told = set(stalled)
