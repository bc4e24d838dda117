"""The monitor as a whole: reads, counts, serves, shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import orjson
from pydantic import ValidationError

from tocsin.config.settings import Settings
from tocsin.streams.monitor.index import index
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.page import Page
from tocsin.streams.monitor.reader import Reader
from tocsin.streams.monitor.tallies import BadRecordError, DeadLetters, Decisions
from tocsin.streams.monitor.view import View
from tocsin.streams.monitor.workers import Workers
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.records import Telemetry

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_SETTLE_SECONDS = 1.0
"""Time between two rounds of what need not be done at every poll; the view is drawn then, too."""
_HEALTHY_SECONDS = 30.0
"""Without a poll for so long the monitor says that it is ill."""


class Monitor:
    """Reads `telemetry`, `decisions` and `dead-letters`, and serves what they say while it is entered."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self.metrics = Metrics(clock)
        self.workers = Workers(self.metrics, settings.classes, settings.monitor.interval_seconds)
        self.decisions = Decisions(self.metrics)
        self.dead_letters = DeadLetters(self.metrics)
        topics = settings.topics
        self._handlers: dict[str, tuple[str, Callable[[Record], None]]] = {
            topics.telemetry: ("telemetry", self._telemetry),
            topics.decisions: ("decisions", self.decisions.take),
            topics.dead_letters: ("dead-letters", self.dead_letters.take),
        }
        for topic, _ in self._handlers.values():
            self.metrics.add("tocsin_monitor_records", 0, topic)
            self.metrics.add("tocsin_monitor_bad_records", 0, topic)
        self._polled = time.monotonic()
        self._settled: float | None = None

    def __enter__(self) -> Self:
        """Raises LogError where the broker or a topic is absent, PageError where the port is taken."""
        self._reader = Reader(self._settings, list(self._handlers))
        monitor = self._settings.monitor
        try:
            self._page = Page(monitor.host, monitor.port, self.metrics.registry, self._healthy, self._index)
        except BaseException:
            self._reader.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._page.close()
        self._reader.close()

    @property
    def address(self) -> str:
        """Where the page is, as http://host:port."""
        return self._page.address

    def step(self, seconds: float = _POLL_SECONDS) -> int:
        """Take in what has come, waiting up to so many seconds; returns how many records that were."""
        records = self._reader.poll(seconds)
        self._polled = time.monotonic()
        for record in records:
            self._take(record)
        if self._settled is None or time.monotonic() - self._settled >= _SETTLE_SECONDS:
            self._settle()
        return len(records)

    def _take(self, record: Record) -> None:
        topic, handle = self._handlers[record.topic]
        self.metrics.add("tocsin_monitor_records", 1, topic)
        try:
            handle(record)
        except BadRecordError as error:
            self.metrics.add("tocsin_monitor_bad_records", 1, topic)
            log.debug("%s %d, offset %d: %s", record.topic, record.partition, record.offset, error)

    def _telemetry(self, record: Record) -> None:
        try:
            telemetry = Telemetry.model_validate(orjson.loads(record.value or b""))
        except (orjson.JSONDecodeError, ValidationError) as error:
            raise BadRecordError(f"not telemetry: {error}") from None
        if telemetry.service != self._settings.name:
            self.metrics.add("tocsin_monitor_foreign_records")
            return
        self.workers.take(telemetry)

    def _settle(self) -> None:
        self._settled = time.monotonic()
        self.workers.settle(self._clock())
        self.metrics.add("tocsin_monitor_errors", self._reader.errors)
        self._reader.errors = 0
        for topic, lag in self._reader.lag().items():
            self.metrics.set("tocsin_monitor_lag_records", lag, self._handlers[topic][0])

    def _index(self) -> str:
        now = self._clock()
        with self.metrics.together():  # which the workers are counted under, too
            return index(self._settings.name, list(self.workers.living(now)), now)

    def _healthy(self) -> bool:
        return time.monotonic() - self._polled < _HEALTHY_SECONDS


def run(settings: Settings, stop: Callable[[], bool], view: bool = False) -> None:
    """Monitor until `stop` says so, with a view in the terminal if asked for.

    Says on standard output where the metrics are. Raises LogError where broker or topics are absent at the
    start, and PageError where the page cannot be served; a broker that goes away later is waited for.
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
                screen.show(monitor.workers, monitor.dead_letters, monitor.metrics, time.time())
