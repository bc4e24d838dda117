"""Verifying what a service in memory decided, from an empty directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.verify.report import VerifyReport
from tocsin.streams.replay.verify.verify import ALL, Verify
from tocsin.streams.transport.base import Offsets, Partition, Rebalance, Record
from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.worker.worker import Worker

from ...support import Service, crash, drain, stream


def elsewhere(config: Settings, directory: Path) -> Settings:
    """The same config on another machine, which has no state."""
    return config.model_copy(update={"state": config.state.model_copy(update={"directory": directory})})


def verify(service: Service, directory: Path, span: Span = ALL, reader: MemoryTransport | None = None) -> VerifyReport:
    """What a verification of everything finds."""
    return Verify(elsewhere(service.settings, directory), reader or MemoryTransport(service.broker), span).run()


def decide_and_learn(service: Service, worker: Worker, n: int, start: int = 0, at_once: int = 20, **more: Any) -> None:
    """Send events with labels that come one portion late, and have them worked off portion by portion."""
    pairs = [({**event, **more}, label) for event, label in stream(n, start)]
    late: list[dict[str, Any]] = []
    for i in range(0, n, at_once):
        portion = pairs[i : i + at_once]
        service.send(*(event for event, _ in portion))
        service.tell(*late)
        drain(worker)
        late = [label for _, label in portion]
    service.tell(*late)
    drain(worker)


def all_good(report: VerifyReport, decisions: int) -> bool:
    """Whether so many decisions were all reproduced; what was not is printed."""
    if not (report.good and report.reproduced == decisions):
        print(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode())
    return report.good and report.reproduced == decisions


class WatchedTransport(MemoryTransport):
    """A reader that tells what it reads of the feedback."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.broker)
        self._topic = service.topics.feedback
        self.offsets: list[int] = []

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        for record in super().read(partition, start, stop):
            if partition.topic == self._topic:
                self.offsets.append(record.offset)
            yield record


def crash_before_commit(service: Service, events: int, start: int) -> None:
    """A worker decides events, and dies before it commits that; their decisions stand in the log."""
    dying = False

    class DyingTransport(MemoryTransport):
        def commit(self, offsets: Offsets, notes: Mapping[Partition, str] | None = None) -> None:
            if dying:
                self.flush()
                raise KeyboardInterrupt
            super().commit(offsets, notes)

    def open_transport(
        shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None
    ) -> MemoryTransport:
        group = service.settings.group
        return DyingTransport(service.broker, shared=shared, whole=whole, group=group, rebalance=rebalance)

    worker = service.worker(open_transport=open_transport)
    worker.__enter__()
    drain(worker)
    service.send(*(event for event, _ in stream(events, start)))
    dying = True
    with pytest.raises(KeyboardInterrupt):
        drain(worker)
    crash(worker)


class TamperedTransport(MemoryTransport):
    """A reader of topics of which somebody changed one."""

    def __init__(self, service: Service, change: Callable[[Record], bytes | None], topic: str | None = None) -> None:
        """`change` gives the value of each record of the topic, that of the decisions by default; None deletes it."""
        super().__init__(service.broker)
        self._change, self._changed_topic = change, topic or service.topics.decisions

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        for record in super().read(partition, start, stop):
            value = self._change(record) if partition.topic == self._changed_topic else record.value
            if value is not None:
                yield record._replace(value=value)
