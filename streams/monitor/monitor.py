"""The monitor as a whole: it reads topics, counts what is in them, and serves and shows the counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from tocsin.config.settings import Settings
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.overview import overview
from tocsin.streams.monitor.reader import Reader
from tocsin.streams.monitor.record_counts import BadRecordError, DeadLetterCounts, DecisionCounts
from tocsin.streams.monitor.server import PageServer
from tocsin.streams.monitor.shadow import shown
from tocsin.streams.monitor.standstill import GroupWatch
from tocsin.streams.monitor.view import View
from tocsin.streams.monitor.workers import SILENT_RECORDS, Workers
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.wire.decode import UNREADABLE
from tocsin.streams.wire.records import Telemetry

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_REFRESH_SECONDS = 1.0
"""Time between two rounds of the work that need not be done at every poll."""
_HEALTHY_SECONDS = 30.0
"""Without a poll for so long, /healthz answers that the monitor does not read."""


class Monitor:
    """Reads `telemetry`, `decisions` and `dead-letters`. While it is entered, it serves what it has counted."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self.metrics = Metrics(clock)
        self.workers = Workers(self.metrics, settings.classes, settings.monitor.interval_seconds)
        self.decisions = DecisionCounts(self.metrics)
        self.dead_letters = DeadLetterCounts(self.metrics)
        topics = settings.topics
        self._handlers: dict[str, tuple[str, Callable[[Record], None]]] = {
            topics.telemetry: ("telemetry", self._count_telemetry),
            topics.decisions: ("decisions", self.decisions.count),
            topics.dead_letters: ("dead-letters", self.dead_letters.count),
        }
        for topic, _ in self._handlers.values():
            self.metrics.add("tocsin_monitor_records", 0, topic)
            self.metrics.add("tocsin_monitor_bad_records", 0, topic)
        self.metrics.set("tocsin_target_coverage", settings.monitor.target_coverage)
        self._watch = GroupWatch(settings)
        self.unattended: dict[Partition, float] = {}
        """For how many seconds partitions have not advanced of which no worker tells."""
        self._polled_at = time.monotonic()
        self._refreshed_at: float | None = None

    def __enter__(self) -> Self:
        """Raises TransportError where the broker or a topic is absent, PageError where the port is taken."""
        self._reader = Reader(self._settings, list(self._handlers))
        monitor = self._settings.monitor
        try:
            self._server = PageServer(monitor, self.metrics.registry, self._healthy, self._overview)
        except BaseException:
            self._reader.close()
            raise
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.close()
        self._server.close()
        self._reader.close()

    @property
    def address(self) -> str:
        """Where the page is, as http://host:port."""
        return self._server.address

    def step(self, seconds: float = _POLL_SECONDS) -> int:
        """Count the records that came, waiting for them up to so many seconds; returns how many they were."""
        records = self._reader.poll(seconds)
        self._polled_at = time.monotonic()
        for record in records:
            self._count(record)
        if self._refreshed_at is None or time.monotonic() - self._refreshed_at >= _REFRESH_SECONDS:
            self._refresh()
        return len(records)

    def _count(self, record: Record) -> None:
        topic, handle = self._handlers[record.topic]
        self.metrics.add("tocsin_monitor_records", 1, topic)
        try:
            handle(record)
        except BadRecordError as error:
            self.metrics.add("tocsin_monitor_bad_records", 1, topic)
            _log.debug("%s %d, offset %d: %s", record.topic, record.partition, record.offset, error)

    def _count_telemetry(self, record: Record) -> None:
        try:
            telemetry = msgspec.json.decode(record.value or b"", type=Telemetry)
        except UNREADABLE as error:
            raise BadRecordError(f"not telemetry: {error}") from None
        if telemetry.service != self._settings.name:
            self.metrics.add("tocsin_monitor_foreign_records")
            return
        self.workers.count(telemetry)

    def _refresh(self) -> None:
        self._refreshed_at = time.monotonic()
        self.workers.refresh(self._clock())
        self._look_at_the_group()
        self._look_at_the_shadow()
        self.metrics.add("tocsin_monitor_errors", self._reader.errors)
        self._reader.errors = 0
        for topic, lag in self._reader.lag().items():
            self.metrics.set("tocsin_monitor_lag_records", lag, self._handlers[topic][0])

    def _look_at_the_group(self) -> None:
        """Find the partitions that stand still, and of which no worker has told lately."""
        monitor, topics = self._settings.monitor, self._settings.topics
        patience = max(monitor.stalled_seconds, SILENT_RECORDS * monitor.interval_seconds)
        found = self._watch.unattended(self.workers.attended(self._clock() - patience), time.monotonic())
        with self.metrics.atomically():
            self.unattended = found or {}
            for topic in (topics.events, topics.labels):
                count = sum(partition.topic == topic for partition in self.unattended)
                self.metrics.set("tocsin_unattended_partitions", None if found is None else count, topic)

    def _look_at_the_shadow(self) -> None:
        with self.metrics.atomically():
            for name, value, labels in shown.gauges(shown.found_in(self.workers.contest, self._settings)):
                self.metrics.set(name, value, *labels)

    def _overview(self) -> str:
        """The page `/`, made in a thread of the server."""
        now = self._clock()
        with self.metrics.atomically():  # the workers are counted under the same lock
            workers = list(self.workers.active(now))
            beside = shown.section(self.workers.contest, self._settings)
            return overview(self._settings.name, workers, now, self.unattended, beside)

    def _healthy(self) -> bool:
        return time.monotonic() - self._polled_at < _HEALTHY_SECONDS


def run(settings: Settings, stop: Callable[[], bool], view: bool = False) -> None:
    """Monitor until `stop` returns True, with a view in the terminal if `view` is True.

    Prints the address of the metrics. Raises TransportError where the broker or a topic is absent at the start, and
    PageError where the page cannot be served. A broker that goes away later is waited for.
    """
    with Monitor(settings) as monitor:
        print(f"metrics: {monitor.address}/metrics", flush=True)
        if not view:
            while not stop():
                monitor.step()
            return
        with View(settings.name, monitor.address) as screen:
            while not stop():
                monitor.step()
                screen.show(monitor.workers, monitor.dead_letters, monitor.metrics, time.time(), monitor.unattended)
