"""Replay into the topics of a running service, at a chosen rate, with labels as late as asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tocsin.config.settings import Settings
from tocsin.streams.replay.label_schedule import LabelSchedule
from tocsin.streams.replay.misfits import Misfits
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.transport.base import Transport
from tocsin.streams.transport.kafka import KafkaTransport

_SHORT_SECONDS = 0.01
"""A wait that is longer is used to flush what was produced so far."""


@dataclass(frozen=True, slots=True)
class ProduceReport:
    """What `tocsin replay --report json` prints where it replays into topics."""

    events: int
    labels: int
    dead_letters: int
    """Of both, those that the service makes dead letters of, because they do not fit the schema of this config."""
    events_per_second: float | None


def produce(
    settings: Settings,
    source: Iterable[PastEvent],
    label_delay: int,
    rate: float | None,
    progress: Callable[[], None] = lambda: None,
    misfits: Misfits | None = None,
) -> ProduceReport:
    """Send all events, `rate` of them a second, and the label of event i after event i + `label_delay`, or where it has
    a time of its own before the first event that is no earlier.

    `progress` is called after each event; `misfits` knows afterwards what does not fit, and why. Raises TransportError
    and SourceError.
    """
    misfits = misfits or Misfits(settings)
    transport = KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)
    unlabelled = LabelSchedule[None](label_delay)
    events = labels = 0
    started = time.monotonic()
    try:
        for past in source:
            _wait_until_due(transport, started, events, rate)
            labels += sum(_send_label(settings, transport, due, misfits) for due, _ in unlabelled.before(past))
            transport.produce(settings.topics.events, past.key, past.event)
            misfits.event(past.event)
            events += 1
            progress()
            unlabelled.add(past, None)
            labels += sum(_send_label(settings, transport, due, misfits) for due, _ in unlabelled.after())
        labels += sum(_send_label(settings, transport, due, misfits) for due, _ in unlabelled.rest())
        transport.flush()
    finally:
        transport.close()
    seconds = time.monotonic() - started
    return ProduceReport(events, labels, misfits.count, events / seconds if seconds else None)


def _wait_until_due(transport: Transport, started: float, sent: int, rate: float | None) -> None:
    """Wait until the next event is due, `sent` / `rate` seconds after the start."""
    if rate is None:
        return
    due = started + sent / rate
    if due - time.monotonic() > _SHORT_SECONDS:
        transport.flush()
    if (left := due - time.monotonic()) > 0:
        time.sleep(left)


def _send_label(settings: Settings, transport: Transport, past: PastEvent, misfits: Misfits) -> int:
    """Send the label of an event where it has one; returns how many labels were sent."""
    if past.label is None:
        return 0
    record = label_record(settings, past)
    transport.produce(settings.topics.labels, past.key, record)
    misfits.label(record)
    return 1
