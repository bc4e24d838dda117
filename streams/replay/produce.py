"""Replay into the topics of a running service, at a chosen rate, labels as late as asked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from tocsin.config.settings import Settings
from tocsin.streams.replay.in_process import label_record
from tocsin.streams.replay.source import Row
from tocsin.streams.transport.base import Transport
from tocsin.streams.worker.service import reader


def produce(
    settings: Settings,
    rows: Iterable[Row],
    label_delay: int,
    rate: float | None,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Send rows as events, and the label of row i after row i + `label_delay`, `rate` events a second.

    Returns how many of each were sent, and how fast. Raises LogError and SourceError.
    """
    log = reader(settings)
    late: deque[Row] = deque()
    events = labels = 0
    started = time.monotonic()
    try:
        for row in rows:
            _wait(log, started, events, rate)
            log.produce(settings.topics.events, row.subject.encode(), row.event)
            events += 1
            progress()
            late.append(row)
            if len(late) > label_delay:
                labels += _send_label(settings, log, late.popleft())
        labels += sum(_send_label(settings, log, row) for row in late)
        log.flush()
    finally:
        log.close()
    seconds = time.monotonic() - started
    return {"events": events, "labels": labels, "events_per_second": events / seconds if seconds else None}


def _wait(log: Transport, started: float, sent: int, rate: float | None) -> None:
    """Hold back until the next event is due; what is sent so far is on its way meanwhile."""
    if rate is None:
        return
    ahead = started + sent / rate - time.monotonic()
    if ahead > 0:
        if ahead > 0.01:
            log.flush()
        time.sleep(max(0.0, started + sent / rate - time.monotonic()))


def _send_label(settings: Settings, log: Transport, row: Row) -> int:
    if row.label is None:
        return 0
    log.produce(settings.topics.labels, row.subject.encode(), label_record(settings, row))
    return 1
