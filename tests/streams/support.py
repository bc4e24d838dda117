"""A service in this process for tests: settings, a broker in memory, workers whose clock the test holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import (
    Partition,
    Rebalance,
    Record,
    Transport,
)
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.transport.topics import ONE_PARTITION
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.packed.control import Control, is_control, packed_control, read_control
from tocsin.streams.wire.packed.feedback import read_feedback
from tocsin.streams.worker.worker import OpenTransport, Worker

START = 1_700_000_000_000
"""The first instant of a test's clock, epoch milliseconds."""


def settings(directory: Path, **changes: Any) -> Settings:
    """A small service: two numeric features, two classes, two cheap experts, no cold start."""
    values: dict[str, Any] = {
        "name": "test",
        "schema": {"features": [{"name": "a"}, {"name": "b", "required": False}]},
        "classes": ["no", "yes"],
        "experts": [{"kind": "linear"}, {"kind": "persistence", "by": "subject"}],
        "abstention": {"cold_start": 5},
        "state": {"directory": directory, "max_bytes": 64 * 1024 * 1024},
        "monitor": {"interval_seconds": 1.0},
        "kernels": {"device": os.environ.get("TOCSINTEST_DEVICE", "cpu")},
    }
    return Settings(**{**values, **changes})


def text_settings(directory: Path, **changes: Any) -> Settings:
    """A service that reads texts and raises alerts for the class `spam`."""
    values: dict[str, Any] = {
        "schema": {"text": "text"},
        "classes": ["ham", "spam"],
        "experts": [{"kind": "ss3", "name": "ss3"}],
        "early_risk": {"classes": ["spam"]},
    }
    return settings(directory, **{**values, **changes})


def record(value: Any, topic: str = "events", partition: int = 0, offset: int = 0, **more: Any) -> Record:
    """A raw record; what is not bytes yet becomes JSON."""
    data = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    return Record(topic, partition, offset, START, more.get("key"), data, more.get("headers", ()))


def event(identity: str, a: float = 1.0, b: float | None = 2.0, **more: Any) -> dict[str, Any]:
    """An event of the small service."""
    return {"id": identity, "subject": "s", "time": START, "features": {"a": a, "b": b}, **more}


def label(identity: str, truth: str = "yes", **more: Any) -> dict[str, Any]:
    """A label of an event."""
    return {"event": identity, "label": truth, "time": START + 5_000, **more}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


class Service:
    """One broker in memory with all topics, and any number of workers on it."""

    def __init__(
        self, config: Settings, partitions: int = 1, transactional: bool = False, concurrent: bool = False
    ) -> None:
        self.settings = config
        self._transactional = transactional
        self._concurrent = concurrent
        self.topics = config.topics
        self.clock = Clock()
        self.broker = MemoryBroker(self.clock)
        one_partition = {self.topics.by_role()[role] for role in ONE_PARTITION}
        for name in self.topics.names():
            self.broker.create(name, 1 if name in one_partition else partitions)
        self._feeder = MemoryTransport(self.broker)

    def open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """See `tocsin.streams.worker.worker.OpenTransport`."""
        return MemoryTransport(
            self.broker,
            shared=shared,
            whole=whole,
            group=self.settings.group,
            rebalance=rebalance,
            transactional=self._transactional and bool(shared),
            concurrent=self._concurrent,
        )

    def worker(self, config: Settings | None = None, open_transport: OpenTransport | None = None) -> Worker:
        return Worker(config or self.settings, open_transport or self.open, self.clock, ticks=self.clock)

    def send(self, *events: dict[str, Any] | bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        for item in events:
            self._send(self.topics.events, item, headers)

    def tell(self, *labels: dict[str, Any] | bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        for item in labels:
            self._send(self.topics.labels, item, headers)

    def _send(self, topic: str, item: Any, headers: Sequence[tuple[str, bytes]]) -> None:
        key = str(item.get("subject", item.get("event"))).encode() if isinstance(item, dict) else None
        value = orjson.dumps(item) if isinstance(item, dict) else item
        self._feeder.produce(topic, key, value, headers)

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, partition by partition."""
        ends = self._feeder.end_offsets(topic)
        return [r for partition, end in ends.items() for r in self._feeder.read(partition, 0, end)]

    def values(self, topic: str) -> list[dict[str, Any]]:
        if topic == self.topics.feedback:
            return [orjson.loads(encode(read_feedback(r))) for r in self.records(topic) if not is_control(r.value)]
        return [orjson.loads(r.value or b"null") for r in self.records(topic)]

    @property
    def decisions(self) -> list[dict[str, Any]]:
        return self.values(self.topics.decisions)

    @property
    def feedback(self) -> list[dict[str, Any]]:
        return self.values(self.topics.feedback)

    @property
    def controls(self) -> list[tuple[int, Control]]:
        """The control records of the feedback, each with its offset."""
        records = self.records(self.topics.feedback)
        return [(r.offset, read_control(r.value or b"")) for r in records if is_control(r.value)]

    def control(self, control: Control) -> None:
        """Write a control record."""
        self._feeder.produce(self.topics.feedback, None, packed_control(control))

    @property
    def dead_letters(self) -> list[tuple[str, bytes | None]]:
        """Kind and value of every dead letter."""
        return [(reason(r), r.value) for r in self.records(self.topics.dead_letters)]


def reason(dead_letter: Record, part: str = "exception") -> str:
    """What a dead letter's headers say."""
    return dict(dead_letter.headers)[f"__streams.errors.{part}"].decode()


def drain(*workers: Worker, most: int = 200) -> None:
    """Step the workers in turn until none has anything to do."""
    idle = 0
    for _ in range(most):
        idle = 0 if sum(worker.step(0) for worker in workers) else idle + 1
        if idle >= 3:
            return
    raise AssertionError("the workers never come to rest")


def crash(worker: Worker) -> None:
    """End a worker as SIGKILL would: nothing more is committed, written or told; the group notices."""
    worker.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


@contextmanager
def running(
    service: Service, config: Settings | None = None, open_transport: OpenTransport | None = None
) -> Iterator[Worker]:
    """A worker that has done all there is to do when the block begins."""
    with service.worker(config, open_transport) as worker:
        drain(worker)
        yield worker


def bits(worker: Worker) -> dict[str, bytes]:
    """Every bit of a worker's model that learning changes."""
    model = worker.classifier
    parts = {
        "router": model.router.state_dict(),
        "lifecycle": model.lifecycle.state_dict(),
        "abstention": model.abstention.state_dict(),
        "novelty": model.mixture.judge.novelty.state_dict(),
    }
    parts |= {expert.name: expert.state_dict() for expert in model.experts}
    return {f"{p}/{n}": array.tobytes() for p, arrays in parts.items() for n, array in arrays.items()}


def stream(n: int, start: int = 0, subjects: int = 4) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """Events with their labels: `yes` where a is above b."""
    for i in range(start, start + n):
        a, b = (i * 37 % 101) / 101, (i * 53 % 89) / 89
        subject = f"s{i % subjects}"
        yield (
            {"id": f"e{i}", "subject": subject, "time": START + i, "features": {"a": a, "b": b}},
            {"event": f"e{i}", "label": "yes" if a > b else "no", "time": START + i + 60_000, "subject": subject},
        )
