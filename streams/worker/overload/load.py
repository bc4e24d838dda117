"""Load: how far a worker is behind, which of its partitions stand still, and what it gives up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Partition, Progress
from tocsin.streams.wire.records import Shed
from tocsin.streams.worker.overload.shedding import Shedding
from tocsin.streams.worker.overload.stalls import Stalls


class SeenLoad(NamedTuple):
    """The load of a worker at one instant."""

    lag: Mapping[Partition, int] = {}
    """Records that are there and not read yet."""
    stalled: Mapping[Partition, float] = {}
    """For how many seconds each stalled partition has not advanced."""
    behind: float = 0.0
    """About how many seconds it takes to work off what was not read."""
    shed: Shed | None = None
    """What is given up, because that is too long."""


class Load:
    """Looks at the load of one worker."""

    def __init__(self, settings: Settings) -> None:
        self._stalls = Stalls(settings.monitor.stalled_seconds)
        self._shedding = Shedding(settings.overload)

    def took(self, records: int, seconds: float) -> None:
        """Note how long so many records took, from poll to commit."""
        self._shedding.took(records, seconds)

    def see(self, progress: Mapping[Partition, Progress], now: int) -> SeenLoad:
        """Look at the partitions that are read, at `now` milliseconds of a clock that nobody sets back."""
        lag = {partition: found.lag for partition, found in progress.items()}
        stalled = self._stalls.see(progress, now)
        shed = self._shedding.see(sum(lag.values()), now)
        return SeenLoad(lag, stalled, self._shedding.behind, shed)
